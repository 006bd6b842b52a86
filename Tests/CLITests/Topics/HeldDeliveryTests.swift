import Linux
import TestKit
import Testing

/// A mailbox that cannot take a hard link, or cannot take a letter now, costs no other mailbox anything.
@Suite struct HeldDeliveryTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("invoice", "stock")
  }

  @Test(.needsOtherFileSystem) func aMailboxOnAnotherFileSystemGetsCopies() throws {
    let far = "/dev/shm/\(box.root.name)"
    defer { _ = try? box.shell("rm -rf \(far)") }
    try box.script("mv spool/mailboxes/stock \(far); ln -s \(far) spool/mailboxes/stock")
    let body = (0..<300_000).map { UInt8($0 % 251) }
    let sent = try box.post("send", "orders", input: body)
    #expect(sent.code == 0)
    #expect(sent.errors == "")
    #expect(box.entries("new") == box.entries("new", of: "invoice"))
    #expect(box.entries("tmp").isEmpty)
    let id = try #require(box.entries("new").first)
    let status = try Directory(Path(far)).status(Path("new/\(id)"))
    #expect(status.links == 1 && status.permissions & 0o222 == 0)
    #expect(try box.post("read", "stock").output == body)
    #expect(try box.post("read", "invoice").output == body)
    try box.must("send", "orders", "-m", "b")
    #expect(try box.must("read", "stock", "--", "cat") == "b")
  }

  @Test(.needsStrace, arguments: ["EMLINK", "EXDEV", "EPERM"])
  func whereAHardLinkIsRefusedACopyIsMade(fault: String) throws {
    let sent = try box.shell("strace -o /dev/null -e inject=linkat:error=\(fault) post send orders -m a")
    #expect(sent.code == 0)
    #expect(sent.errors == "")
    let spool = try Directory(box.spool)
    let id = try #require(box.entries("new").first)
    #expect(try spool.status(Path("mailboxes/stock/new/\(id)")).links == 1)
    #expect(box.topicEntries("cur") == [id])
    for mailbox in ["stock", "invoice"] {
      #expect(box.entries("tmp", of: mailbox).isEmpty)
      #expect(try box.must("read", mailbox) == "a")
    }
  }

  @Test(.needsStrace, arguments: ["EMLINK", "EPERM"])
  func aNewSubscriberIsGivenCopiesToo(fault: String) throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    _ = try box.script(
      "strace -o /dev/null -e inject=linkat:error=\(fault) post subscribe late orders")
    #expect(try box.must("read", "late", "--all") == "ab")
  }

  @Test func lettersForAMailboxThatIsGoneAreHeldAndDeliveredWhenItIsBack() throws {
    try box.script("mv spool/mailboxes/stock away")
    let sent = try box.post("send", "orders", "-m", "a")
    #expect(sent.code == 0)
    #expect(sent.errors.contains("warning") && sent.errors.contains("stock"))
    #expect(try box.must("read", "invoice") == "a")
    #expect(box.topicEntries("held/stock") == box.topicEntries("cur"))
    #expect(try box.must("status").contains("1 held"))

    try box.must("send", "orders", "-q", "-m", "b")
    #expect(box.topicEntries("held/stock").count == 2)
    try box.script("mv away spool/mailboxes/stock")
    #expect(try box.must("read", "stock", "--all") == "ab")
    #expect(!box.exists("spool/topics/orders/held/stock"))
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test(arguments: ["post sweep", "post send orders -m later", "post read invoice --all"])
  func anyCommandThatPassesByDeliversWhatIsHeld(command: String) throws {
    try box.script("mv spool/mailboxes/stock away; post send orders -q -m a; mv away spool/mailboxes/stock")
    try box.script(command)
    #expect(box.entries("new").count == (command.contains("later") ? 2 : 1))
    #expect(box.topicEntries("held").isEmpty)
  }

  @Test(.needsStrace) func aFullMailboxIsHeldForWhileTheOthersGetTheirs() throws {
    // invoice comes first; its link fails, the one into held/ and that for stock succeed.
    let sent = try box.shell(
      "strace -o /dev/null -e inject=linkat:error=ENOSPC:when=1 post send orders -m a")
    #expect(sent.code == 0)
    #expect(sent.errors.contains("cannot deliver to mailbox invoice"))
    #expect(try box.must("read", "stock") == "a")
    #expect(try box.must("read", "invoice") == "a")
    #expect(box.topicEntries("held").isEmpty)
  }

  @Test(.needsStrace) func aRefusedLetterThatCannotBeTakenBackIsToldOf() throws {
    let sent = try box.shell(
      """
      strace -o /dev/null -e inject=fsync:error=EIO:when=2 -e inject=unlinkat:error=EROFS post send orders -m a
      """)
    #expect(sent.code == 74)
    #expect(sent.errors.contains("may still be delivered: Read-only file system"))
    #expect(try box.must("read", "stock") == "a")
  }

  @Test(.needsOtherUser) func aMailboxThatTheSenderMayNotWriteIsHeldFor() throws {
    try box.script("chmod -R a+rwX spool/topics spool/mailboxes/invoice; chmod -R go-w spool/mailboxes/stock")
    let sent = try box.shell("\(Machine.asNobody) post send orders -m a")
    #expect(sent.code == 0)
    #expect(sent.errors.contains("stock") && sent.errors.contains("ermission"))
    #expect(try box.must("read", "invoice") == "a")
    #expect(try box.must("read", "stock") == "a")
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test func aMailboxOfAnUnsubscribedReaderGetsNothingThatWasNotHeldForIt() throws {
    try box.script(
      "mv spool/mailboxes/stock away; post send orders -q -m held; mv away spool/mailboxes/stock")
    try box.must("unsubscribe", "stock", "orders")
    try box.must("send", "orders", "-m", "not for stock")
    #expect(try box.must("read", "stock", "--all") == "held")
  }
}
