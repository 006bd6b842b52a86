// A program that is killed after each of its steps, and the next one, which builds on what is there but
// not sure: first the kill, later the power cut. The names that a dead program made are as good as any to
// its heir, but a cut can take them away.

import Linux
import TestKit

struct CutSuccession: Sendable {
  let name: String
  /// It is killed. Its office is made by its `prepare`.
  let first: CutScenario
  let heir: CutScenario

  /// - Parameter heir: nil: the same command once more.
  init(_ name: String, _ first: CutScenario, then heir: CutScenario? = nil) {
    self.name = name
    self.first = first
    self.heir = heir ?? first
  }

  /// All of them, recorded once for all tests.
  static let recordings = Result {
    let possible = (all + bagging).filter { $0.first.swollen.isEmpty || Machine.canSwell }
    return try possible.flatMap { try $0.record() }
  }

  /// Kills the first program after each step that changed something; lets the heir run to its end.
  ///
  /// Killed after a sync instead, it would leave the same on disk, and more of it for sure.
  func record() throws -> [CutRecording] {
    let office = try first.makeBox()
    try first.prepare(office)
    func run(killedAfter steps: Int?) throws -> (recorder: CallRecorder, box: Sandbox) {
      let box = try first.makeBox()
      _ = try box.run(["cp", "-a", office.root / ".", box.root])
      try first.swell(box)
      let recorder = try CallRecorder(box)
      try first.record(with: recorder, box, killedAfter: steps ?? .max)
      return (recorder, box)
    }
    let steps = try run(killedAfter: nil).recorder.trace.steps.dropLast()
    return try (1...steps.count).filter { !steps[$0 - 1].isSync }.map { kill in
      let (recorder, box) = try run(killedAfter: kill)
      try heir.record(with: recorder, box)
      return CutRecording(
        name: "\(name), killed after step \(kill)", scenario: heir, trace: recorder.trace, root: box.root)
    }
  }
}
