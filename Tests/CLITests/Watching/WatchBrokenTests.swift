// Handlers that cannot be run: the letter is not to blame.

import Linux
import TestKit
import Testing

@Suite struct WatchBrokenTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test func aMissingHandlerSpendsNoAttemptAndStatusSaysSo() throws {
    try office.subscribe("/no/such/handler")
    let id = try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 78)
    #expect(watched.errors.contains("stock"))
    #expect(office.entries("new") == [id])
    #expect(office.counts() == [1, 0, 0, 0, 0])
    #expect(office.entries("tmp").isEmpty)
    let troubles = try office.troubles()
    #expect(troubles.count == 1)
    #expect(troubles[0].hasPrefix("! stock: "))
    #expect(troubles[0].contains("/no/such/handler"))
  }

  @Test(arguments: [126, 127]) func aHandlerThatSaysItCannotRunSpendsNoAttempt(code: Int) throws {
    try office.subscribe("echo $POST_ATTEMPT >> $POST_SPOOL/../tried; exit \(code)", "Tries: 1")
    let id = try office.send()
    for round in 1...3 {
      #expect(try office.watchUntilEmpty().code == 78)
      #expect(office.lines(of: "tried") == Array(repeating: "1", count: round))
      #expect(office.entries("new") == [id])
    }
  }

  @Test func aProgramThatIsNotExecutableIsABrokenHandler() throws {
    try office.write("handle", "#!/bin/sh\n")
    try office.subscribe("$POST_SPOOL/../handle")
    let id = try office.send()
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.entries("new") == [id])
  }

  @Test func aRepairedHandlerGoesOnByItself() throws {
    try office.subscribe("$POST_SPOOL/../handle.sh")
    let id = try office.send()
    let watcher = try office.startWatcher()
    #expect(try eventually { try !office.troubles().isEmpty })
    #expect(eventually { office.entries("new") == [id] })
    try office.write("ready.sh", "#!/bin/sh\ncat\n")
    let folder = try Directory(office.root)
    try folder.rename("ready.sh", to: folder, "handle.sh")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(office.entries("done").first?.hasPrefix("\(id),A=1,D=") == true)
    #expect(try eventually { try office.troubles().isEmpty })
    #expect(watcher.outputSoFar == "4711")
    #expect(office.entries("notes").isEmpty)
  }

  @Test func aBrokenHandlerIsTriedWithGrowingPauses() throws {
    try office.subscribe("echo x >> $POST_SPOOL/../tried; exit 127", "Parallel: 3")
    try office.sendMany(10)
    let watcher = try office.startWatcher()
    // First up to three at once; then single ones, after 1 s, 2 s ...
    #expect(eventually { office.lines(of: "tried").count >= 3 })
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 2s") })
    #expect(office.lines(of: "tried").count <= 4)
    #expect(office.counts()[0] == 10)
  }

  @Test func aBrokenHandlerHoldsUpNoOtherMailbox() throws {
    try office.subscribe("/no/such/handler")
    try office.subscribe("cat", as: "invoice")
    try office.sendMany(5)
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.counts("invoice") == [0, 0, 0, 5, 0])
    #expect(office.counts() == [5, 0, 0, 0, 0])
  }

  @Test func anotherHandlerInTheSettingsEndsThePauseAtOnce() throws {
    try office.subscribe("/no/such/handler")
    try office.send()
    let watcher = try office.startWatcher()
    // The fourth pause takes eight seconds.
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 8s") })
    try office.configure("stock", ["Handler: cat"])
    #expect(eventually(within: 4) { office.counts() == [0, 0, 0, 1, 0] })
    #expect(try office.troubles().isEmpty)
  }

  @Test func aMailboxWithoutAHandlerIsToldFromABrokenOne() throws {
    #expect(try office.post("subscribe", "audit", "orders").code == 0)
    try office.send()
    let all = try office.watchUntilEmpty()
    #expect(all.code == 0 && all.errors == "")
    #expect(office.counts("audit") == [1, 0, 0, 0, 0])
    let named = try office.post("watch", "audit", "--until-empty")
    #expect(named.code == 78)
    #expect(named.errors.contains("mailboxes/audit/mailbox.conf"))
    #expect(try office.post("watch", "nobody", "--until-empty").code == 66)
  }
}
