// Holders that die: the watcher, post read, and holders of leases.

import Linux
import TestKit
import Testing

@Suite struct WatchKillTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// A handler that has begun waits for the file `go` in the sandbox, half a minute at most.
  static let waiting =
    "echo $POST_ID $POST_ATTEMPT >> $POST_SPOOL/../begun; n=0; "
    + "until test -e $POST_SPOOL/../go || test $n = 3000; do n=$((n+1)); sleep 0.01; done"

  @Test func sixKilledWatchersCostAtMostOneRepetitionEach() throws {
    try office.subscribe("echo $POST_ID >> $POST_SPOOL/../handled; sleep 0.005")
    try office.sendMany(200)
    let sent = Set(office.entries("new"))
    for kill in 1...6 {
      let watcher = try office.startWatcher()
      #expect(eventually { office.lines(of: "handled").count >= kill * 25 })
      watcher.kill(.kill)
      #expect(try watcher.wait().code == 128 + 9)
    }
    #expect(try office.watchUntilEmpty().code == 0)
    let handled = office.lines(of: "handled")
    #expect(Set(handled) == sent)
    #expect(sent.count == 200)
    #expect(handled.count <= 206)
    #expect(office.counts() == [0, 0, 0, 200, 0])
    #expect(office.entries("tmp").isEmpty)
  }

  /// Handlers by the ways they get their letters. Each records what it has handled.
  private static let ways: [(settings: [String], inFlight: Int)] = [
    (["Handler: echo $POST_ID >> $POST_SPOOL/../handled", "Parallel: 10"], 10),
    (
      [
        "Handler: f() { for f; do f=${f##*/}; echo ${f%%,*} >> $POST_SPOOL/../handled; done; }; f",
        "Batch: 10", "Parallel: 3",
      ], 30
    ),
    (
      [
        #"Handler: while read -r l; do l=${l#*\"id\":\"}; echo ${l%%\"*} >> $POST_SPOOL/../handled; "#
          + #"echo done ${l%%\"*}; done"#,
        "Handler-Mode: stream", "Batch: 10", "Parallel: 2",
      ], 20
    ),
  ]

  @Test(arguments: Seeded.some(1, of: Array(0..<ways.count)))
  func amongAThousandLettersKilledWatchersCostOnlyWhatWasInHands(way: Int) throws {
    let (settings, inFlight) = WatchKillTests.ways[way]
    try office.subscribe("unused")
    try office.configure("stock", settings)
    try office.sendMany(1000)
    let sent = Set(office.entries("new"))
    for kill in 1...5 {
      let watcher = try office.startWatcher()
      #expect(eventually { office.lines(of: "handled").count >= kill * 100 })
      watcher.kill(.kill)
      #expect(try watcher.wait().code == 128 + 9)
    }
    #expect(try office.watchUntilEmpty().code == 0)
    let handled = office.lines(of: "handled")
    #expect(Set(handled) == sent)
    #expect(handled.count <= 1000 + 5 * inFlight)
    #expect(office.counts() == [0, 0, 0, 1000, 0])
  }

  @Test func aHandlerThatOutlivesItsWatcherKeepsItsLetter() throws {
    try office.subscribe(WatchKillTests.waiting)
    let id = try office.send()
    let first = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun") == ["\(id) 1"] })
    first.kill(.kill)
    _ = try first.wait()
    let second = try office.startWatcher()
    #expect(second.rest() != nil)
    #expect(office.inHands() == ["\(id),A=1"])
    #expect(office.lines(of: "begun").count == 1)
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(office.lines(of: "begun") == ["\(id) 1", "\(id) 2"])
    #expect(office.entries("done").first?.hasPrefix("\(id),A=2,D=") == true)
  }

  @Test func aHolderThatDiesAtTheLastTryLeavesAFailedLetter() throws {
    try office.subscribe("kill -9 $PPID; exit 0", "Tries: 2")
    let id = try office.send()
    #expect(try office.startWatcher().wait().code == 128 + 9)
    #expect(try office.startWatcher().wait().code == 128 + 9)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.entries("failed") == ["\(id),A=2"])
    #expect(office.counts() == [0, 0, 0, 0, 1])
    #expect(try office.note(id).contains("attempt 2 of 2: its holder died; no tries left"))
  }

  @Test func aKilledReaderLosesItsLetterToARunningWatcher() throws {
    try office.subscribe("echo $POST_ID $POST_ATTEMPT >> $POST_SPOOL/../handled")
    let id = try office.send()
    let reader = try office.startPost(
      "read", "stock", "--", "sh", "-c", "echo $$ > $POST_SPOOL/../pid; exec sleep 600")
    #expect(eventually { !office.lines(of: "pid").isEmpty })
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    try office.signal("KILL", String(reader.pid))
    _ = try reader.wait()
    #expect(watcher.rest() != nil)
    #expect(office.lines(of: "handled").isEmpty)  // its command lives on
    try office.signal("KILL", office.lines(of: "pid")[0])
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(office.lines(of: "handled") == ["\(id) 2"])
  }

  @Test func aLeasedLetterComesBackWhenTheLeaseEnds() throws {
    try office.subscribe("echo $POST_ID $POST_ATTEMPT >> $POST_SPOOL/../handled")
    let id = try office.send()
    let other = try office.send()
    #expect(try office.post("read", "stock", "--lease", "1s").lines == [id])
    let lease = try #require(EntryLease(office.entries("cur").first))
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count == 2 })
    #expect(office.lines(of: "handled") == ["\(other) 1", "\(id) 2"])
    #expect(Clock.wall >= lease.until)
    #expect(eventually { office.counts() == [0, 0, 0, 2, 0] })
    #expect(!watcher.hasEnded)
  }

  @Test func aLeaseThatIsSettledInTimeIsNotHandled() throws {
    try office.subscribe("echo $POST_ID >> $POST_SPOOL/../handled")
    let id = try office.send()
    #expect(try office.post("read", "stock", "--lease", "1m").lines == [id])
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    #expect(try office.post("done", "stock", id).code == 0)
    #expect(office.entries("done").count == 1)
    let next = try office.send()
    #expect(eventually { office.entries("done").count == 2 })
    #expect(office.lines(of: "handled") == [next])
  }

  @Test func twoWatchersHandleEachLetterOnce() throws {
    try office.subscribe("echo $POST_ID >> $POST_SPOOL/../handled", "Parallel: 2")
    try office.sendMany(100)
    let sent = office.entries("new")
    let one = try office.startWatcher("--until-empty")
    let two = try office.startWatcher("--until-empty")
    #expect(try one.wait().code == 0)
    #expect(try two.wait().code == 0)
    #expect(office.lines(of: "handled").sorted() == sent)
    #expect(office.counts() == [0, 0, 0, 100, 0])
  }
}

/// The lease in a letter's file name.
private struct EntryLease {
  /// Nanoseconds since 1970.
  let until: Int64

  init?(_ name: String?) {
    guard let mark = name?.split(separator: ",").first(where: { $0.hasPrefix("L=") }),
      let seconds = Int64(mark.dropFirst(2))
    else { return nil }
    until = seconds * 1_000_000_000
  }
}
