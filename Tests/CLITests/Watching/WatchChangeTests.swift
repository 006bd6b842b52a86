// What changes while the watcher runs: topics, mailboxes, settings.

import Linux
import TestKit
import Testing

@Suite struct WatchChangeTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test func aNewMailboxIsServed() throws {
    try office.subscribe("cat > /dev/null")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    try office.subscribe("cat", as: "invoice", to: "bills")
    try office.send("1", to: "bills")
    #expect(eventually { office.counts("invoice") == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "1")
  }

  @Test func aMailboxThatGetsAHandlerIsServed() throws {
    #expect(try office.post("subscribe", "stock", "orders").code == 0)
    try office.sendMany(2)
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    #expect(try office.post("subscribe", "stock", "orders", "--", "cat").code == 0)
    #expect(eventually { office.counts() == [0, 0, 0, 2, 0] })
    try office.send()
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
  }

  @Test func aMailboxThatLosesItsHandlerIsLeftAlone() throws {
    try office.subscribe("cat")
    let watcher = try office.startWatcher()
    try office.send()
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    try office.configure("stock", ["# no handler"])
    #expect(watcher.rest() != nil)
    try office.send()
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [1, 0, 0, 1, 0])
    #expect(watcher.errorsSoFar == "")
  }

  @Test func aChangedHandlerIsTakenUp() throws {
    try office.subscribe("echo old")
    let watcher = try office.startWatcher()
    try office.send()
    #expect(eventually { watcher.outputSoFar == "old\n" })
    try office.configure("stock", ["Handler: echo new"])
    #expect(watcher.rest() != nil)
    try office.send()
    #expect(eventually { watcher.outputSoFar == "old\nnew\n" })
  }

  @Test func aFileThatIsWrittenInPlaceIsTakenUp() throws {
    try office.subscribe("echo old")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    let edit = "echo 'Handler: echo new' > $POST_SPOOL/mailboxes/stock/mailbox.conf"
    #expect(try office.shell(edit).code == 0)
    #expect(watcher.rest() != nil)
    try office.send()
    #expect(eventually { watcher.outputSoFar == "new\n" })
  }

  @Test func brokenSettingsAreReportedAndTheOldOnesStay() throws {
    try office.subscribe("cat")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    try office.configure("stock", ["Handler: cat", "Tries: many"])
    #expect(
      eventually {
        watcher.errorsSoFar.contains("mailboxes/stock/mailbox.conf, line 2: invalid value 'many' for Tries")
      })
    try office.send("still")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "still")
    #expect(try office.troubles().contains { $0.contains("mailbox.conf, line 2") })
    try office.configure("stock", ["Handler: tr a-z A-Z"])
    #expect(watcher.rest() != nil)
    try office.send("mended")
    #expect(eventually { watcher.outputSoFar == "stillMENDED" })
  }

  @Test func brokenSettingsAtTheStartAreReportedAndTakenUpWhenMended() throws {
    try office.subscribe("cat", as: "invoice")
    try office.subscribe("cat", "Tries: many")
    try office.send("x")
    let watcher = try office.startWatcher()
    #expect(eventually { office.counts("invoice") == [0, 0, 0, 1, 0] })
    #expect(
      watcher.errorsSoFar.contains("mailboxes/stock/mailbox.conf, line 3: invalid value 'many' for Tries"))
    #expect(office.counts() == [1, 0, 0, 0, 0])
    try office.configure("stock", ["Handler: cat"])
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
  }

  @Test func untilEmptySaysThatLettersWaitForSettings() throws {
    try office.subscribe("cat", "Tries: many")
    try office.send("x")
    let watched = try office.watchUntilEmpty()
    #expect(watched.errors.contains("mailboxes/stock/mailbox.conf, line 3: invalid value 'many' for Tries"))
    #expect(watched.code == 78)
  }

  @Test func theOfficesSettingsAreTakenUp() throws {
    try office.subscribe("echo $POST_TRIES")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    try office.write("spool/post.conf", "Tries: 7\n")
    #expect(watcher.rest() != nil)
    try office.send()
    #expect(eventually { watcher.outputSoFar == "7\n" })
  }

  @Test func aMailboxThatIsRemovedAndMadeAgainIsServed() throws {
    try office.subscribe("cat")
    let watcher = try office.startWatcher()
    try office.send("1")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(try office.shell("rm -r $POST_SPOOL/mailboxes/stock").code == 0)
    #expect(watcher.rest() != nil)
    try office.subscribe("tr 2 3")
    try office.send("2")
    #expect(eventually { watcher.outputSoFar == "13" || office.counts()[3] == 2 })
    #expect(watcher.outputSoFar.hasSuffix("3"))
  }

  @Test func aMailboxThatIsRemovedWithItsHandlerAtWorkAndMadeAgainKeepsItsParallel() throws {
    try office.subscribe(WatchKillTests.waiting)
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    #expect(try office.shell("mv $POST_SPOOL/mailboxes/stock gone").code == 0)
    #expect(watcher.rest() != nil)
    #expect(try office.post("unsubscribe", "stock", "orders").code != 70)
    #expect(
      try office.shell(
        "rm -f $POST_SPOOL/topics/orders/subscribers/stock $POST_SPOOL/topics/orders/cur/*"
      ).code
        == 0)
    // The first handler ends; its letter is gone. From then on one handler works at a time.
    let waiting = WatchKillTests.waiting.replacing("../go", with: "../go2")
    try office.subscribe(waiting)
    #expect(watcher.rest() != nil)
    try office.write("go", "")
    #expect(watcher.rest() != nil)
    try office.sendMany(3)
    #expect(eventually { office.lines(of: "begun").count > 1 })
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [2, 1, 0, 0, 0])
    try office.write("go2", "")
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
  }

  @Test func untilEmptyEndsWhenTheHandlerIsTakenAwayMeanwhile() throws {
    try office.subscribe(WatchKillTests.waiting)
    try office.sendMany(2)
    let watcher = try office.startWatcher("--until-empty")
    #expect(eventually { office.lines(of: "begun").count == 1 })
    try office.configure("stock", ["# no handler"])
    #expect(watcher.rest() != nil)
    try office.write("go", "")
    #expect(eventually(within: 10) { watcher.hasEnded })
    #expect(office.counts() == [1, 0, 0, 1, 0])
  }

  @Test func aMailboxInTroubleIsToldOfNowAndThenOnly() throws {
    try office.subscribe("exit 1", "Retry: 300ms..300ms")
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { office.entries("later").count == 1 })
    #expect(
      try office.shell("cd $POST_SPOOL/mailboxes/stock; touch file; mv later ../../../; mv file later")
        .code == 0)
    #expect(eventually { watcher.errorsSoFar.contains("mailboxes/stock/later") })
    // A pause of a second follows; a watcher that spins writes thousands of lines meanwhile.
    let started = watcher.errorsSoFar.split(separator: "\n").count
    _ = eventually(within: 1) { watcher.errorsSoFar.split(separator: "\n").count > started + 20 }
    #expect(watcher.errorsSoFar.split(separator: "\n").count <= started + 20)
  }
}
