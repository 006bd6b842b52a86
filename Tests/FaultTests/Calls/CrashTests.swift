import Linux
import TestKit
import Testing

/// What a sender that dies at a certain point leaves, and which command cleans up.
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
    // The sender died after the first of three links.
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
