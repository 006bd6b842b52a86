import Linux
import TestKit
import Testing

/// All commands at once, at random: see `Simulation.swift`. `POST_SEED=n` runs that seed alone, `POST_STEPS=n` as many
/// steps of it, `POST_VERBOSE=1` prints each of them.
@Suite(.needsPtrace) struct SimulationTests {
  private static let steps = Host.environment("POST_STEPS").flatMap { Int($0.description) } ?? 1000

  @Test(arguments: Seeded.seeds(1, 2))
  func nothingIsLostWhateverHappens(seed: UInt64) throws {
    let simulation = try Simulation(seed: seed)
    let begun = Clock.monotonic
    do {
      try onOneProcessor { try simulation.run(steps: SimulationTests.steps) }
      let time = Double((Clock.monotonic - begun) / 10_000_000) / 100
      print(
        "simulation, seed \(seed): \(simulation.steps) steps in \(time) s, \(simulation.summary): \(simulation.model.tally)"
      )
    } catch {
      Issue.record("seed \(seed), step \(simulation.steps): \(error)\n\(simulation.lastHistory)")
    }
  }

  @Test func aSeedReplaysExactly() throws {
    let runs = try (1...2).map { _ in
      let simulation = try Simulation(seed: 3)
      try onOneProcessor { try simulation.run(steps: 250) }
      return "\(simulation.digest) \(simulation.summary) \(simulation.model.tally)"
    }
    #expect(runs[0] == runs[1])
  }
}
