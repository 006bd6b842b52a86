import Testing

@testable import Text

@Suite struct DurationsTests {
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

  @Test(arguments: [
    "", "s", "1", "-1s", "1.5s", "1 s", "1S", "1w", "99999999999999999999s", "40000d", "1s ", "1\u{301}s",
  ])
  func noDurations(text: String) { #expect(Duration(postText: text) == nil) }

  @Test func noDurationTraps() {
    for extreme in [Duration.seconds(Int64.max), .seconds(Int64.min)] {
      #expect(extreme.nanoseconds.magnitude == UInt64(1 << 32) * 1_000_000_000)
    }
    #expect(Duration.milliseconds(1001).wholeSeconds == 2)
    #expect(Duration.milliseconds(1000).wholeSeconds == 1)
  }
}
