// The scheduler: all short histories of two mailboxes, the order of turns, and long random histories of many.

import TestKit
import Testing

@testable import Scheduling

@Suite struct TurnSchedulerTests {
  private static let second: Int64 = 1_000_000_000

  // MARK: All short histories

  private static let steps: [SchedulerWorld.Event] =
    [1, 2].flatMap { key -> [SchedulerWorld.Event] in
      [
        .arrives(key), .succeeds(key), .fails(key, second / 2), .breaks(key), .isInTrouble(key),
        .isPaused(key, true), .isPaused(key, false), .isOpen(key, false), .isOpen(key, true),
        .capacity(key, 2), .capacity(key, 1),
      ]
    } + [.passes(second), .limit(1)]

  /// Plays every history of so many events that begins with this one.
  private func playAll(
    _ world: SchedulerWorld, _ depth: Int, _ before: [SchedulerWorld.Event], _ count: inout Int
  ) throws {
    for event in TurnSchedulerTests.steps where world.isPossible(event) {
      var next = world
      count += 1
      do { try next.happens(event) } catch {
        throw Failure("\(error), after \(before + [event])")
      }
      if depth > 1 { try playAll(next, depth - 1, before + [event], &count) }
    }
  }

  @Test(arguments: [1, 2, 3]) func allShortHistories(limit: Int) throws {
    var world = SchedulerWorld(limit: limit)
    world.add(1, letters: 2)
    world.add(2, capacity: 2, letters: 3)
    try world.settle()
    var count = 0
    try playAll(world, 4, [], &count)
    #expect(count > 10_000)
  }

  // MARK: Fairness

  /// Does turns until a mailbox is served.
  /// - Returns: how many others were served before.
  private func turnsUntilServed(_ key: TurnScheduler.Key, _ world: inout SchedulerWorld) throws -> Int {
    let before = world.served.count
    for _ in 0..<10_000 {
      guard try world.takeTurn() != nil else { throw Failure("\(key) has no turn") }
      if world.served.count > before, world.served.last == key { return world.served.count - before - 1 }
    }
    throw Failure("\(key) is never served")
  }

  @Test func longHandlersOfOneMailboxTakeHalfOfAllAndTheOtherIsServedAtOnce() throws {
    var world = SchedulerWorld(limit: 8)
    world.add(1, capacity: 256, letters: 1000)
    world.add(2)
    try world.settle()
    #expect(world.boxes[1]?.running == 4)
    try world.happens(.arrives(2))
    #expect(world.boxes[2]?.running == 1)
  }

  @Test func withOneHandlerAllowedABusyMailboxWaitsForItsTurn() throws {
    var world = SchedulerWorld(limit: 1)
    world.add(1, capacity: 4, letters: 1000)
    world.add(2, capacity: 4, letters: 1000)
    try world.settle()
    for _ in 1...100 {
      let key = try #require([1, 2].first { world.boxes[$0]?.running == 1 })
      try world.happens(.succeeds(key))
      #expect(world.boxes[3 - key]?.running == 1, "the other is next")
    }
  }

  @Test func mailboxesWithBacklogsAreServedInTurn() throws {
    var world = SchedulerWorld(limit: 4)
    for key in 1...50 { world.add(key, letters: 1000) }
    try world.settle()
    for turn in 0..<2000 { try world.happens(.succeeds(world.served[turn])) }
    let turns = world.boxes.values.map(\.turns)
    #expect(try #require(turns.max()) - #require(turns.min()) <= 1, "\(turns.sorted())")
  }

  @Test func whoHasJustGotALetterWaitsForOneRoundAtMost() throws {
    var world = SchedulerWorld(limit: 1000)
    for key in 1...50 { world.add(key, capacity: 10, letters: 1000) }
    world.add(99)
    for _ in 0..<120 { _ = try world.takeTurn() }
    try #require(world.boxes[99]?.running == 0)
    world.add(100, letters: 1)
    let others = try turnsUntilServed(100, &world)
    #expect(others <= 100)
  }

  @Test func theThreeLinesTakeTurns() throws {
    var world = SchedulerWorld(limit: 1000)
    for key in 1...10 { world.add(key, capacity: 1000, isStreaming: true) }
    for key in 11...20 { world.add(key, capacity: 1000) }
    for key in 21...60 { world.add(key) }
    try world.settle()
    for key in 1...20 { try world.happens(.arrives(key)) }
    for key in 1...20 { for _ in 1...100 { world.apply(.arrives(key)) } }
    for key in 21...60 { world.apply(.arrives(key)) }
    let start = world.served.count
    for _ in 0..<60 { _ = try world.takeTurn() }
    for first in stride(from: start, to: start + 60, by: 3) {
      let kinds = world.served[first..<(first + 3)].map { $0 <= 10 ? 1 : $0 <= 20 ? 2 : 3 }
      #expect(Set(kinds).count == 3, "\(kinds)")
    }
  }

