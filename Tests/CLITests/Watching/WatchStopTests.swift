// How a watcher ends on a signal.

import Linux
import TestKit
import Testing

@Suite struct WatchStopTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test(arguments: [Signal.terminate, .interrupt]) func anIdleWatcherStopsAtOnce(signal: Signal) throws {
    try office.subscribe("cat")
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    watcher.kill(signal)
    let ended = try watcher.wait()
    #expect(ended.code == 0)
    #expect(ended.errors == "")
  }

  @Test(arguments: [Signal.terminate, .interrupt])
  func theHandlerAtWorkMayFinishAndNoOtherBegins(signal: Signal) throws {
    try office.subscribe(WatchKillTests.waiting)
    try office.sendMany(3)
    let ids = office.entries("new")
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    watcher.kill(signal)
    let late = try office.send()
    #expect(watcher.rest() != nil)
    #expect(!watcher.hasEnded)
    try office.write("go", "")
    #expect(try watcher.wait().code == 0)
    #expect(office.lines(of: "begun") == ["\(ids[0]) 1"])
    #expect(office.entries("new") == Array(ids[1...]) + [late])
    #expect(office.counts() == [3, 0, 0, 1, 0])
  }

  @Test func theSecondSignalEndsTheHandlerAndItsLetterIsGivenBack() throws {
    try office.subscribe("(trap '' TERM; exec sleep 600) & echo $! $$ >> $POST_SPOOL/../pids; wait")
    let id = try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "pids").count == 1 })
    watcher.kill(.terminate)
    #expect(watcher.rest() != nil)
    #expect(office.inHands() == ["\(id),A=1"])
    watcher.kill(.terminate)
    let ended = try watcher.wait()
    #expect(ended.code == 0)
    #expect(office.entries("new") == [id])
    #expect(office.counts() == [1, 0, 0, 0, 0])
    let pids = office.lines(of: "pids").flatMap { $0.split(separator: " ").map(String.init) }
    #expect(pids.count == 2)
    #expect(eventually { !pids.contains { office.isAlive($0) } })
  }

  @Test func aHandlerThatEndsWellWhenAskedToHasDoneItsLetter() throws {
    try office.subscribe(
      "trap 'exit 0' TERM; echo x > $POST_SPOOL/../begun; n=0; while test $n != 3000; do n=$((n+1)); sleep 0.01; done"
    )
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { !office.lines(of: "begun").isEmpty })
    watcher.kill(.terminate)
    #expect(watcher.rest() != nil)
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    #expect(office.counts() == [0, 0, 0, 1, 0])
  }

  @Test func aHangUpReadsTheSettingsAnewAndStopsNothing() throws {
    try office.subscribe("cat")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    watcher.kill(.hangUp)
    try office.send("after the hang-up")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(!watcher.hasEnded)
    #expect(watcher.outputSoFar == "after the hang-up")
  }

  @Test func untilEmptyWaitsForRetries() throws {
    try office.subscribe("test $POST_ATTEMPT = 3", "Retry: 150ms..300ms")
    try office.sendMany(2)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 2, 0])
  }

  @Test func untilEmptyOnAnEmptyOfficeEndsAtOnce() throws {
    try office.subscribe("cat")
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0 && watched.text == "" && watched.errors == "")
  }
}
