// Mailboxes and topics that are moved away and come back, or are made anew, while the watcher runs.

import Linux
import TestKit
import Testing

@Suite struct WatchMoveTests {
  let office: Sandbox

  init() throws {
    office = try Sandbox()
    try office.subscribe("cat; echo")
  }

  @Test func aMailboxThatIsMovedAwayAndBackGetsWhatWasHeldForIt() throws {
    let watcher = try office.startWatcher()
    try office.send("1")
    // A letter in hands would be handled again, if its mailbox went.
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "1\n")
    try office.script(
      "mv spool/mailboxes/stock away; post send -q orders -m 2; mv away spool/mailboxes/stock")
    #expect(eventually { watcher.outputSoFar == "1\n2\n" })
    try office.send("3")
    #expect(eventually { watcher.outputSoFar == "1\n2\n3\n" })
  }

  @Test func aMailboxUnderAnotherNameIsServedUnderThat() throws {
    let watcher = try office.startWatcher()
    try office.send("1")
    // A letter in hands would be handled again, if its mailbox went.
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "1\n")
    try office.script(
      "mv spool/mailboxes/stock spool/mailboxes/store; post subscribe store orders --from now; rm spool/topics/orders/subscribers/stock"
    )
    try office.send("2")
    #expect(eventually { watcher.outputSoFar == "1\n2\n" })
    #expect(eventually { office.counts("store") == [0, 0, 0, 2, 0] })
  }

  @Test func aTopicThatIsRemovedAndMadeAgainIsSorted() throws {
    let watcher = try office.startWatcher()
    try office.send("1")
    // A letter in hands would be handled again, if its mailbox went.
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "1\n")
    try office.script("rm -r spool/topics/orders; post subscribe stock orders")
    try office.deliverForeign("f", "Subject: s\n\n2")
    #expect(eventually { watcher.outputSoFar == "1\n2\n" })
    try office.script("mv spool/topics/orders away; mv away spool/topics/orders")
    try office.deliverForeign("g", "Subject: s\n\n3")
    #expect(eventually { watcher.outputSoFar == "1\n2\n3\n" })
  }
}