  private func queue(_ keys: TurnScheduler.Key..., letters: Int, _ world: inout SchedulerWorld) throws {
    for key in keys {
      world.add(key, letters: letters)
      try world.settle()
    }
  }

  /// Each look takes a mailbox out of its line for a moment.
  @Test func whoIsLookedAtWhileItWaitsHasOnePlaceInItsLine() throws {
    var world = SchedulerWorld(limit: 2)
    for key in [1, 2] { world.add(key, letters: 1) }
    try world.settle()
    try queue(3, 4, 5, letters: 1000, &world)
    for _ in 1...100 {
      try world.happens(.passes(MailboxSchedule.lookInterval))
      for key in [4, 5] { try world.happens(.arrives(key)) }
    }
    try world.happens(.succeeds(1))
    for turn in 0..<60 {
      let running = try #require([3, 4, 5].first { world.boxes[$0]?.running == 1 }, "turn \(turn)")
      try world.happens(.succeeds(running))
    }
    let turns = [3, 4, 5].map { world.boxes[$0]?.turns ?? 0 }
    #expect(try #require(turns.max()) - #require(turns.min()) <= 1, "\(turns)")
  }

  /// Looking into a mailbox does not cost it its place, or those that are looked at often would starve.
  @Test func whoIsLookedAtWhileItWaitsKeepsItsPlace() throws {
    var world = SchedulerWorld(limit: 2)
    for key in [1, 2] { world.add(key, letters: 1) }
    try world.settle()
    try queue(3, 4, 5, letters: 2, &world)
    try world.happens(.passes(MailboxSchedule.lookInterval))
    try world.happens(.arrives(3))
    try world.happens(.succeeds(1))
    #expect(world.served.last == 3)
  }

  // MARK: Random histories

  @Test(arguments: Seeded.seeds(1, 2, 3, 1_486_431_368)) func randomHistories(seed: UInt64) throws {
    var random = Seeded(seed)
    for round in 0..<20 {
      var world = SchedulerWorld(limit: random.number(1...12))
      let count = random.number(1...40)
      for key in 1...count {
        let isStreaming = random.oneIn(3)
        world.add(
          key, capacity: random.number(1...4), isStreaming: isStreaming, letters: random.number(0...5))
      }
      do {
        try world.settle()
        for _ in 0..<1000 {
          let event = TurnSchedulerTests.anyEvent(&random, count)
          if world.isPossible(event) { try world.happens(event) }
        }
        try TurnSchedulerTests.finish(&world)
      } catch { throw Failure("\(error); seed \(seed), round \(round)") }
    }
  }

  private static func anyEvent(_ random: inout Seeded, _ count: Int) -> SchedulerWorld.Event {
    let key = random.number(1...count)
    let kinds: [(weight: Int, element: SchedulerWorld.Event)] = [
      (8, .arrives(key)), (12, .succeeds(key)),
      (4, .fails(key, Int64(random.number(0...3_000_000_000)))),
      (2, .breaks(key)), (1, .dies(key)), (1, .isInTrouble(key)),
      (1, .isPaused(key, true)), (3, .isPaused(key, false)), (1, .isOpen(key, false)),
      (3, .isOpen(key, true)),
      (1, .capacity(key, random.number(1...4))), (1, .limit(random.number(1...12))),
      (10, .passes(Int64(random.number(0...2_000_000_000)))), (1, .isRemoved(key)), (3, .isAdded(key)),
    ]
    return random.pick(kinds)
  }

  /// When all is well again and time goes on from one alarm to the next, every letter is handled.
  private static func finish(_ world: inout SchedulerWorld) throws {
    for key in world.boxes.keys.sorted() {
      for event in [SchedulerWorld.Event.isPaused(key, false), .isOpen(key, true)]
      where world.isPossible(event) {
        try world.happens(event)
      }
    }
    for _ in 0..<100_000 {
      if let busy = world.boxes.first(where: { $0.value.running > 0 })?.key {
        try world.happens(.succeeds(busy))
      } else if let wakeAt = world.scheduler.wakeAt {
        try world.happens(.passes(wakeAt - world.now))
      } else {
        break
      }
    }
    let left = world.boxes.values.reduce(0) { $0 + $1.letters }
    if left > 0 { throw Failure("\(left) letters are never handled") }
  }
}
