import Linux
import TestKit
import Testing

/// What is no letter at all, a directory, a symlink, a FIFO, is never handed out, never followed, never waited for: it
/// is set aside with a message, and the good letter behind it is read. (DigestTests covers spoiled letters.)
@Suite struct CorruptTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// The second one of a name could not be set aside, and the mailbox handed out nothing any more.
  @Test func spoiledLettersOfOneNameAreAllSetAsideAndNoneReplacesAnother() throws {
    for number in 1...3 {
      try box.script(
        "printf 'Content-Digest: crc32c=:AAAAAA==:\n\n\(number)' > spool/mailboxes/stock/new/10.x")
      try box.must("send", "orders", "-m", "good")
      #expect(try box.must("read", "stock") == "good")
    }
    let bodies = try box.entries("corrupt").map {
      try box.read("spool/mailboxes/stock/corrupt/\($0)").suffix(1)
    }
    #expect(bodies.sorted() == ["1", "2", "3"])
  }

  @Test func aSecondLinkOfALetterThatWasSetAsideIsNotKept() throws {
    try box.must("send", "orders", "-m", "spoiled")
    try box.script(
      "cd spool/mailboxes/stock; chmod u+w new/*; truncate -s -1 new/*; mkdir corrupt; ln new/* corrupt/")
    #expect(try box.post("read", "stock").code == 65)
    #expect(box.entries("corrupt").count == 1)
    #expect(box.entries("new").isEmpty)
  }

  private static let impostors =
    [
      "mkdir $it", "ln -s ../../../secret $it", "ln -s nowhere $it", "mkfifo $it",
      "mkdir -p $it/new", "touch $it", "ln -s . $it",
    ] + (Machine.hasPython ? [socket] : [])

  /// A socket's path may be no longer than 107 bytes, hence the cd.
  private static let socket =
    #"(cd $(dirname $it) && python3 -c 'import socket as s; s.socket(s.AF_UNIX).bind("10.x")')"#

  @Test(arguments: impostors)
  func whatIsNoFileInAMailboxIsSetAside(make: String) throws {
    try box.write("secret", "secret")
    try box.write("spool/secret", "secret")
    try box.script("it=spool/mailboxes/stock/new/10.x; \(make)")
    try box.must("send", "orders", "-m", "good")
    let read = try box.post("read", "stock")
    #expect(read.code == 0)
    #expect(read.text == "good")
    #expect(read.errors.contains("10.x") && read.errors.contains("set aside"))
    #expect(box.entries("corrupt") == ["10.x"])
    #expect(try box.read("spool/secret") == "secret")
  }

  @Test(arguments: impostors)
  func whatIsNoFileInATopicIsSetAside(make: String) throws {
    try box.write("spool/secret", "secret")
    try box.script("it=spool/topics/orders/new/10.x; \(make)")
    let sent = try box.post("send", "orders", "-m", "good")
    #expect(sent.code == 0)
    let read = try box.post("read", "stock", "--all")
    #expect(read.code == 0)
    #expect(read.text == "good")
    #expect((sent.errors + read.errors).contains("set aside"))
    #expect(box.topicEntries("new").isEmpty)
    #expect(box.topicEntries("corrupt") == ["10.x"])
    #expect(try box.post("sweep").errors == "")
  }

  @Test(arguments: impostors)
  func whatIsNoFileElsewhereInAMailboxStopsNobody(make: String) throws {
    for place in ["cur", "later", "done", "failed", "tmp"] {
      try box.script("it=spool/mailboxes/stock/\(place)/10.x; \(make)")
    }
    for place in ["cur", "tmp"] { try box.script("it=spool/topics/orders/\(place)/10.x; \(make)") }
    try box.must("send", "orders", "-m", "good")
    #expect(try box.post("read", "stock", "--all").text.contains("good"))
    #expect(box.entries("done").contains { $0.contains(",A=1,D=") })
    try box.must("sweep")
    try box.must("status")
    try box.must("list", "stock")
    #expect(try box.post("subscribe", "late", "orders").code == 0)
    #expect(try box.post("read", "late", "--all").text == "good")
  }

  @Test func aSubscriberThatIsNoSymlinkToAMailboxStopsNobody() throws {
    try box.script(
      "cd spool/topics/orders/subscribers; mkfifo fifo; touch file; mkdir folder; ln -s nowhere lost; ln -s loop loop"
    )
    let sent = try box.post("send", "orders", "-m", "good")
    #expect(sent.code == 0)
    #expect(try box.must("read", "stock") == "good")
  }
}
