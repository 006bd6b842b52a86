// Letters that no sender or finisher has sorted: the watcher sorts them.

import Linux
import TestKit
import Testing

@Suite struct WatchSortTests {
  let office: Sandbox

  init() throws {
    office = try Sandbox()
    try office.subscribe("cat")
  }

  private func running() throws -> Running {
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    return watcher
  }

  @Test func aLetterThatIsSentMeanwhileReachesItsHandler() throws {
    let watcher = try running()
    for number in 1...5 {
      try office.send("\(number)")
      #expect(eventually { office.counts() == [0, 0, 0, number, 0] })
    }
    #expect(watcher.outputSoFar == "12345")
  }

  @Test func anIdleWatcherDoesNotWakeForFiveSeconds() throws {
    let watcher = try running()
    try office.send()
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    // What was done becomes durable within a second; then there is nothing left.
    let before = try #require(watcher.rest(for: 1500))
    _ = try waitReadable([], atMost: 5_000_000_000)
    #expect(watcher.switches == before)
    #expect(before > 0)
  }

  @Test func aForeignFileIsDeliveredAndHandled() throws {
    let watcher = try running()
    try office.deliverForeign("1795765752.4242_1.shop", "X-Colour: red\n\nforeign")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "foreign")
    #expect(office.names(in: "spool/topics/orders/cur") == ["1795765752.4242_1.shop"])
    #expect(office.names(in: "spool/topics/orders/new").isEmpty)
  }

  @Test func aForeignFileInATopicThatWasMadeMeanwhileIsHandled() throws {
    let watcher = try running()
    try office.subscribe("cat", as: "invoice", to: "bills")
    #expect(watcher.rest() != nil)
    try office.deliverForeign("1795765752.4242_1.shop", "foreign", to: "bills")
    #expect(eventually(within: 10) { office.counts("invoice") == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "foreign")
  }

  @Test func allForeignFilesOfALargeDeliveryAreHandled() throws {
    // More than one pass takes up (Office.passLimit), and nothing happens afterwards.
    let made = try office.shell(
      """
      cd $POST_SPOOL/topics/orders && mkdir ../../../all && cd ../../../all &&
      for n in $(seq 1100); do echo x > 1795765752.$((100000 + n)).shop; done &&
      mv -t $POST_SPOOL/topics/orders/new *.shop
      """)
    #expect(made.code == 0, "\(made.errors)")
    try office.configure("stock", ["Handler: true", "Parallel: 16"])
    let watcher = try office.startWatcher()
    #expect(
      eventually(within: 45) { office.counts()[3] == 1100 || !stillMoves(watcher) },
      "the watcher works on")
    #expect(office.counts() == [0, 0, 0, 1100, 0])
    #expect(office.names(in: "spool/topics/orders/new").count == 0)
  }

  /// Whether the watcher does anything within a second and a half.
  private func stillMoves(_ watcher: Running) -> Bool {
    let before = watcher.switches
    return eventually(within: 1) { watcher.switches != before }
  }

  @Test func aSenderThatDiesBetweenAcceptanceAndDeliveryIsFinished() throws {
    let watcher = try running()
    let sent = try office.shell(
      "echo accepted | strace -f -qq -o trace -e trace=linkat -e inject=linkat:signal=KILL post send orders")
    #expect(sent.code != 0)
    #expect(office.lines(of: "trace").contains { $0.contains("linkat(") })
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "accepted\n")
    #expect(office.names(in: "spool/topics/orders/new").isEmpty)
  }

  @Test func aSenderThatStandsStillIsLeftItsLetterUntilItDies() throws {
    let watcher = try running()
    let sender = try office.start([
      "/bin/sh", "-c",
      "echo accepted | exec strace -f -qq -o trace -e trace=linkat -e inject=linkat:signal=STOP post send orders",
    ])
    #expect(eventually { office.lines(of: "trace").contains { $0.contains("SIGSTOP") } })
    let entry = try #require(office.names(in: "spool/topics/orders/new").first)
    let pid = try #require(office.lines(of: "trace").first?.split(separator: " ").first.map(String.init))
    #expect(watcher.rest() != nil)
    #expect(office.isAlive(pid))
    #expect(office.names(in: "spool/topics/orders/new") == [entry])
    try office.signal("KILL", pid)
    _ = try sender.wait()
    #expect(eventually { office.names(in: "spool/topics/orders/new").isEmpty })
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.outputSoFar == "accepted\n")
  }

  @Test func aLetterThatComesWhileAnotherFinishesIsNotForgotten() throws {
    let watcher = try running()
    let topic = try Directory(office.spool / "topics/orders")
    #expect(try topic.tryLock())  // as post sweep does while it sorts what it found
    try office.deliverForeign("1795765752.4242_1.shop", "foreign")
    #expect(watcher.rest() != nil)
    _ = consume topic
    #expect(eventually(within: 10) { office.counts() == [0, 0, 0, 1, 0] })
  }

  @Test func aWatcherThatStoodStillMissesNothing() throws {
    let watcher = try running()
    try office.signal("STOP", String(watcher.pid))
    try office.sendMany(50)
    try office.deliverForeign("1795765752.4242_1.shop", "foreign")
    try office.subscribe("cat > /dev/null", as: "invoice", to: "orders")
    try office.signal("CONT", String(watcher.pid))
    #expect(
      eventually { office.counts() == [0, 0, 0, 51, 0] && office.counts("invoice") == [0, 0, 0, 51, 0] })
  }

  @Test func anOverflowOfTheKernelsQueueLosesNothing() throws {
    let limitFile = try File("/proc/sys/fs/inotify/max_queued_events", .readFollowing).readAll(limit: 64)
    let limit = try #require(Int(String(decoding: limitFile, as: UTF8.self).filter(\.isNumber)))
    let watcher = try running()
    try office.signal("STOP", String(watcher.pid))
    // Two events each: the queue is full before the letters come.
    let folder = try Directory(office.spool / "mailboxes/stock")
    try office.write("spool/mailboxes/stock/a", "")
    for _ in 0...(min(limit, 1 << 20) / 4) {
      try folder.rename("a", to: folder, "b")
      try folder.rename("b", to: folder, "a")
    }
    try office.send("1")
    try office.deliverForeign("1795765752.4242_1.shop", "2")
    try office.subscribe("cat > /dev/null", as: "invoice", to: "orders")
    try office.signal("CONT", String(watcher.pid))
    #expect(
      eventually { office.counts() == [0, 0, 0, 2, 0] && office.counts("invoice") == [0, 0, 0, 2, 0] })
    #expect(Set(watcher.outputSoFar) == ["1", "2"])
  }
}
