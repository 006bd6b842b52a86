import Linux
import TestKit
import Testing

/// Readers that die with a letter in their hands.
@Suite struct ReaderDeathTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
  }

  /// Starts a reader whose command writes its process number to `command` and then works on.
  private func reader() throws -> Running {
    try box.startPost(
      "read", "stock", "--", "sh", "-c", "echo $$ > command.part; mv command.part command; exec sleep 60")
  }

  @Test func aLetterStaysClaimedWhileTheCommandOfADeadReaderLives() throws {
    let reader = try reader()
    #expect(eventually { box.exists("command") })
    try box.script("kill -9 \(reader.pid)")
    #expect(try reader.wait().code == 137)
    for _ in 1...3 {
      #expect(try box.post("read", "stock").code == 1)
      try box.must("sweep")
    }
    #expect(box.inHands().first?.hasSuffix(",A=1") == true)

    try box.script("kill -9 $(cat command)")
    #expect(try eventually { try box.post("read", "stock").text == "a" })
    #expect(box.entries("done").first?.contains(",A=2,") == true)
    #expect(box.entries("cur").isEmpty)
  }

  @Test func aReaderThatIsWaitingGetsTheLetterOfADeadOne() throws {
    let dead = try reader()
    #expect(eventually { box.exists("command") })
    let waiting = try box.startPost("read", "stock", "--wait=60s")
    dead.kill(.kill)
    _ = try dead.wait()
    try box.script("kill -9 $(cat command)")
    let read = try waiting.wait()
    #expect(read.code == 0)
    #expect(read.text == "a")
  }

  @Test func aReaderThatIsToldToStopEndsItsCommandAndGivesTheLetterBack() throws {
    let reader = try reader()
    #expect(eventually { box.exists("command") })
    reader.kill(.terminate)
    _ = try reader.wait()
    #expect(eventually { box.entries("new").count == 1 })
    #expect(box.entries("new").first?.contains(",A=") == false)
    #expect(try box.shell("kill -0 $(cat command)").code != 0)
  }

  @Test(arguments: [
    ["--wait"], ["--follow"], ["--wait", "--", "cat"], ["--follow", "--", "cat"],
    ["--wait=60s", "--lease", "1m"],
  ])
  func aReaderThatWaitsEndsWhenItIsTold(words: [String]) throws {
    try box.must("read", "stock")
    let reader = try box.start([Sandbox.binary, "read", "stock"] + words.map { Path($0) })
    #expect(eventually { reader.sleepsInPoll })
    reader.kill(.terminate)
    #expect(eventually(within: 10) { reader.hasEnded })
    reader.kill(.kill)
  }

  @Test func aHolderThatDiesWithNoTriesLeftLeavesAFailedLetter() throws {
    try box.must("subscribe", "stock", "orders", "--tries", "1")
    let reader = try reader()
    #expect(eventually { box.exists("command") })
    reader.kill(.kill)
    _ = try reader.wait()
    try box.script("kill -9 $(cat command)")
    #expect(
      try eventually {
        try box.must("sweep")
        return box.entries("failed").count == 1
      })
    let id = try #require(box.entries("notes").first)
    #expect(try box.read("spool/mailboxes/stock/notes/\(id)").contains("holder died"))
  }

  /// Killed at every system call that changes a name: the letter is never lost and never done twice.
  @Test(.needsStrace, arguments: 1...6)
  func aReaderKilledAtAnyRenameLosesNothing(call: Int) throws {
    _ = try box.shell(
      "strace -o /dev/null -e inject=renameat2,fsync,unlinkat:signal=KILL:when=\(call) post read stock > first"
    )
    let first = try box.read("first")
    let again = try box.post("read", "stock", "--all")
    #expect((first + again.text).hasPrefix("a"))
    #expect(box.entries("done").count == 1)
    #expect(box.entries("new").isEmpty && box.entries("cur").isEmpty)
  }
}
