import Linux
import TestKit
import Testing

/// A wall clock that is set, back or forward, between commands or under one that runs.
@Suite(.needsPtrace) struct TimeTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private static let hour: Int64 = 3600

  /// Starts `post` with a wall clock that is off by so many seconds.
  private func start(_ offset: Int64, _ words: String..., input: String = "") throws -> Traced {
    try Traced(
      box, [Sandbox.binary] + words.map { Path($0) }, input: Array(input.utf8), clockOffset: offset)
  }

  /// Runs `post` to its end with such a clock.
  private func at(_ offset: Int64, _ words: String...) throws -> Sandbox.Run {
    try Traced(box, [Sandbox.binary] + words.map { Path($0) }, clockOffset: offset).wait()
  }

  private func until(_ name: String?) -> Double? {
    name?.split(separator: ",").first { $0.hasPrefix("L=") }.flatMap { Double($0.dropFirst(2)) }
  }

  @Test func theIDsOfOneSenderIncreaseWhileTheClockJumps() throws {
    let bodies = (1...8).map { "\($0)" }
    let sender = try start(
      TimeTests.hour, "send", "orders", "--lines", "--id", input: bodies.joined(separator: "\n"))
    var printed = 0
    while try sender.next() != nil {
      let lines = sender.outputSoFar.split(separator: "\n").count
      if lines > printed { sender.clockOffset = [-3600, 0, 3600, -1][lines % 4] }
      printed = lines
    }
    let ids = try sender.wait().lines
    #expect(ids.count == 8 && ids == ids.sorted())
    #expect(try box.must("read", "stock", "--all") == bodies.joined())
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test(arguments: [-hour, 0, hour])
  func lettersOfAnyTimeAreReadOnceAtAnyTime(reader: Int64) throws {
    for offset in [TimeTests.hour, -TimeTests.hour, 0] {
      #expect(try at(offset, "send", "orders", "-m", "[\(offset)]").code == 0)
      #expect(try at(reader, "sweep").code == 0)
    }
    #expect(try at(reader, "read", "stock", "--all").text == "[-3600][0][3600]")
    #expect(try at(-reader, "read", "stock").code == 1)
    #expect(box.entries("done").count == 3)
  }

  @Test func aLeaseOutlastsAClockThatGoesBack() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try box.must("read", "stock", "--lease", "1m").dropLast()
    #expect(try at(-TimeTests.hour, "sweep").code == 0)
    #expect(try at(-TimeTests.hour, "read", "stock").code == 1)
    #expect(try at(-TimeTests.hour, "done", "stock", String(id)).code == 0)
    #expect(box.entries("done").count == 1)
  }

  @Test func aLeaseEndsWhenTheClockPassesIt() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try box.must("read", "stock", "--lease", "1m").dropLast()
    #expect(try at(TimeTests.hour, "read", "stock").text == "a")
    #expect(try box.post("done", "stock", String(id)).code == 66)
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  /// Whoever settles it has found it, and then it becomes another's.
  @Test func aLeaseThatEndsWhileItIsSettledLeavesTheLetterToItsNewHolder() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try box.must("read", "stock", "--lease", "1s").dropLast()
    let slow = try start(0, "done", "stock", String(id))
    while let call = try slow.next(), call.name != "renameat2" {}
    let holder = try box.startPost(
      "read", "stock", "--wait=30s", "--", "sh", "-c",
      "echo >> begun; n=0; until test -e go || test $n = 6000; do n=$((n+1)); sleep 0.01; done")
    #expect(eventually { box.exists("begun") })
    let ended = try slow.wait()
    #expect(ended.code == 66)
    #expect(ended.errors.contains("lease"))
    #expect(box.entries("cur") == ["\(id),A=2"])
    try box.write("go", "")
    #expect(try holder.wait().code == 0)
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  /// Whoever looks for leases that are over must not know the time from before the clock was set back.
  @Test func aLeaseIsNotTakenForOverByTheTimeOfAClockThatWasSetBack() throws {
    try box.must("send", "orders", "-m", "a")
    let sweep = try start(TimeTests.hour, "sweep")
    while let call = try sweep.next() {
      if call.name == "openat", try sweep.path(at: call.arguments[1]) == "mailboxes/stock/cur" { break }
    }
    try box.must("read", "stock", "--lease", "1m")
    sweep.clockOffset = 0
    #expect(try sweep.wait().code == 0)
    #expect(until(box.entries("cur").first) != nil)
  }

  @Test func aRetryIsNotLateByAnHourWhenTheClockGoesBackByOne() throws {
    try box.script("echo 'Retry: 10ms..300ms' > spool/mailboxes/stock/mailbox.conf")
    try box.must("send", "orders", "-m", "a")
    #expect(try at(TimeTests.hour, "read", "stock", "--", "false").code == 1)
    let before = try #require(until(box.entries("later").first))
    #expect(before > Double(Clock.wall / 1_000_000_000 + 3000))
    // A reader waits for it, no longer than for the longest delay.
    #expect(try box.must("read", "stock", "--wait=30s", "--", "cat") == "a")
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  @Test func aRetryKeepsItsTimeIfTheClockIsRight() throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    #expect(try box.post("read", "stock", "--", "false").code == 1)
    let waiting = box.entries("later")
    try box.must("sweep")
    try box.must("read", "stock")
    #expect(waiting.count == 1 && box.entries("later") == waiting)
  }

  @Test func aClockThatJumpsAheadEndsNothingButWhatIsKept() throws {
    try box.must("send", "orders", "--lines", input: "waits\nretried\nfailed\ndone")
    try box.must("read", "stock", "--lease", "40d")
    #expect(try box.post("read", "stock", "--", "false").code == 1)
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
    let month = 24 * 30 * TimeTests.hour
    #expect(try at(month, "sweep").code == 0)
    try box.must("read", "stock")
    #expect(try at(month, "sweep").code == 0)
    let left = ["new", "cur", "later", "failed", "done"].map { box.entries($0).count }
    #expect(left.reduce(0, +) == 3 && left[3] == 1 && left[4] == 0, "\(left)")
    #expect(box.topicEntries("cur").isEmpty)
    // Back in its own time, the office goes on.
    try box.must("retry", "stock", "ALL")
    try box.must("send", "orders", "-m", "next")
    #expect(try box.must("read", "stock", "--all").contains("next"))
  }

  /// If it were otherwise, whoever subscribes anew would get letters from the topic that are done.
  @Test(arguments: [0, 5] as [Int64])
  func aMailboxDoesNotForgetALetterThatItsTopicKeeps(step: Int64) throws {
    try box.write("spool/post.conf", "Keep: 10s\nKeep-Done: 10s\n")
    let now = Clock.wall / 1_000_000_000
    for time in (now - 16)...(now - 4) {
      try box.write("spool/topics/orders/cur/\(time).F000001R00000000P1Q1.host", "a")
      try box.write("spool/mailboxes/stock/done/\(time).F000001R00000000P1Q1.host,A=1,D=\(time)", "a")
    }
    let sweep = try start(0, "sweep")
    while let call = try sweep.next() {
      guard call.name == "unlinkat" else { continue }
      sweep.clockOffset = step  // the topic is being swept; time passes
    }
    #expect(try sweep.wait().code == 0)
    let kept = box.topicEntries("cur")
    #expect((1...12).contains(kept.count))
    #expect(box.entries("done").map { $0.prefix { $0 != "," } } == kept.map { $0[...] })
  }

  @Test func aSubscriberGetsTheBacklogWhateverItsClockSays() throws {
    #expect(try at(TimeTests.hour, "send", "orders", "-m", "a").code == 0)
    #expect(try at(-TimeTests.hour, "send", "orders", "-m", "b").code == 0)
    #expect(try at(-2 * TimeTests.hour, "subscribe", "late", "orders").code == 0)
    #expect(try box.must("read", "late", "--all") == "ba")
  }
}
