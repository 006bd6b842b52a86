// Dates in UTC, without a library, after Howard Hinnant's "days from civil". Any moment has a date; none traps.

/// A moment, as the calendar and the clock show it in UTC.
package struct UTC {
  package let year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, weekday: Int

  /// - Parameter seconds: since 1970-01-01 00:00 UTC; what is beyond 2^40 either way is cut off there.
  package init(seconds: Int64) {
    let seconds = min(max(seconds, -(1 << 40)), 1 << 40)
    let days = Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
    let rest = Int(seconds) - days * 86_400
    (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60)
    weekday = ((days % 7) + 11) % 7  // 1970-01-01 was a Thursday; 0 is Sunday
    let shifted = days + 719_468  // since 0000-03-01: leap days come last
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// `Sun, 22 Nov 2026 07:49:12 +0000`, RFC 5322 section 3.3.
  package var mailDate: String {
    let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return "\(weekdays[weekday]), \(padded(day)) \(months[month - 1]) \(year) \(clock) +0000"
  }

  /// `2026-11-22`
  package var date: String { "\(year)-\(padded(month))-\(padded(day))" }

  /// `2026-11-22T07:49:12Z`, RFC 3339.
  package var timestamp: String { "\(date)T\(clock)Z" }

  private var clock: String { "\(padded(hour)):\(padded(minute)):\(padded(second))" }
}

private func padded(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
