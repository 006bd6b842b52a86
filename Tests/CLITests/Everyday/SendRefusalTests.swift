import Linux
import TestKit
import Testing

/// A letter that was refused reaches no mailbox and leaves nothing.
@Suite struct SendRefusalTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private func expectNothing(at location: SourceLocation = #_sourceLocation) {
    for place in ["tmp", "new", "cur"] {
      #expect(box.topicEntries(place).isEmpty, "topics/orders/\(place)", sourceLocation: location)
    }
    #expect(box.entries("new").isEmpty, sourceLocation: location)
    #expect(box.entries("tmp").isEmpty, sourceLocation: location)
  }

  @Test func aMissingFileAmongSeveralStopsThereAndTheMessageCounts() throws {
    try box.write("a", "a")
    try box.write("c", "c")
    let refused = try box.post("send", "orders", "a", "missing", "c")
    #expect(refused.code == 66)
    #expect(refused.errors.contains("missing"))
    #expect(refused.errors.contains("1 letter was accepted"))
    #expect(try box.must("read", "stock", "--all") == "a")
    #expect(box.topicEntries("tmp").isEmpty)
  }

  @Test(
    arguments: [
      ["-s", "a\nBcc: x"], ["-s", "a\rb"], ["-t", "text/plain\nX: y"], ["-t", "a\rb"],
      ["-H", "X-A: b\nX-C: d"], ["-H", "X-A: b\r\n\r\nbody"], ["-H", "X-A\nB: c"], ["-H", "X A: c"],
      ["-H", ": c"], ["-H", "Ünï: c"],
    ])
  func aHeaderCannotSmuggleInAnother(words: [String]) throws {
    let refused = try box.run([Sandbox.binary, "send", "orders", "-m", "x"] + words.map { Path($0) })
    #expect(refused.code == 65)
    #expect(refused.errors.split(separator: "\n").count == 1)
    expectNothing()
  }

  @Test(
    arguments: ["Message-ID", "date", "FROM", "Post-Topic", "Content-Length", "Content-Digest"])
  func aHeaderOfTheOfficeCannotBeGiven(name: String) throws {
    let refused = try box.post("send", "orders", "-m", "x", "-H", "\(name): forged")
    #expect(refused.code == 65)
    expectNothing()
  }

  @Test func aHeaderWithoutColonIsAMistakeOfUsage() throws {
    #expect(try box.post("send", "orders", "-m", "x", "-H", "no colon").code == 64)
    expectNothing()
  }

  @Test func textThatIsNotUTF8CannotBeAHeader() throws {
    for flag in ["-s", "-t"] {
      #expect(try box.shell("post send orders -m x \(flag) $'a\\xff'").code == 65)
    }
    #expect(try box.shell("post send orders -m x -H $'X-A: \\xff'").code == 65)
    expectNothing()
  }

  @Test func moreHeadersThanAReaderLooksAtAreRefused() throws {
    let header = String(repeating: "x", count: 900)
    let refused = try box.shell(
      "for n in $(seq 100); do set -- \"$@\" -H \"X-$n: \(header)\"; done; post send orders -m x \"$@\"")
    #expect(refused.code == 65)
    expectNothing()
  }

  @Test func aHeaderLineLongerThanMailAllowsIsRefused() throws {
    let long = String(repeating: "x", count: 999)
    #expect(try box.post("send", "orders", "-m", "x", "-s", long).code == 65)
    expectNothing()
  }

  @Test(arguments: ["post send orders < /", "post send orders <&-", "post send orders /"])
  func anInputThatCannotBeReadIsNotAnEmptyLetter(script: String) throws {
    let refused = try box.shell(script)
    #expect(refused.code == 66 || refused.code == 74)
    #expect(refused.errors.hasPrefix("post"))
    expectNothing()
  }

  @Test func aReadErrorInTheMiddleIsNotTheEnd() throws {
    // Reading one's own memory at 0 fails with EIO; what came before it must not become a letter.
    let refused = try box.post("send", "orders", "/proc/self/mem")
    #expect(refused.code == 74)
    expectNothing()
  }

  @Test(
    .needsStrace,
    arguments: [
      ("fsync:error=EIO:when=1", 74), ("fsync:error=EIO", 74), ("fsync:error=ENOSPC:when=1", 75),
      ("fsync:error=EIO:when=2", 74), ("write:error=ENOSPC:when=1", 75), ("write:error=EDQUOT:when=1", 75),
      ("renameat2:error=ENOSPC:when=1", 75), ("renameat2:error=EIO:when=1", 74),
    ])
  func aFailureBeforeAcceptanceLeavesNothing(fault: String, code: Int32) throws {
    let refused = try box.shell("strace -o /dev/null -e inject=\(fault) post send orders -m x")
    #expect(refused.code == code)
    #expect(refused.errors.hasPrefix("post: cannot"))
    expectNothing()
  }

  @Test(.needsStrace) func aLongBodyThatMeetsAFullDiskLeavesNothing() throws {
    let refused = try box.shell(
      "head -c 1M /dev/zero | strace -o /dev/null -e inject=write:error=ENOSPC:when=3 post send orders")
    #expect(refused.code == 75)
    #expect(refused.errors.contains("no space left"))
    expectNothing()
  }

  @Test func aFileSizeLimitIsAnErrorNotADeath() throws {
    let refused = try box.shell("ulimit -f 100; head -c 1M /dev/zero | post send orders")
    #expect(refused.code == 74 || refused.code == 75)
    expectNothing()
  }

  @Test func aMessageAndAFileExcludeEachOther() throws {
    try box.write("a", "a")
    #expect(try box.post("send", "orders", "-m", "x", "a").code == 64)
    expectNothing()
  }
}
