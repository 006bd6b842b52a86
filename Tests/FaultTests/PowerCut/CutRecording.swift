// The recorded trace of a scenario's command, to be replayed with power cuts.

import Linux
import TestKit
import Testing

extension Scenario {
  /// Runs the command and records it.
  func record() throws -> CutRecording {
    let box = try makeBox()
    let away = hasAway ? try Sandbox() : nil
    if let away { try Directory(box.root).makeSymlink("away", to: away.root) }
    try box.script(preparation)
    try swell(box)
    let recorder = try CallRecorder(box, besides: away.map { [$0.root] } ?? [])
    for letter in foreign {
      let topic: Path = "spool/topics/orders"
      try recorder.deliver(
        Path(letter), "the foreign letter [\(letter)]\n", tmp: topic / "tmp", new: topic / "new")
    }
    try record(with: recorder, box)
    return CutRecording(name: name, scenario: self, trace: recorder.trace, root: box.root)
  }

  /// - Parameter steps: it is killed after so many; nil: it is not.
  func record(with recorder: CallRecorder, _ box: Sandbox, killedAfter steps: Int? = nil) throws {
    let id = box.exists("id") ? try box.read("id").filter { !$0.isNewline } : ""
    let ended = try recorder.record(
      [Sandbox.binary] + command.map { Path($0 == "ID" ? id : $0) }, input: input,
      environment: ["POST_SPOOL": "\(box.root)/\(spool)"]
    ) { call, traced, count in
      if count == steps { return .kill }
      return try interfering(call, traced)
    }
    guard codes.contains(ended.code) || steps != nil else {
      throw Failure("\(name): exit \(ended.code): \(ended.errors)")
    }
  }
}

/// The trace of a command. Its sandbox is gone; nothing of it is needed any more.
struct CutRecording: Sendable {
  let name: String
  let scenario: Scenario
  var trace: CallTrace
  let root: Path

  /// All commands, recorded once for all tests.
  static let commands = Result { try Scenario.all(for: .cuts).map { try $0.record() } }

  static func of(_ name: String) throws -> CutRecording {
    guard let found = try commands.get().first(where: { $0.name == name }) else {
      throw Failure("no command is called '\(name)'")
    }
    return found
  }

  var cut: PowerCut {
    let judge = SpoolJudge(trace, spool: root / scenario.spool, foreign: scenario.foreign)
    var cut = PowerCut(trace: trace, judge: judge, codes: scenario.codes)
    cut.settles = ["read", "done", "fail", "release", "retry", "watch"].contains(scenario.command[0])
    cut.subscribes = ["subscribe", "unsubscribe"].contains(scenario.command[0])
    cut.fileSyncKeepsNames = scenario.fileSyncKeepsNames
    return cut
  }

  /// With its trace edited.
  func with(_ trace: CallTrace) -> CutRecording {
    var edited = self
    edited.trace = trace
    return edited
  }
}
