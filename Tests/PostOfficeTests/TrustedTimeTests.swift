import Testing

@testable import PostOffice

/// The time to delete by: it never runs ahead of what has passed, but for what is trusted without proof, and it always
/// catches up.
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
      // What is written is what is read.
      let text = record.map { Array($0.text.utf8) }
      let now = TrustedTime(text.flatMap { TrustedTime($0) }, clocks, newest: newest)
      #expect((text == nil) == (record == nil) && now.time <= clocks.wall)
      record = now
      return now.time
    }
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
    #expect(world.look() == world.truth)
    world.pass(22 * TrustedTimeTests.hour)
    #expect(world.look() == world.clocks.wall)
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
    "", "\n", "Boot: a\n\n", "nonsense", "Boot: a\nUptime: 1\nWall: 5\nTrusted: 6\nLasted: 0\n\n",
    "Boot: a\nUptime: 1\nWall: 9223372036854775807\nTrusted: 6\nLasted: 0\n\n",
    "Boot: a\nUptime: -1\nWall: 6\nTrusted: 6\nLasted: 0\n\n",
    "Boot: a\nUptime: 1\nWall: 6\nTrusted: 6\nLasted: 99999999999999999999\n\n",
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
    // With a restart on the way, and no more jumps: a day later it is right.
    world.restart(after: next(60 * TrustedTimeTests.day))
    world.look()
    world.pass(TrustedTimeTests.day)
    #expect(world.look() == world.clocks.wall, "seed \(seed)")
  }
}
