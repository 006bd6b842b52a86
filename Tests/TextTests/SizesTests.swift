import Testing

@testable import Text

@Suite struct SizesTests {
  @Test(
    arguments: [
      ("0", 0), ("1", 1), ("512", 512), ("1K", 1024), ("500k", 512_000), ("100M", 104_857_600),
      ("1g", 1_073_741_824), ("2T", 2_199_023_255_552), ("1048576T", 1 << 60), ("007K", 7168),
    ] as [(String, Int64)])
  func aSizeIsANumberAndAUnit(text: String, bytes: Int64) { #expect(Sizes.bytes(text) == bytes) }

  @Test(
    arguments: [
      "", "M", "1.5G", "-1", "+1", "1 M", "1MB", "1MiB", "0x10", "1P", "1048577T", "9999999999999999999",
      "１K", "5%", "1\u{301}", "1K\u{301}",
    ])
  func nothingElseIsASize(text: String) { #expect(Sizes.bytes(text) == nil) }

  @Test(
    arguments: [
      (0, "0"), (1, "1"), (1023, "1023"), (1024, "1K"), (1025, "1K"), (1536, "1.5K"), (10_239, "9.9K"),
      (10_240, "10K"), (104_857_599, "99M"), (1 << 30, "1G"), (.max, "8388607T"),
    ] as [(Int64, String)])
  func aSizeIsShownRoundedDown(bytes: Int64, text: String) { #expect(Sizes.text(bytes) == text) }
}
