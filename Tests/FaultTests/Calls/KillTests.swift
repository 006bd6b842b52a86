import Linux
import TestKit
import Testing

/// Kill -9 at every system call of every command: between any two of them the office must be in a state in which the
/// next ordinary command finds everything in order, or repairs it. `make test` tries some of the calls that change
/// something: a kill between two that only look leaves what a kill at the next change leaves.
@Suite(.needsPtrace) struct KillTests {
  /// How many calls of each scenario `make test` tries.
  private static let share = 6

  @Test(arguments: Scenario.chosen(for: .kills))
  func aKillAtAnyCallLosesTearsAndDoublesNothing(scenario: Scenario) throws {
    let stage = try Stage(scenario)
    let seed = Seeded.anySeed
    var dice = Seeded(seed)
    let calls = try stage.calls().enumerated().filter { Seeded.takesAll || $0.element.changesSomething }
    var kills = 0
    for (index, call) in dice.part(of: Array(calls), atMost: KillTests.share) {
      try stage.reset()
      let traced = try stage.start()
      var hasCome = true
      for _ in 0...index where hasCome { hasCome = try stage.next(traced) != nil }
      traced.kill()
      let ended = try traced.wait()
      guard hasCome else { break }  // a watcher may make fewer calls the next time
      kills += 1
      try judge(stage, ended, index, "killed at call \(index), \(call.name); seed \(seed)")
    }
    print("kill -9, \(scenario.name): \(kills) of \(calls.count) kills; \(stage.toll.words); seed \(seed)")
  }

  private func judge(_ stage: Stage, _ ended: Sandbox.Run, _ number: Int, _ place: Comment) throws {
    let scenario = stage.scenario
    let inHands = handedOutUnsettled(stage)
    try stage.passBy(number)
    var census = try stage.census()
    // A handler that outlives its watcher keeps its letter until it ends.
    let isQuiet = try eventually {
      if census.leftovers.allSatisfy({ !$0.contains("/cur/") }) { return true }
      try stage.passBy(0)
      census = try stage.census()
      return census.leftovers.isEmpty
    }
    stage.toll.expect(isQuiet, or: .stuck, place)
    stage.expectOrder(census, place)
    for body in scenario.sends { stage.expectAllOrNone(census, body, place) }
    guard scenario.hands else { return }
    let first = stage.handedOut(ended)
    for (body, places) in census.mailboxes[scenario.mailbox] ?? [:] where places == ["done"] {
      stage.toll.expect(first[body] == 1, or: .lost, "\(body) is done and was not handed out once, \(place)")
    }
    try stage.expectEachOnce(ended, place) { inHands.contains($0) }
  }

  /// The letters that had been handed out when the kill came, and were not settled: these alone may come twice.
  private func handedOutUnsettled(_ stage: Stage) -> Set<String> {
    let census = Census(of: stage.box, known: stage.scenario.known)
    let letters = census.mailboxes[stage.scenario.mailbox] ?? [:]
    return Set(letters.filter { $0.value == ["cur"] }.keys)
  }
}
