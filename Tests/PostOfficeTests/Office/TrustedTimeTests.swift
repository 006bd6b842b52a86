import Linux
import TestKit
import Testing

@testable import PostOffice

/// The time by which the sweeper deletes: it never runs ahead of the time that has passed, except for what is trusted
/// without proof, and it always catches up.
@Suite struct TrustedTimeTests {
  private static let hour: Int64 = 3600
  private static let day: Int64 = 86_400
  private static let start: Int64 = 1_795_000_000

  /// A machine whose wall clock may be wrong.
  private struct World {
    var boot = 1
    var startedAt = TrustedTimeTests.start - 1000
    var truth = TrustedTimeTests.start
    var error: Int64 = 0
    var hasProc = true
    var record: TrustedTime?

    init(known: Bool = true) { if known { look(newest: truth) } }

    var clocks: TrustedTime.Clocks {
      .init(boot: hasProc ? "boot-\(boot)" : "", uptime: truth - startedAt, wall: truth + error)
    }

    mutating func pass(_ time: Int64) { truth += time }

    mutating func restart(after time: Int64) {
      truth += time
      (boot, startedAt) = (boot + 1, truth - 20)
    }

    @discardableResult
    mutating func look(newest: Int64? = nil) -> Int64 {
      // The record reads back as it was written.
      let text = record.map { Array($0.text.utf8) }
      let now = TrustedTime(text.flatMap { TrustedTime($0) }, clocks, newest: newest)
      #expect((text == nil) == (record == nil))
      record = now
      return min(now.time, clocks.wall)
    }

    /// How far the time to delete by lags behind.
    var lag: Int64 { truth - (record?.time ?? 0) }
  }

  @Test func aClockThatIsRightIsBelieved() {
    var world = World()
    for step in [1, 60, 3600, 7 * TrustedTimeTests.day, 400 * TrustedTimeTests.day] {
      world.pass(step)
      #expect(world.look() == world.truth)
    }
  }

