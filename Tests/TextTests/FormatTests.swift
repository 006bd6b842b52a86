import Testing

@testable import Text

@Suite struct FormatTests {
  @Test(
    arguments: [
      ("", 0), ("123456789", 0xe306_9283),  // the check value of CRC-32C
      ("The quick brown fox jumps over the lazy dog", 0x2262_0404),
    ] as [(String, UInt32)])
  func crc32c(text: String, expected: UInt32) {
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      var crc = CRC32C()
      bytes[..<cut].withUnsafeBytes { crc.update($0) }
      bytes[cut...].withUnsafeBytes { crc.update($0) }
      #expect(crc.value == expected)
    }
  }

  @Test func digestField() {
    var crc = CRC32C()
    Array("{\"order\": 4711}\n".utf8).withUnsafeBytes { crc.update($0) }
    #expect(crc.digestField == "crc32c=:89ie+w==:")
  }

  @Test(
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 +0000"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
      (1_795_333_752, "Sun, 22 Nov 2026 07:49:12 +0000"), (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
      (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
    ] as [(Int64, String)])
  func mailDates(seconds: Int64, date: String) {
    #expect(UTC(seconds: seconds).mailDate == date)
  }

  @Test(
    arguments: [
      ("250ms", 250), ("30s", 30_000), ("10m", 600_000), ("2h", 7_200_000), ("7d", 604_800_000), ("0s", 0),
    ] as [(String, Int64)])
  func durations(text: String, milliseconds: Int64) throws {
    let duration = try #require(Duration(postText: text))
    #expect(duration.milliseconds == milliseconds)
    #expect(duration.nanoseconds == milliseconds * 1_000_000)
    if milliseconds > 0 { #expect(Duration(postText: duration.postText) == duration) }
  }

  @Test(arguments: ["", "s", "1", "-1s", "1.5s", "1 s", "1S", "1w", "99999999999999999999s", "40000d", "1s "])
  func noDurations(text: String) { #expect(Duration(postText: text) == nil) }
}
