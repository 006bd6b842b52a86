// Mailboxes that are paused: by the operator, or because their handler fails with every letter.

import Linux
import TestKit
import Testing

@Suite struct PauseTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// Fails at once until the file `mended` is in the sandbox.
  private static let failing =
    "echo $POST_ID >> $POST_SPOOL/../tried; test -e $POST_SPOOL/../mended || exit 1"

  @Test func aPausedMailboxTakesLettersAndHandsOutNone() throws {
    try office.subscribe("cat")
    #expect(try office.post("pause", "stock").code == 0)
    let watcher = try office.startWatcher()
    try office.sendMany(3)
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [3, 0, 0, 0, 0])
    let troubles = try office.troubles()
    #expect(troubles.count == 1)
    #expect(troubles.first?.hasPrefix("! stock: ") == true)
    #expect(troubles.first?.contains(" paused by ") == true)
    #expect(troubles.first?.hasSuffix("; post resume stock") == true)
    #expect(try office.post("resume", "stock").code == 0)
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
    #expect(try office.troubles().isEmpty)
  }

  @Test func aPauseOutlivesTheWatcher() throws {
    try office.subscribe("cat")
    let first = try office.startWatcher()
    #expect(first.rest() != nil)
    #expect(try office.post("pause", "stock").code == 0)
    first.kill(.kill)
    _ = try first.wait()
    try office.send()
    let second = try office.startWatcher()
    #expect(second.rest() != nil)
    #expect(office.counts() == [1, 0, 0, 0, 0])
    #expect(try office.post("resume", "stock").code == 0)
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
  }

  @Test func aPauseLetsTheHandlerAtWorkFinish() throws {
    try office.subscribe(WatchKillTests.waiting)
    try office.sendMany(3)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    #expect(try office.post("pause", "stock").code == 0)
    #expect(watcher.rest() != nil)
    try office.write("go", "")
    #expect(eventually { office.counts() == [2, 0, 0, 1, 0] })
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [2, 0, 0, 1, 0])
    #expect(try office.post("resume", "stock").code == 0)
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
  }

  @Test func aPauseHoldsForAStreamToo() throws {
    try office.stream("while next; do echo done $id; done")
    let watcher = try office.startWatcher()
    try office.send("1")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(try office.post("pause", "stock").code == 0)
    #expect(watcher.rest() != nil)
    try office.send("2")
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [1, 0, 0, 1, 0])
    #expect(try office.post("resume", "stock").code == 0)
    #expect(eventually { office.counts() == [0, 0, 0, 2, 0] })
  }

  @Test func aPauseConcernsOneMailboxAndNoReader() throws {
    try office.subscribe("cat")
    try office.subscribe("cat > /dev/null", as: "invoice")
    #expect(try office.post("pause", "stock").code == 0)
    #expect(try office.post("pause", "stock").code == 0)
    try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0 && watched.text == "")
    #expect(office.counts("invoice") == [0, 0, 0, 1, 0])
    #expect(office.counts() == [1, 0, 0, 0, 0])
    #expect(try office.post("read", "stock").text == "4711")
  }

  @Test(arguments: [1, 4])
  func aHandlerThatFailsWithLetterAfterLetterIsPaused(parallel: Int) throws {
    try office.subscribe("true")
    try office.configure(
      "stock", ["Handler: " + PauseTests.failing, "Retry: 1h", "Parallel: \(parallel)"])
    try office.sendMany(50)
    let watcher = try office.startWatcher()
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 2s") })
    let troubles = try office.troubles()
    #expect(troubles.count == 1)
    let why = "letter after letter fails within a second, the last with exit 1"
    #expect(troubles.first?.contains(why) == true)
    #expect(eventually { office.entries("cur").isEmpty })
    // 31 were suspected before the handler was; the others lose nothing.
    #expect(office.counts() == [19, 0, 31, 0, 0])
    #expect(Set(office.attempts(in: "new").values) == ["none"])
    #expect(office.lines(of: "tried").count <= 33 + parallel)
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 31, 19, 0] })
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    #expect(try eventually { try office.troubles().isEmpty })
  }

  @Test func aStreamThatFailsWithLetterAfterLetterIsPaused() throws {
    try office.stream(
      "while next; do if test -e $out/mended; then echo done $id; else echo retry $id; fi; done",
      "Batch: 8")
    try office.configureStream(
      "while next; do if test -e $out/mended; then echo done $id; else echo retry $id; fi; done",
      ["Batch: 8", "Retry: 1h"])
    try office.sendMany(50)
    let watcher = try office.startWatcher()
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 2s") })
    #expect(eventually { office.counts() == [19, 0, 31, 0, 0] })
    #expect(Set(office.attempts(in: "new").values) == ["none"])
    #expect(try office.troubles().count == 1)
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 31, 19, 0] })
    #expect(office.starts.count == 1)
  }

  @Test func aSingleLetterThatAlwaysFailsPausesNothing() throws {
    try office.subscribe(PauseTests.failing, "Retry: 1ms..1ms", "Tries: 50")
    try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 0, 1])
    #expect(office.lines(of: "tried").count == 50)
    #expect(!watched.errors.contains("handler is broken"))
  }

  @Test func lettersThatFailForGoodPauseNothing() throws {
    try office.subscribe("exit 65")
    try office.sendMany(50)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 0, 50])
  }

  @Test func resumingEndsTheWatchersOwnPauseAtOnce() throws {
    try office.subscribe(PauseTests.failing, "Retry: 1h")
    try office.sendMany(40)
    let watcher = try office.startWatcher()
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 8s") })
    try office.write("mended", "")
    #expect(try office.post("resume", "stock").code == 0)
    #expect(eventually(within: 6) { office.counts() == [0, 0, 31, 9, 0] })
    #expect(try office.troubles().isEmpty)
  }

  @Test func resumingIsOfNoUseWhileTheHandlerIsBroken() throws {
    try office.subscribe("echo >> $POST_SPOOL/../tried; exit 127")
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { watcher.errorsSoFar.contains("tried again in 4s") })
    let tried = try office.read("tried").count
    #expect(try office.post("resume", "stock").code == 0)
    #expect(try eventually(within: 3) { try office.read("tried").count > tried })
    #expect(try eventually { try office.troubles().count == 1 })
    #expect(eventually { office.counts() == [1, 0, 0, 0, 0] })
  }
}
