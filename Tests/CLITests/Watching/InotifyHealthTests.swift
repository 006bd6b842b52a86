// Watchers that get few or no events from inotify(7): letters are handled all the same.

import Linux
import TestKit
import Testing

@Suite struct InotifyHealthTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// Starts a watcher through another program. It ends with the test.
  private func start(through words: String) throws -> Running {
    try office.start(["/bin/sh", "-c", Path("exec \(words) post watch")])
  }

  @Test func aSecondWatcherSaysSoAndSharesTheLetters() throws {
    try office.subscribe("echo $POST_ID >> $POST_SPOOL/../handled")
    let first = try office.startWatcher()
    #expect(first.rest() != nil)
    let second = try office.startWatcher()
    #expect(second.rest() != nil)
    #expect(first.errorsSoFar == "")
    #expect(
      second.errorsSoFar
        == "post: warning: another watcher runs in \(office.spool); both share the letters\n"
    )
    try office.sendMany(100)
    #expect(eventually { office.counts() == [0, 0, 0, 100, 0] })
    #expect(office.lines(of: "handled").count == 100)
    first.kill(.kill)
    _ = try first.wait()
    try office.sendMany(10)
    #expect(eventually { office.counts() == [0, 0, 0, 110, 0] })
    #expect(try office.startWatcher().rest() != nil)
  }

  @Test(.needsStrace) func aWatcherToWhichTheKernelTellsNothingSaysSoAtTheStart() throws {
    try office.subscribe("cat")
    // Its watches are never made, but look as if they were.
    let watcher = try start(
      through: "strace -qq -o /dev/null -e trace=inotify_add_watch -e inject=inotify_add_watch:retval=77")
    let warning = "inotify reports nothing here; the watcher scans everything"
    #expect(eventually { watcher.errorsSoFar.contains(warning) })
    for number in 1...3 {
      try office.send("\(number)")
      #expect(eventually(within: 10) { office.counts() == [0, 0, 0, number, 0] })
    }
    try office.subscribe("cat > /dev/null", as: "invoice")
    try office.deliverForeign("1795765752.4242_1.shop", "foreign")
    // It gets what the topic has kept, too.
    #expect(eventually(within: 10) { office.counts("invoice") == [0, 0, 0, 4, 0] })
    #expect(watcher.errorsSoFar.components("inotify reports nothing") == 1)
    watcher.kill(.terminate)
    _ = try watcher.wait()
  }

  @Test(.needsFewWatches, arguments: [0, 3, 6]) func aWatcherWithoutWatchesSaysSoAndLooksForItself(limit: Int)
    throws
  {
    for name in ["stock", "invoice"] { try office.subscribe("cat > /dev/null", as: name) }
    try office.send("before")
    let watcher = try start(through: "unshare -Ur sh -c '\(Machine.fewWatches(limit)) && exec \"$@\"' sh")
    #expect(eventually { watcher.errorsSoFar.contains("this user has no inotify watches left") })
    #expect(watcher.errorsSoFar.contains("raise fs.inotify.max_user_watches"))
    for number in 2...4 {
      try office.send("\(number)")
      #expect(
        eventually(within: 10) {
          office.counts() == [0, 0, 0, number, 0] && office.counts("invoice") == [0, 0, 0, number, 0]
        })
    }
    try office.deliverForeign("1795765752.4242_1.shop", "foreign")
    #expect(eventually(within: 10) { office.counts() == [0, 0, 0, 5, 0] })
    #expect(watcher.errorsSoFar.components("no inotify watches left") == 1)
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
  }

  /// On an overlay, the kernel reports no event for what is written into the upper directory itself. The first such
  /// letter is found when the watcher looks everywhere as a precaution, within a minute; only `make faults` waits for
  /// it; the next ones are found soon.
  @Test(.needsOverlay, .enabled(if: Seeded.takesAll, "it takes a minute: make faults"))
  func aWatcherThatMissesALetterLooksForItselfFromThenOn() throws {
    try office.script("mkdir lower upper work merged; mkdir spool")
    try office.subscribe("cat > /dev/null")
    try office.script("mv spool upper/")
    let watcher = try office.start([
      "unshare", "-m", "sh", "-c",
      """
      mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged &&
      POST_SPOOL=$PWD/merged/spool exec post watch
      """,
    ])
    #expect(watcher.rest() != nil)
    #expect(watcher.errorsSoFar == "")
    let done = { self.office.names(in: "upper/spool/mailboxes/stock/done").count }
    try office.write("upper/spool/mailboxes/stock/tmp/1", "first\n")
    try office.script("cd upper/spool/mailboxes/stock; mv tmp/1 new/1795765752.4242_1.shop")
    #expect(eventually(within: 75) { done() == 1 })
    #expect(watcher.errorsSoFar.contains("inotify did not report a letter that came to mailbox stock"))
    try office.write("upper/spool/mailboxes/stock/tmp/2", "second\n")
    try office.script("cd upper/spool/mailboxes/stock; ln tmp/2 new/1795765752.4242_2.shop")
    #expect(eventually(within: 10) { done() == 2 })
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
  }
}

extension String {
  /// How often some words occur in it.
  fileprivate func components(_ words: String) -> Int { ranges(of: words).count }
}
