import Linux
import TestKit
import Testing

/// `post send --lines` and `--null`: one input, many letters.
@Suite struct SendLinesTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// The bodies in order, each with a mark behind it.
  private func bodies() throws -> [String] {
    let text = try box.must("read", "stock", "--all", "--", "sh", "-c", "cat; printf '|'")
    return text.split(separator: "|", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  @Test(
    arguments: [
      ("a\nb\n", ["a", "b"]), ("a\n\nb", ["a", "", "b"]), ("\n", [""]), ("\n\nlast", ["", "", "last"]),
      ("no end mark", ["no end mark"]), ("cr\r\nlf\n", ["cr\r", "lf"]),
    ])
  func eachLineIsALetterWithoutItsNewline(input: String, expected: [String]) throws {
    try box.open("stock")
    try box.must("send", "orders", "--lines", input: input)
    #expect(try bodies() == expected)
  }

  @Test(
    arguments: [
      ("a\0b\0", ["a", "b"]), ("a\0\0b", ["a", "", "b"]), ("two\nlines\0", ["two\nlines"]),
    ])
  func eachPieceThatANulEndsIsALetter(input: String, expected: [String]) throws {
    try box.open("stock")
    try box.must("send", "orders", "-0", input: input)
    #expect(try bodies() == expected)
  }

  @Test(arguments: ["--lines", "--null"])
  func anEmptyInputIsNoLetter(flag: String) throws {
    try box.open("stock")
    try box.must("send", "orders", flag)
    #expect(box.entries("new").isEmpty)
  }

  @Test func withoutThoseFlagsAnEmptyInputIsOneEmptyLetter() throws {
    try box.open("stock")
    try box.must("send", "orders")
    #expect(box.entries("new").count == 1)
    #expect(try box.must("read", "stock") == "")
  }

  @Test(arguments: [65_535, 65_536, 65_537, 131_072, 200_000])
  func aLineMayBeLongerThanAnyBuffer(length: Int) throws {
    try box.open("stock")
    let long = String((0..<length).map { Character(UnicodeScalar(UInt8(97 + $0 % 23))) })
    try box.must("send", "orders", "--lines", input: "short\n\(long)\n\(long)x\nend")
    #expect(try bodies() == ["short", long, long + "x", "end"])
  }

  @Test func linesAcrossFilesDoNotRunTogether() throws {
    try box.open("stock")
    try box.write("one", "a\nb")
    try box.write("two", "c\n")
    try box.must("send", "orders", "--lines", "one", "two")
    #expect(try bodies() == ["a", "b", "c"])
  }

  @Test func linesAreSentWhileTheInputIsStillOpen() throws {
    try box.open("stock")
    let sender = try box.start(["/bin/bash", "-c", "(echo first; sleep 60) | post send orders --lines"])
    #expect(try eventually { try box.post("read", "stock").text == "first" })
    sender.kill(.terminate)
  }

  @Test func linesAndNullExcludeEachOther() throws {
    let refused = try box.post("send", "orders", "--lines", "--null")
    #expect(refused.code == 64)
    #expect(!box.exists("spool"))
  }
}
