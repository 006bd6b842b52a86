// Durations as people write them: 250ms 30s 10m 2h 7d. Reading never traps, and what is written is read back as the
// same.

extension Duration {
  private static let units: UnitTable = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  /// The longest duration that can be written: a hundred years.
  private static let limit: Int64 = 36_525 * 86_400_000

  /// Reads a whole number and its unit; nil for anything else.
  package init?(postText text: String) {
    guard let length = number(text, in: Duration.units, limit: Duration.limit) else { return nil }
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

  /// A program that uses the library may give any duration; 136 years either way is the most that counts.
  private var bounded: (seconds: Int64, attoseconds: Int64) {
    min(max(self, .seconds(-(1 << 32))), .seconds(1 << 32)).components
  }

  package var milliseconds: Int64 { bounded.seconds * 1000 + bounded.attoseconds / 1_000_000_000_000_000 }

  /// Rounded up, so that no letter is kept for less than it should be.
  package var wholeSeconds: Int64 { (milliseconds + 999) / 1000 }

  package var nanoseconds: Int64 { bounded.seconds * 1_000_000_000 + bounded.attoseconds / 1_000_000_000 }
}
