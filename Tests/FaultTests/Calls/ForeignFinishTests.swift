import Linux
import TestKit
import Testing

/// Foreign letters, which may bear one name twice, while those who sort them die or meet each other.
@Suite(.needsPtrace) struct ForeignFinishTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("invoice", "stock")
  }

  /// Delivers a letter as another program would.
  private func deliver(_ text: String, as name: String = "order.json") throws {
    try box.write("spool/topics/orders/tmp/\(name)", text)
    try box.script("cd spool/topics/orders; mv tmp/\(name) new/\(name)")
  }

  private func sweep() throws -> Traced { try Traced(box, [Sandbox.binary, "sweep"]) }

  @Test func aLetterThatComesUnderANameJustSortedIsNotLost() throws {
    try deliver("a")
    let slow = try sweep()
    while let call = try slow.next(), call.name != "flock" {}
    // It has seen the first letter; while it waits for its turn, another sorts that one.
    try box.must("sweep")
    try deliver("b")
    #expect(try slow.wait().code == 0)
    try box.must("sweep")
    for mailbox in ["invoice", "stock"] {
      #expect(try box.must("read", mailbox, "--all").sorted() == ["a", "b"])
    }
    #expect(box.topicEntries("new").isEmpty)
  }

  /// Where a letter can have no second link it is copied. A sorter dies when both mailboxes have their copies.
  @Test(arguments: [Errno.crossDevice, .tooManyLinks, .notPermitted])
  func aCopyIsNotMadeTwice(refusal: Errno) throws {
    try deliver("a")
    let dying = try sweep()
    while let call = try dying.next() {
      if call.name == "linkat" { try dying.fail(refusal) }
      if call.name == "renameat2", try dying.path(at: call.arguments[3]) == "topics/orders/cur/order.json" {
        dying.kill()
      }
    }
    #expect(try dying.wait().code == 137)
    #expect(box.entries("new").count == 1 && box.topicEntries("new").count == 1)
    try box.must("sweep")
    #expect(box.topicEntries("new").isEmpty)
    for mailbox in ["invoice", "stock"] { #expect(try box.must("read", mailbox, "--all") == "a") }
  }

  @Test func aCopyThatWasBegunIsMadeAnew() throws {
    try deliver("a")
    let dying = try sweep()
    while let call = try dying.next() {
      if call.name == "linkat" { try dying.fail(.tooManyLinks) }
      if call.name == "renameat2" { dying.kill() }
    }
    #expect(box.entries("tmp", of: "invoice").count == 1)
    let second = try sweep()
    while let call = try second.next() { if call.name == "linkat" { try second.fail(.tooManyLinks) } }
    #expect(try second.wait().errors == "")
    #expect(box.entries("tmp", of: "invoice").isEmpty)
    for mailbox in ["invoice", "stock"] { #expect(try box.must("read", mailbox, "--all") == "a") }
  }

  @Test func aLetterIsHeldEvenIfAnotherOfItsNameIsHeldAlready() throws {
    try box.script("mv spool/mailboxes/stock away")
    try deliver("a")
    try box.must("sweep", "-q")
    try box.script("rm spool/topics/orders/cur/order.json")  // it has had its day
    try deliver("b")
    try box.must("sweep", "-q")
    #expect(box.topicEntries("held/stock").count == 2)
    try box.script("mv away spool/mailboxes/stock")
    #expect(try box.must("read", "stock", "--all").sorted() == ["a", "b"])
    #expect(try box.must("read", "invoice", "--all").sorted() == ["a", "b"])
  }
}
