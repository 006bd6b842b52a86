// Durations as people write them, 250ms 30s 10m 2h 7d, and sizes, 500K 100M 1G: these in powers of 1024, as df -h and
// ls -h count.

/// Suffixes and what they stand for, the smallest first.
private typealias Units = [(suffix: String, size: Int64)]

/// Reads a whole number and its unit; nil for anything else, or more than the limit.
private func amount(
  _ text: String, in units: Units, digits most: Int, limit: Int64
) -> Int64? {
  let digits = text.utf8.prefix { $0.isDigit }
  guard (1...most).contains(digits.count), let number = Int64(String(decoding: digits, as: UTF8.self)) else {
    return nil
  }
  let suffix = text.dropFirst(digits.count)
  guard let unit = units.first(where: { $0.suffix == suffix })?.size, number <= limit / unit else {
    return nil
  }
  return number * unit
}

extension Duration {
  private static let units: Units = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  /// The longest duration that can be written: a hundred years.
  private static let limit: Int64 = 36_525 * 86_400_000

  /// Reads a whole number and its unit; nil for anything else.
  package init?(postText text: String) {
    guard let length = amount(text, in: Duration.units, digits: 15, limit: Duration.limit) else { return nil }
    self = .milliseconds(length)
  }

  /// In the largest unit that divides it: "90s", "2h".
  package var postText: String {
    let whole = milliseconds
    for (suffix, unit) in Duration.units.reversed() where whole >= unit && whole % unit == 0 {
      return "\(whole / unit)\(suffix)"
    }
    return "\(whole)ms"
  }

  /// A program that uses the library may give any; here it is 136 years at most, forth or back.
  private var bounded: (seconds: Int64, attoseconds: Int64) {
    min(max(self, .seconds(-(1 << 32))), .seconds(1 << 32)).components
  }

  package var milliseconds: Int64 { bounded.seconds * 1000 + bounded.attoseconds / 1_000_000_000_000_000 }

  /// Rounded up: what is kept is never kept for less.
  package var wholeSeconds: Int64 { (milliseconds + 999) / 1000 }

  package var nanoseconds: Int64 { bounded.seconds * 1_000_000_000 + bounded.attoseconds / 1_000_000_000 }
}

package enum Sizes {
  private static let units: Units = [
    ("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
  ]

  /// Reads a whole number and its unit, in bytes; nil for anything else, or more than 2^60.
  package static func bytes(_ text: String) -> Int64? {
    amount(text.uppercased(), in: units, digits: 18, limit: 1 << 60)
  }

  /// In the largest unit of which there is one, rounded down: "0", "512", "3.1M", "99M". Below ten with a
  /// decimal, as df -h has it; so what is less than another size never reads like more.
  package static func text(_ bytes: Int64) -> String {
    guard let (suffix, unit) = units.last(where: { bytes >= $0.size }) else { return "0" }
    let whole = bytes / unit
    if unit == 1 || whole >= 10 { return "\(whole)\(suffix)" }
    let tenths = bytes % unit * 10 / unit
    return tenths == 0 ? "\(whole)\(suffix)" : "\(whole).\(tenths)\(suffix)"
  }
}
