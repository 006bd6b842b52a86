// Many handlers at once, and mailboxes that do not wait for each other.

import Linux
import TestKit
import Testing

@Suite struct WatchParallelTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test(arguments: [1, 3]) func asManyAtOnceAsTheSettingsSayAndNeverMore(parallel: Int) throws {
    // Each handler waits until this many have been seen running together (or half a minute is over).
    try Directory(office.root).makeDirectory("running")
    try office.subscribe(
      """
      cd $POST_SPOOL/..; mkdir running/$POST_ID; ls running | wc -l >> counts; n=0; \
      until grep -qx \(parallel) counts || test $n = 3000; do n=$((n+1)); sleep 0.01; done; \
      ls running | wc -l >> counts; rmdir running/$POST_ID
      """, "Parallel: \(parallel)")
    try office.sendMany(12)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 12, 0])
    let counts = office.lines(of: "counts").compactMap { Int($0) }
    #expect(counts.count == 24)
    #expect(counts.max() == parallel)
  }

  @Test func moreHandlersAtOnceFromTheMomentTheSettingsSaySo() throws {
    try office.subscribe(WatchKillTests.waiting)
    try office.sendMany(5)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    try office.configure("stock", ["Handler: " + WatchKillTests.waiting, "Parallel: 4"])
    #expect(eventually { office.lines(of: "begun").count == 4 })
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [1, 4, 0, 0, 0])
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 5, 0] })
  }

  @Test func aSlowMailboxDelaysNoOther() throws {
    try office.subscribe(WatchKillTests.waiting, as: "slow")
    try office.subscribe("cat > /dev/null", as: "fast")
    try office.sendMany(20)
    let watcher = try office.startWatcher()
    #expect(eventually { office.counts("fast") == [0, 0, 0, 20, 0] })
    #expect(office.counts("slow") == [19, 1, 0, 0, 0])
    try office.write("go", "")
    #expect(eventually { office.counts("slow") == [0, 0, 0, 20, 0] })
    #expect(!watcher.hasEnded)
  }

  @Test func aFailingMailboxDelaysNoOther() throws {
    try office.subscribe("exit 1", "Retry: 1h", as: "failing")
    try office.subscribe("cat > /dev/null", as: "fast")
    try office.sendMany(20)
    let watcher = try office.startWatcher()
    #expect(eventually { office.counts("fast") == [0, 0, 0, 20, 0] })
    #expect(eventually { office.counts("failing") == [0, 0, 20, 0, 0] })
    #expect(!watcher.hasEnded)
  }

  @Test func aWatcherWithFewDescriptorsHandlesAll() throws {
    try office.subscribe("sleep 0.02", "Parallel: 16")
    try office.sendMany(40)
    let watched = try office.shell("ulimit -n 20; exec post watch --until-empty")
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 40, 0])
    #expect(try office.troubles().isEmpty)
  }

  @Test func onlyTheNamedMailboxesAreServed() throws {
    for name in ["stock", "invoice", "dispatch"] { try office.subscribe("cat > /dev/null", as: name) }
    try office.sendMany(3)
    #expect(try office.post("watch", "stock", "dispatch", "--until-empty").code == 0)
    #expect(office.counts("stock") == [0, 0, 0, 3, 0])
    #expect(office.counts("dispatch") == [0, 0, 0, 3, 0])
    #expect(office.counts("invoice") == [3, 0, 0, 0, 0])
  }
}
