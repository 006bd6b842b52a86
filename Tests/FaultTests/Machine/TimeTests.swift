import Linux
import TestKit
import Testing

/// A wall clock that is set, back or forward, between commands or while one runs.
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

  /// The command that settles it has found it, and then another holder takes it.
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
    #expect(box.inHands() == ["\(id),A=2"])
    try box.write("go", "")
    #expect(try holder.wait().code == 0)
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  /// A process that looks for expired leases must not know the time from before the clock was set back.
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

  /// A sweep with a wall clock that is ahead by so many seconds, when others have passed since the first.
  private func sweep(ahead: Int64, after passed: Int64 = 0, _ words: String...) throws -> Sandbox.Run {
    let sweep = try Traced(
      box, [Sandbox.binary, "sweep"] + words.map { Path($0) }, clockOffset: ahead + passed)
    sweep.bootOffset = passed
    let run = try sweep.wait()
    #expect(run.code == 0)
    return run
  }

  /// How many letters there are in each place of the mailbox, and in the topic.
  private var places: [Int] {
    ["new", "cur", "later", "failed", "done"].map { box.entries($0).count } + [box.topicEntries("cur").count]
  }

  @Test func aClockThatJumpsAheadEndsNothingBeforeItHasLastedADay() throws {
    try box.must("send", "orders", "--lines", input: "waits\nretried\nfailed\ndone")
    try box.must("read", "stock", "--lease", "40d")
    #expect(try box.post("read", "stock", "--", "false").code == 1)
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
    try box.must("read", "stock")
    try box.write("spool/topics/orders/tmp/foreign", "being written")
    try box.write("spool/mailboxes/stock/notes/lone", "about nothing")
    let (hour, month) = (TimeTests.hour, 30 * 24 * TimeTests.hour)
    let first = try sweep(ahead: month)
    #expect(first.errors.contains("the clock is 30d ahead"))
    let kept = places
    // The retry is due; nothing else has happened.
    #expect(kept == [1, 1, 0, 1, 1, 4])
    for hours in [1, 5, 23] as [Int64] {
      let later = try sweep(ahead: month, after: hours * hour)
      #expect(later.errors == "", "once is enough")
      #expect(places == kept)
    }
    #expect(try sweep(ahead: month, after: 23 * hour, "-v").errors.contains("the clock is 30d ahead"))
    #expect(try at(month, "check", "--repair").text.contains("notes/lone") == false)
    #expect(box.topicEntries("tmp") == ["foreign"] && box.entries("notes").contains("lone"))
    #expect(!box.entries("log").isEmpty)
    // The jump has lasted long enough to be trusted.
    _ = try sweep(ahead: month, after: 25 * hour)
    #expect(places == [1, 1, 0, 1, 0, 0])
    #expect(box.topicEntries("tmp").isEmpty)
    // Back in its own time, the office goes on.
    try box.must("retry", "stock", "ALL")
    try box.must("send", "orders", "-m", "next")
    #expect(try box.must("read", "stock", "--all").contains("next"))
  }

  @Test(arguments: [10, 400] as [Int64])
  func aClockThatIsSetRightAgainHasEndedNothing(days: Int64) throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    try box.must("read", "stock")
    for round in 0..<3 as Range<Int64> {
      _ = try sweep(ahead: days * 24 * TimeTests.hour, after: round * 20 * TimeTests.hour)
      _ = try sweep(ahead: 0, after: round * 20 * TimeTests.hour + 60)
    }
    #expect(places == [1, 0, 0, 0, 1, 2])
    // What has become old goes at once.
    _ = try sweep(ahead: 0, after: 8 * 24 * TimeTests.hour)
    #expect(places == [1, 0, 0, 0, 0, 0])
  }

  @Test func withoutARecordOfTheTimeTheDirectoriesTellWhetherTheClockHasJumped() throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    try box.must("read", "stock")
    let week = 10 * 24 * TimeTests.hour
    for record in ["", "nonsense", "Boot: x\nUptime: 1\nWall: 99999999999999\nTrusted: 1\nLasted: 1\n\n"] {
      try box.script("rm -f spool/.clock")
      if record != "" { try box.write("spool/.clock", record) }
      _ = try sweep(ahead: week)
      #expect(places == [1, 0, 0, 0, 1, 2])
    }
    _ = try sweep(ahead: week, after: 25 * TimeTests.hour)
    #expect(places == [1, 0, 0, 0, 0, 0])
  }

  /// The record has a second link, in a copy of the office, which keeps its content.
  @Test func aRecordThatIsSomebodyElsesTooIsReplaced() throws {
    try box.must("send", "orders", "-m", "a")
    try box.script("mkdir elsewhere; ln spool/.clock elsewhere/clock; echo left > spool/.clock.new")
    let before = try box.read("spool/.clock")
    _ = try sweep(ahead: 10 * 24 * TimeTests.hour)
    #expect(try box.read("elsewhere/clock") == before)
    #expect(try box.read("spool/.clock") != before && !box.exists("spool/.clock.new"))
    #expect(box.topicEntries("cur").count == 1)
  }

  @Test func aRecordThatCannotBeWrittenIsReadAllTheSame() throws {
    try box.must("send", "orders", "-m", "a")
    try box.script("mkdir elsewhere; ln spool/.clock elsewhere/clock; mkdir spool/.clock.new")
    let before = try box.read("spool/.clock")
    for hours in [0, 30] as [Int64] {
      _ = try sweep(ahead: 10 * 24 * TimeTests.hour, after: hours * TimeTests.hour)
      #expect(try box.read("spool/.clock") == before)
      #expect(box.topicEntries("cur").count == 1)
    }
    _ = try sweep(ahead: 0, after: 8 * 24 * TimeTests.hour)
    #expect(box.topicEntries("cur").isEmpty)
  }

  @Test func aSenderWithoutARecordOfTheTimeDeletesNothingAndSaysNothing() throws {
    try box.write("spool/topics/orders/tmp/foreign", "being written")
    try box.script("rm spool/.clock")
    for _ in 1...2 {
      let sent = try at(30 * 24 * TimeTests.hour, "send", "orders", "-m", "a")
      #expect(sent.code == 0 && sent.errors == "")
      #expect(box.topicEntries("tmp") == ["foreign"] && !box.exists("spool/.clock"))
    }
  }

  /// Otherwise a mailbox that subscribes anew would get letters from the topic that are done.
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
