import Linux
import TestKit
import Testing

/// Two processes at once, one of them slowed down by strace at the decisive moment.
@Suite(.needsStrace) struct ClaimingTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// Starts `post` with some calls slowed down; `trace` shows how far it is.
  private func slowly(_ calls: String, _ fault: String, _ words: Path...) throws -> Running {
    try slowly(calls, fault, words)
  }

  private func slowly(_ calls: String, _ fault: String, _ words: [Path]) throws -> Running {
    try box.write("trace", "")
    return try box.start(
      [
        "strace", "-o", "trace", "-e", Path("trace=openat,\(calls)"), "-e", Path("inject=\(calls):\(fault)"),
        Sandbox.binary,
      ] + words)
  }

  @Test func settingsBeingWrittenAreNoDebris() throws {
    let slow = try slowly(
      "rename,renameat,renameat2", "delay_enter=2000000", "subscribe", "stock", "orders", "--tries", "5")
    #expect(eventually { box.names(in: "spool/mailboxes/stock/tmp").count == 1 })
    try box.must("sweep")
    let ended = try slow.wait()
    #expect(ended.code == 0, "\(ended.errors)")
    #expect(box.exists("spool/mailboxes/stock/mailbox.conf"))
  }

  /// A command that looks for a letter must not miss it because it moves from `later/` or `cur/` to `new/`.
  @Test(arguments: ["later", "cur"])
  func aLetterThatComesBackWhileItIsLookedForIsNotDeliveredAgain(place: String) throws {
    try box.must("send", "orders", "-m", "a")
    let id = try #require(box.entries("new").first)
    try box.must("unsubscribe", "stock", "orders")
    try box.script("cd spool/mailboxes/stock; mv new/\(id) \(place)/\(id),A=1")
    let slow = try slowly("getdents64", "delay_exit=400000", "subscribe", "stock", "orders")
    // It has looked into new/. What now puts the letter back there is a retry that is due, or a reader
    // that gives it back.
    #expect(
      try eventually {
        // The second call for the directory finds its end, so the first is over.
        let parts = try box.read("trace").split(separator: "mailboxes/stock/new\"", maxSplits: 1)
        return parts.count == 2 && parts[1].split(separator: "getdents64(").count >= 3
      })
    try box.script("cd spool/mailboxes/stock; mv \(place)/\(id),A=1 new/\(id),A=1")
    #expect(try slow.wait().code == 0)
    #expect(box.entries("new") == ["\(id),A=1"])
  }

  @Test func aLetterBeingWrittenIsNotTakenForADeadSenders() throws {
    let slow = try slowly("fsync,linkat,renameat2", "delay_enter=200000", "send", "orders", "-m", "a")
    while !slow.hasEnded { try box.must("sweep") }
    #expect(try slow.wait().code == 0)
    #expect(try box.must("read", "stock", "--all") == "a")
    #expect(box.topicEntries("new").isEmpty && box.topicEntries("tmp").isEmpty)
  }

  @Test func aLetterBeingClaimedIsClaimedOnce() throws {
    try box.must("send", "orders", "-m", "a")
    let slow = try slowly("renameat2", "delay_enter=1000000", "read", "stock")
    #expect(try eventually { try box.read("trace").contains("mailboxes/stock/new/") })
    let quick = try box.post("read", "stock")
    let ended = try slow.wait()
    #expect([quick.text, ended.text].sorted() == ["", "a"])
    #expect([quick.code, ended.code].sorted() == [0, 1])
    #expect(box.entries("done").count == 1)
  }

  @Test func aLetterBeingSettledIsNotTakenBack() throws {
    try box.must("send", "orders", "-m", "a")
    let slow = try slowly("write", "delay_exit=1000000", "read", "stock")
    #expect(eventually { box.entries("cur").count == 1 })
    while !slow.hasEnded { #expect(try box.post("read", "stock").code == 1) }
    #expect(try slow.wait().text == "a")
    #expect(box.entries("done").first?.contains(",A=1,") == true)
  }

  /// The command that unsubscribes delivers what is held, too; not at the same time as another command.
  @Test func whatIsHeldIsDeliveredOnceAlsoBesideAnUnsubscription() throws {
    try box.script("mv spool/mailboxes/stock away; post send orders -q -m a; mv away spool/mailboxes/stock")
    let slow = try slowly("linkat", "delay_enter=2000000", "unsubscribe", "stock", "orders")
    // It has seen that the mailbox does not have the letter.
    #expect(try eventually { try box.read("trace").contains("linkat(") || slow.hasEnded })
    let sweep = try box.start([
      "strace", "-o", "/dev/null", "-e", "inject=unlinkat:delay_enter=3000000", Sandbox.binary, "sweep",
    ])
    // The sweep delivers it to the mailbox, or leaves that to the other command; a reader takes it.
    _ = eventually(within: 1) { !box.entries("new").isEmpty }
    _ = try box.post("read", "stock", "--lease", "1h")
    #expect(try slow.wait().code == 0 && sweep.wait().code == 0)
    #expect(box.entries("new").count + box.entries("cur").count == 1)
  }

  @Test(arguments: [["subscribe", "late", "orders"], ["replay", "stock"]] as [[Path]])
  func aLetterThatIsPrunedJustNowIsLeftOut(words: [Path]) throws {
    try box.must("send", "orders", "-m", "a")
    try box.script("rm spool/mailboxes/stock/new/*")
    let slow = try slowly("linkat", "delay_enter=500000", words)
    #expect(try eventually { try box.read("trace").contains("linkat(") })
    try box.script("rm spool/topics/orders/cur/*")
    let ended = try slow.wait()
    #expect(ended.code == 0 && ended.errors == "", "\(ended.errors)")
    #expect(box.entries("new").isEmpty)
  }
}
