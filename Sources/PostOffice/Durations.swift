// Durations as people write them: 250ms 30s 10m 2h 7d.

extension Duration {
  private static let units: [(suffix: String, milliseconds: Int64)] = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  /// The longest duration that can be written: a hundred years.
  private static let limit: Int64 = 36_525 * 86_400_000

  /// Reads a whole number and its unit; nil for anything else.
  package init?(postText text: some StringProtocol) {
    let digits = text.utf8.prefix { $0.isDigit }
    guard (1...15).contains(digits.count), let number = Int64(String(decoding: digits, as: UTF8.self)) else {
      return nil
    }
    let suffix = String(text.dropFirst(digits.count))
    guard let unit = Duration.units.first(where: { $0.suffix == suffix })?.milliseconds else { return nil }
    guard number <= Duration.limit / unit else { return nil }
    self = .milliseconds(number * unit)
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
