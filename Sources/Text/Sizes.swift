// Sizes as people write them: 512 500K 100M 1G, in powers of 1024, as df -h and ls -h count.

package enum Sizes {
  private static let units: UnitTable = [
    ("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
  ]

  /// Reads a whole number and its unit, in bytes; nil for anything else, or for more than 2^60.
  package static func bytes(_ text: String) -> Int64? {
    number(text.uppercased(), in: units, limit: 1 << 60)
  }

  /// In the largest unit of which there is one: "0", "512", "3.1M", "99M". It has a decimal below ten, as with df -h,
  /// and is rounded down, so that what is less than a limit never reads like more.
  package static func text(_ bytes: Int64) -> String {
    guard let (suffix, unit) = units.last(where: { bytes >= $0.size }) else { return "0" }
    let whole = bytes / unit
    if unit == 1 || whole >= 10 { return "\(whole)\(suffix)" }
    let tenths = bytes % unit * 10 / unit
    return tenths == 0 ? "\(whole)\(suffix)" : "\(whole).\(tenths)\(suffix)"
  }
}
