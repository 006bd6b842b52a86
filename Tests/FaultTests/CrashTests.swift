import Linux
import TestKit
import Testing

/// A sender that dies, or whose system call fails, at any point: all mailboxes get the letter, once, or
/// none does; and whoever comes next cleans up.
@Suite(.needsStrace) struct CrashTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice", "dispatch")
  }

  /// What each mailbox hands out now, one after the other.
  private func readAll() throws -> [String] {
    try ["stock", "invoice", "dispatch"].map { try box.post("read", $0, "--all").text }
  }

  private func expectNothingLeftOver(_ comment: Comment) {
    #expect(box.topicEntries("tmp").isEmpty, comment)
    #expect(box.topicEntries("new").isEmpty, comment)
    #expect(box.topicEntries("held").isEmpty, comment)
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(box.entries("tmp", of: mailbox).isEmpty, comment)
      #expect(box.entries("corrupt", of: mailbox).isEmpty, comment)
    }
  }

  /// Runs a sender with a fault at its Nth such call, for N = 1, 2, 3 ... until the fault is not reached.
  private func atEveryCall(
    _ calls: String, _ fault: String, _ check: (Sandbox.Run, Comment) throws -> Void
  ) throws {
    let limit = 60
    for number in 1...limit {
      try box.write("trace", "")
      let sent = try box.shell(
        """
        strace -o trace -e trace=\(calls) -e inject=\(calls):\(fault):when=\(number) \
        post send orders -m 'n\(number) '
        """)
      let trace = try box.read("trace")
      let wasReached = trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL")
      try check(sent, "\(calls), \(fault), call \(number), exit \(sent.code): \(trace.suffix(300))")
      // An undisturbed sender has nothing to remove.
      if !wasReached { return #expect(number > 1 || calls == "unlinkat") }
    }
    Issue.record("\(limit) faults were not enough")
  }

  @Test(arguments: ["write", "fsync", "linkat", "renameat2", "fcntl", "getdents64"])
  func aSenderKilledAtAnyCallDeliversToAllOrToNone(call: String) throws {
    try atEveryCall(call, "signal=KILL") { sent, comment in
      let text = try readAll()
      #expect(Set(text).count == 1, comment)
      if sent.code == 0 { #expect(!text[0].isEmpty, comment) }
      try box.must("send", "orders", "-m", "next")
      #expect(try readAll() == ["next", "next", "next"], comment)
      expectNothingLeftOver(comment)
    }
  }

  @Test(
    arguments: ["fsync", "linkat", "renameat2", "unlinkat", "write", "fcntl", "getdents64"],
    ["EIO", "ENOSPC"])
  func aSenderWhoseCallFailsDeliversToAllOrToNone(call: String, fault: String) throws {
    try atEveryCall(call, "error=\(fault)") { sent, comment in
      let text = try readAll()
      #expect(Set(text).count == 1, comment)
      #expect(text[0].isEmpty == (sent.code != 0), comment)
      try box.must("sweep")
      #expect(try readAll() == ["", "", ""], comment)
      expectNothingLeftOver(comment)
    }
  }

  @Test(arguments: ["linkat:error=ENOSPC", "linkat:error=EIO", "linkat:error=EACCES"])
  func aLetterThatNobodyCouldTakeOrHoldIsAcceptedAndSortedLater(fault: String) throws {
    let sent = try box.shell("strace -o /dev/null -e inject=\(fault) post send orders -m a")
    #expect(sent.code == 0)
    #expect(sent.errors.contains("warning"))
    #expect(box.topicEntries("new").count == 1)
    #expect(try readAll() == ["a", "a", "a"])
    #expect(try readAll() == ["", "", ""])
    expectNothingLeftOver("\(fault)")
  }

  @Test(arguments: ["post read stock --peek", "post sweep", "post send orders -m next"])
  func whoeverPassesByDeliversForADeadSenderToAll(command: String) throws {
    // Dead after the first of three links.
    _ = try box.shell("strace -o /dev/null -e inject=linkat:signal=KILL:when=2 post send orders -m a")
    #expect(box.topicEntries("new").count == 1)
    let id = box.topicEntries("new")[0]
    try box.script(command)
    #expect(!box.topicEntries("new").contains(id))
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(box.entries("new", of: mailbox).filter { $0 == id }.count == 1)
    }
  }

  @Test func aLetterThatWasReadBeforeItsSenderDiedIsNotDeliveredAgain() throws {
    _ = try box.shell("strace -o /dev/null -e inject=linkat:signal=KILL:when=3 post send orders -m a")
    // dispatch and invoice have it; it is read there first by hand, as a foreign reader would.
    try box.script("cd spool/mailboxes/dispatch; mv new/* done/")
    #expect(try box.must("read", "stock") == "a")
    #expect(try box.must("read", "invoice") == "a")
    #expect(try box.post("read", "dispatch").code == 1)
  }

  @Test func whatADeadSenderWasWritingIsGoneAfterTheNextSend() throws {
    _ = try box.shell("strace -o /dev/null -e inject=fsync:signal=KILL:when=1 post send orders -m a")
    #expect(box.topicEntries("tmp").count == 1)
    try box.must("send", "orders", "-m", "b")
    #expect(box.topicEntries("tmp").isEmpty)
    #expect(try readAll() == ["b", "b", "b"])
  }

  @Test func whatALivingSenderIsWritingStays() throws {
    let sender = try box.start([
      "/bin/bash", "-c", "(echo begin; while test ! -e go; do sleep 0.01; done) | post send orders",
    ])
    #expect(eventually { box.topicEntries("tmp").count == 1 })
    try box.must("send", "orders", "-m", "b")
    try box.must("sweep")
    #expect(box.topicEntries("tmp").count == 1)
    try box.write("go", "")
    #expect(try sender.wait().code == 0)
    #expect(try box.must("read", "stock", "--all") == "begin\nb")
  }

  @Test func aForeignProgramsYoungFileInTmpStaysAndAnOldOneGoes() throws {
    try box.script("cd spool/topics/orders/tmp; echo x > young; echo x > old; touch -d '-2 days' old")
    try box.must("send", "orders", "-m", "b")
    #expect(box.topicEntries("tmp") == ["young"])
  }
}
