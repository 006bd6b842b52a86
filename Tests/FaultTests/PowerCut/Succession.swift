// A program that is killed after each of its steps, and the next one, its heir, which builds on what is there
// but not sure: first the kill, later the power cut. The heir relies on the names that a dead program made as on
// any others, but a cut can take them away.

import Linux
import TestKit
import Testing

struct Succession: Sendable {
  let name: String
  /// It is killed. The office is its own.
  let first: Scenario
  let heir: Scenario

  /// - Parameter heir: nil: the same command once more.
  init(_ name: String, _ first: Scenario, then heir: Scenario? = nil) {
    self.name = name
    self.first = first
    self.heir = heir ?? first
  }

  private static let possible = all.filter(\.first.isPossible)

  /// Chooses the kills that `make test` tries.
  static let seed = Seeded.anySeed
  /// How many of each succession.
  private static let share = 3

  /// All of them, recorded once for all tests.
  static let recordings = Result {
    var dice = Seeded(seed)
    return try possible.flatMap { try $0.record { dice.part(of: $0, atMost: share) } }
  }

  /// All kills of one.
  static func recordings(of name: String) throws -> [CutRecording] {
    guard let found = possible.first(where: { $0.name == name }) else {
      throw Failure("no succession is called '\(name)'")
    }
    return try found.record { $0 }
  }

  /// Kills the first program after each step that changed something, or some of them; lets the heir run to its end.
  ///
  /// Killed after a sync instead, it would leave the same on disk, and more of it for sure.
  private func record(_ part: ([Int]) -> [Int]) throws -> [CutRecording] {
    let office = try first.makeBox()
    try office.script(first.preparation)
    func run(killedAfter steps: Int?) throws -> (recorder: CallRecorder, box: Sandbox) {
      let box = try first.makeBox()
      _ = try box.run(["cp", "-a", office.root / ".", box.root])
      try first.swell(box)
      let recorder = try CallRecorder(box)
      try first.record(with: recorder, box, killedAfter: steps ?? .max)
      return (recorder, box)
    }
    let steps = try run(killedAfter: nil).recorder.trace.steps.dropLast()
    return try part((1...steps.count).filter { !steps[$0 - 1].isSync }).map { kill in
      let (recorder, box) = try run(killedAfter: kill)
      try heir.record(with: recorder, box)
      return CutRecording(
        name: "\(name), killed after step \(kill)", scenario: heir, trace: recorder.trace, root: box.root)
    }
  }
}