  @Test func aJumpIsBelievedOnlyAfterADay() {
    var world = World()
    world.error = 10 * TrustedTimeTests.day
    for hours in 0...24 {
      let time = world.look()
      if hours < 24 { #expect(time == world.truth) } else { #expect(time == world.clocks.wall) }
      world.pass(TrustedTimeTests.hour)
    }
  }

  @Test func aJumpThatIsTakenBackLeavesNothingBehind() {
    var world = World()
    for _ in 1...100 {
      world.error = 10 * TrustedTimeTests.day
      #expect(world.look() <= world.truth)
      world.pass(TrustedTimeTests.hour / 2)
      world.error = 0
      #expect(world.look() == world.truth)
      world.pass(TrustedTimeTests.hour / 2)
    }
  }

  @Test func aFurtherJumpIsNotBelievedWithTheFirst() {
    var world = World()
    world.error = 10 * TrustedTimeTests.day
    world.look()
    world.pass(23 * TrustedTimeTests.hour)
    world.error = 30 * TrustedTimeTests.day
    #expect(world.look() == world.truth)
    world.pass(2 * TrustedTimeTests.hour)
    #expect(world.look() == world.truth + 10 * TrustedTimeTests.day, "so far the first has lasted")
    world.pass(23 * TrustedTimeTests.hour)
    #expect(world.look() == world.truth + 10 * TrustedTimeTests.day)
    world.pass(TrustedTimeTests.hour)
    #expect(world.look() == world.clocks.wall)
  }

  // MARK: Jumps without end

  /// A machine without a clock of its own, 8 hours a day: it starts at the time at which it was stopped, or in 1970, is
  /// swept at once, and asks the network later.
  @Test(arguments: [true, false], [600, 1800] as [Int64])
  func aMachineThatStartsWithoutAClockLagsByLessThanAWeek(isSaved: Bool, delay: Int64) {
    var world = World()
    for day in 1...180 {
      for _ in 1...8 {
        world.pass(TrustedTimeTests.hour)
        #expect(world.look() <= world.truth)
        #expect(world.lag < 7 * TrustedTimeTests.day, "day \(day)")
      }
      let stopped = world.truth
      world.restart(after: 16 * TrustedTimeTests.hour)
      world.error = (isSaved ? stopped : 0) - world.truth
      world.look()
      world.pass(delay)
      if isSaved || delay < TrustedTime.slack { world.look() }
      world.error = 0
    }
  }

  @Test(arguments: [1, 12] as [Int64])
  func aMachineThatIsPausedEveryNightLagsByLessThanThreeDays(hours: Int64) {
    var world = World()
    for day in 1...180 {
      for _ in 1...(24 - hours) {
        world.pass(TrustedTimeTests.hour)
        #expect(world.look() <= world.truth)
        #expect(world.lag <= (hours == 1 ? 3 : 71) * TrustedTimeTests.hour, "day \(day)")
      }
      let before = world.record
      world.pass(hours * TrustedTimeTests.hour)
      world.startedAt += hours * TrustedTimeTests.hour
      #expect(before?.hasJumped(until: world.clocks) == false, "no warning every morning")
    }
  }

  /// Swept once a week, started anew in between, and perhaps paused every day.
  @Test(arguments: [0, 1, 12] as [Int64])
  func aMachineThatIsSweptOnceAWeekLagsByLessThanAFortnight(pause: Int64) {
    var world = World()
    for week in 1...26 {
      world.restart(after: 3 * TrustedTimeTests.day)
      world.pass(4 * TrustedTimeTests.day)
      world.startedAt += 4 * pause * TrustedTimeTests.hour
      #expect(world.look() <= world.truth)
      #expect(world.lag < 14 * TrustedTimeTests.day, "week \(week)")
    }
  }

  @Test func onlyALongJumpIsToldOf() {
    for (jump, isTold) in [(16, false), (36, false), (37, true)] as [(Int64, Bool)] {
      var world = World()
      world.error = jump * TrustedTimeTests.hour
      #expect(world.record?.hasJumped(until: world.clocks) == isTold)
      world.restart(after: 30 * TrustedTimeTests.day)
      #expect(world.record?.hasJumped(until: world.clocks) == false)
    }
  }

  @Test func whatIsTensOfYearsAheadIsFar() {
    for newest in [nil, 1] as [Int64?] {
      let now = TrustedTime(nil, .init(boot: "a", uptime: 1, wall: TrustedTimeTests.start), newest: newest)
      #expect(now.warning?.contains("is far ahead") == true)
    }
  }

  /// A process that seals or sends has changed the directories: it learns nothing from them. One that only looks
  /// may use them.
  @Test func withoutARecordOnlyWhoHasChangedNothingAsksTheDirectories() throws {
    let box = try Sandbox()
    try box.open("stock")
    try box.script("rm spool/.clock")
    let office = try Office(at: box.spool.description)
    var warnings = [String]()
    office.warn = { warnings.append($0) }
    for _ in 1...2 { #expect(office.timeToDeleteBy() == 0) }
    #expect(warnings.isEmpty && office.waitingForClock == nil && !box.exists("spool/.clock"))
    let now = Clock.wall / 1_000_000_000
    #expect(office.timeToDeleteBy(noting: false) >= now && !box.exists("spool/.clock"))
    #expect(office.timeToDeleteBy(isFirst: true) >= now && box.exists("spool/.clock"))
    #expect(office.timeToDeleteBy() >= now)
  }

  @Test func aClockThatIsSetBackIsFollowed() {
    var world = World()
    world.error = -100 * TrustedTimeTests.day
    #expect(world.look() == world.clocks.wall)
    world.pass(TrustedTimeTests.day)
    #expect(world.look() == world.clocks.wall)
  }

  @Test func aNightOffIsNoJumpAndAMonthOffLastsForADay() {
    var world = World()
    world.restart(after: 16 * TrustedTimeTests.hour)
    #expect(world.look() == world.truth)
    world.restart(after: 30 * TrustedTimeTests.day)
    #expect(world.look() == world.truth - 30 * TrustedTimeTests.day)
    world.pass(TrustedTimeTests.day)
    #expect(world.look() == world.truth)
  }

  /// A machine that runs by day, with a sweep at its start only; and one that is swept once a week, and restarted
  /// in between; with /proc and without.
  @Test(arguments: [1, 7], [true, false])
  func whateverIsKeptIsDeletedInTheEnd(days: Int64, hasProc: Bool) {
    var world = World()
    world.hasProc = hasProc
    world.error = 3 * TrustedTimeTests.day
    var before = world.clocks.wall
    for round in 1...20 {
      world.restart(after: days * TrustedTimeTests.day)
      let time = world.look()
      if round > 2 { #expect(time >= before, "it lags by no more than one look") }
      before = world.clocks.wall
    }
  }

  @Test func anHourOfPauseDoesNoHarm() {
    var world = World()
    world.pass(TrustedTimeTests.hour)
    world.startedAt += TrustedTimeTests.hour  // the clock that counts since the start stood still
    #expect(world.look() == world.truth - TrustedTimeTests.hour)
    world.pass(TrustedTimeTests.day)
    #expect(world.look() == world.truth)
  }

  @Test func withoutARecordAnOfficeThatWasUsedLatelyKnowsTheTime() {
    for (age, isKnown) in [
      (0, true), (36 * TrustedTimeTests.hour, true), (37 * TrustedTimeTests.hour, false),
    ] {
      var world = World(known: false)
      #expect(world.look(newest: world.truth - age) == (isKnown ? world.truth : world.truth - age))
      world.pass(TrustedTimeTests.day)
      #expect(world.look() == world.truth)
    }
    var world = World(known: false)
    #expect(world.look() == 0)
    world.pass(TrustedTimeTests.day)
    #expect(world.look() == world.truth)
  }

  @Test(arguments: [
    "", "\n", "Boot: a\n\n", "nonsense", "Boot: a\nUptime: 1\nWall: 5\nTrusted: 6\nLasted: 0\nLevel: 0\n\n",
    "Boot: a\nUptime: 1\nWall: 9223372036854775807\nTrusted: 6\nLasted: 0\nLevel: 0\n\n",
    "Boot: a\nUptime: -1\nWall: 6\nTrusted: 6\nLasted: 0\nLevel: 0\n\n",
    "Boot: a\nUptime: 1\nWall: 6\nTrusted: 6\nLasted: 0\n\n",
    "Boot: a\nUptime: 1\nWall: 6\nTrusted: 6\nLasted: 99999999999999999999\nLevel: 0\n\n",
  ])
  func whatIsNoRecordIsNone(text: String) { #expect(TrustedTime(Array(text.utf8)) == nil) }

  @Test func whatIsLeftOfALongerRecordDoesNotCount() throws {
    let old = TrustedTime(nil, .init(boot: "a", uptime: 99_999_999, wall: 1 << 40), newest: 1 << 40)
    let new = TrustedTime(nil, .init(boot: "b", uptime: 1, wall: 2), newest: 2)
    let bytes = Array(new.text.utf8) + Array(old.text.utf8).dropFirst(new.text.utf8.count)
    #expect(TrustedTime(bytes) == new)
  }

  /// Any history of a clock. What is trusted beyond what has passed is what the clock has been ahead at each look of a
  /// day, or little more than before.
  @Test(arguments: 1...200 as ClosedRange<UInt64>)
  func anyHistory(seed: UInt64) {
    var state = seed
    func next(_ limit: Int64) -> Int64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int64(state >> 33) % limit
    }
    var world = World()
    var limit: Int64 = 0
    var looks: [(at: Int64, error: Int64)] = [(world.truth, 0)]
    for step in 1...60 {
      switch next(6) {
      case 0: world.error += next(40 * TrustedTimeTests.day)
      case 1: world.error = next(2) == 0 ? -next(40 * TrustedTimeTests.day) : 0
      default: break
      }
      let error = world.error
      let time = world.look()
      looks.append((world.truth, error))
      let first = looks.lastIndex { $0.at <= world.truth - TrustedTimeTests.day }
      let lasting = first.flatMap { looks[$0...].map(\.error).min() } ?? .min
      limit = min(error, max(limit + TrustedTime.slack, lasting))
      #expect(time - world.truth <= limit, "seed \(seed), step \(step)")
      world.pass(next(12 * TrustedTimeTests.hour))
    }
    // With a restart in between, and no more jumps: two days later it is right.
    world.restart(after: next(60 * TrustedTimeTests.day))
    for _ in 1...2 {
      world.look()
      world.pass(TrustedTimeTests.day)
    }
    #expect(world.look() == world.clocks.wall, "seed \(seed)")
  }
}
