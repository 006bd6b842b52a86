import Linux
import TestKit
import Testing

/// Spools that do not exist, are no directories, or belong to others; outputs that cannot be written.
@Suite struct SpoolTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func aSpoolThatIsAFileIsRefusedAndLeftAlone() throws {
    try box.write("spool", "precious")
    for words in [
      ["send", "orders", "-m", "x"], ["subscribe", "stock", "orders"], ["read", "stock"], ["list"],
    ] {
      let refused = try box.run([Sandbox.binary] + words.map { Path($0) })
      #expect(refused.code == 73)
      #expect(refused.errors.contains("is not a directory"))
    }
    #expect(try box.read("spool") == "precious")
  }

  @Test(arguments: ["list", "status", "sweep", "watch"])
  func whoOnlyLooksMakesNoSpool(verb: String) throws {
    let refused = try box.post(verb)
    #expect(refused.code == 66)
    #expect(refused.errors.contains("there is no spool at"))
    #expect(!box.exists("spool"))
  }

  @Test func aSpoolBelowAFileCannotBeMade() throws {
    try box.write("file", "x")
    let refused = try box.post("--spool", "\(box.root)/file/spool", "send", "orders", "-m", "x")
    #expect(refused.code == 73)
  }

  @Test func aSpoolSeveralDirectoriesDownIsMade() throws {
    try box.must("--spool", "a/b/c/spool", "send", "orders", "-m", "x")
    #expect(box.names(in: "a/b/c/spool/topics/orders/cur").count == 1)
  }

  @Test(.needsOtherUser) func aSpoolThatMayOnlyBeReadIsNoPermission() throws {
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
    let before = try box.script("find spool | sort")
    for command in [
      "send orders -m x", "subscribe stock invoices", "read stock", "read stock --lease 1m",
      "unsubscribe stock", "subscribe stock orders --tries 3", "send invoices -m x",
    ] {
      let refused = try box.shell("\(Machine.asNobody) post \(command)")
      #expect(refused.code == 77, "post \(command): \(refused.errors)")
      #expect(refused.text == "", "post \(command)")
      #expect(refused.errors.contains("ermission denied"), "post \(command): \(refused.errors)")
    }
    for command in ["list", "list stock", "status", "read stock --peek"] {
      let looked = try box.shell("\(Machine.asNobody) post \(command)")
      #expect(looked.code == 0, "post \(command): \(looked.errors)")
    }
    #expect(try box.script("find spool | sort") == before)
    #expect(try box.must("read", "stock") == "a")
  }

  @Test(.needsOtherUser) func aSpoolThatMayNotBeEnteredIsNoPermission() throws {
    try box.open("stock")
    try box.script("chmod 700 spool")
    for command in ["send orders -m x", "read stock", "list"] {
      let refused = try box.shell("\(Machine.asNobody) post \(command)")
      #expect(refused.code == 77, "post \(command): \(refused.errors)")
    }
  }

  @Test(.needsOtherUser) func aTopicMayBeADropBoxThatItsSendersCannotLookInto() throws {
    try box.open("stock")
    try box.script(
      "chmod -R a+rX spool; chmod 733 spool/topics/orders/{tmp,new,cur} spool/mailboxes/stock/new")
    let sent = try box.shell("\(Machine.asNobody) post send orders -m dropped")
    #expect(sent.code == 0)
    #expect(try box.must("read", "stock") == "dropped")
    #expect(box.topicEntries("new").isEmpty)
  }

  @Test(.needsOtherUser) func aReaderNeedsNoRightsInTheTopic() throws {
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
    try box.script(
      "chmod -R a+rX spool; chown -R 65534 spool/mailboxes/stock; chmod 700 spool/topics/orders/{tmp,new,cur}"
    )
    let read = try box.shell("\(Machine.asNobody) post read stock")
    #expect(read.code == 0, "\(read.errors)")
    #expect(read.text == "a")
  }

  @Test(arguments: [
    "post read stock >&-", "post read stock > /dev/full", "post read stock --all > /dev/full",
    "post read stock --format json >&-", "post read stock --lease 1h > /dev/full",
    "set -o pipefail; post read stock --all | true",
  ])
  func aLetterThatCouldNotBePrintedIsNotDone(script: String) throws {
    try box.open("stock")
    // More than a pipe holds.
    #expect(try box.post("send", "orders", input: [UInt8](repeating: 0x61, count: 1 << 20)).code == 0)
    let before = box.entries("new")
    let refused = try box.shell(script)
    #expect(refused.code == 74)
    #expect(refused.errors.contains("cannot write to standard output"))
    #expect(box.entries("new") == before)
    #expect(!before[0].contains(",A="))
    #expect(box.entries("done").isEmpty && box.entries("cur").isEmpty)
  }

  @Test(arguments: [
    "list", "list stock", "status", "status --json", "read stock --peek", "--version", "--help",
  ])
  func whatCannotBePrintedIsAnError(command: String) throws {
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.shell("post \(command) > /dev/full").code == 74)
    #expect(try box.shell("post \(command) >&-").code == 74)
  }

  @Test func closedDescriptorsNeverBecomeTheLetter() throws {
    try box.open("stock")
    try box.script("post send orders -m 'a' <&- >&- 2>&-")
    let id = try #require(box.entries("new").first)
    #expect(try box.read("spool/mailboxes/stock/new/\(id)").hasSuffix("\n\na"))
    #expect(try box.shell("post send orders <&- >&- 2>&-").code == 74)
    #expect(try box.shell("post read stock <&- 2>&-").text == "a")
  }

  @Test func aWarningThatNobodyHearsStopsNothing() throws {
    try box.open("stock")
    try box.script("mv spool/mailboxes/stock away")
    try box.script("post send orders -m a 2>/dev/full; post send orders -m b 2>&-")
    #expect(box.topicEntries("held/stock").count == 2)
  }

  @Test func quietTellsNoWarningsAndVerbosityIsNoError() throws {
    try box.open("stock")
    try box.script("mv spool/mailboxes/stock away")
    #expect(try box.post("send", "-q", "orders", "-m", "a").errors == "")
    #expect(try box.post("-v", "send", "orders", "-m", "a").code == 0)
  }
}
