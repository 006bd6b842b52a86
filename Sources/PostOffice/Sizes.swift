// Sizes as people write them: 500K 100M 1G, in powers of 1024 as df -h and ls -h count.

enum Sizes {
  private static let units: [(suffix: String, bytes: Int64)] = [
    ("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
  ]

  /// Reads a whole number and its unit, in bytes; nil for anything else, or more than 2^60.
  static func bytes(_ text: some StringProtocol) -> Int64? {
    let digits = text.utf8.prefix { $0.isDigit }
    guard (1...18).contains(digits.count), let number = Int64(String(decoding: digits, as: UTF8.self)) else {
      return nil
    }
    let suffix = text.dropFirst(digits.count).uppercased()
    guard let unit = units.first(where: { $0.suffix == suffix })?.bytes else { return nil }
    guard number <= (1 << 60) / unit else { return nil }
    return number * unit
  }

  /// In the largest unit of which there is one, rounded down: "0", "512", "3.1M", "99M". Below ten with a
  /// decimal, as df -h has it; so what is less than another size never reads like more.
  static func text(_ bytes: Int64) -> String {
    guard let (suffix, unit) = units.last(where: { bytes >= $0.bytes }) else { return "0" }
    let whole = bytes / unit
    if unit == 1 || whole >= 10 { return "\(whole)\(suffix)" }
    let tenths = bytes % unit * 10 / unit
    return tenths == 0 ? "\(whole)\(suffix)" : "\(whole).\(tenths)\(suffix)"
  }
}
