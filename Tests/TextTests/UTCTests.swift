import Testing

@testable import Text

@Suite struct UTCTests {
  @Test(
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 +0000"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
      (1_795_333_752, "Sun, 22 Nov 2026 07:49:12 +0000"), (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
      (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
    ] as [(Int64, String)])
  func mailDates(seconds: Int64, date: String) {
    #expect(UTC(seconds: seconds).mailDate == date)
  }

  @Test func datesAndTimestamps() {
    #expect(UTC(seconds: 1_795_333_752).date == "2026-11-22")
    #expect(UTC(seconds: 1_795_333_752).timestamp == "2026-11-22T07:49:12Z")
  }

  @Test func noMomentTraps() {
    #expect(UTC(seconds: .max).date == UTC(seconds: 1 << 40).date)
    #expect(UTC(seconds: .min).date == UTC(seconds: -(1 << 40)).date)
  }
}
