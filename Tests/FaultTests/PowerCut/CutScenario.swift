// A command in an office made for it, and its recorded trace.

import Linux
import TestKit

struct CutScenario: Sendable {
  typealias Prepare = @Sendable (Sandbox) throws -> Void
  typealias Interfering = @Sendable (Call, Traced) throws -> CallRecorder.Interference

  let name: String
  /// The words behind `post`.
  let words: [String]
  let input: String
  /// What it may exit with. Then what it said must be so.
  let codes: Set<Int32>
  /// The spool, in the sandbox.
  let spool: String
  /// A second sandbox, on another file system, is there as `away`.
  let hasAway: Bool
  /// It relies on fsync of a letter to keep the letter's names.
  let fileSyncKeepsNames: Bool
  /// It is played where the file system has a journal, if there is such a one.
  let isOnDisk: Bool
  /// Letters that a foreign program delivers before it, and does not sync.
  let foreign: [String]
  /// Directories of the spool that shall be large, as if full.
  let swollen: [String]
  let prepare: Prepare
  let interfering: Interfering

  /// - Parameter line: the command, without quoting.
  init(
    _ name: String, _ line: String, input: String = "", codes: Set<Int32> = [0], spool: String = "spool",
    hasAway: Bool = false, fileSyncKeepsNames: Bool = false, isOnDisk: Bool = false,
    foreign: [String] = [], swollen: [String] = [],
    interfering: @escaping Interfering = { _, _ in .none }, prepare: @escaping Prepare = { _ in }
  ) {
    self.name = name
    words = line.split(separator: " ").map(String.init)
    self.input = input
    self.codes = codes
    self.spool = spool
    self.hasAway = hasAway
    self.fileSyncKeepsNames = fileSyncKeepsNames
    self.isOnDisk = isOnDisk || !swollen.isEmpty
    self.foreign = foreign
    self.swollen = swollen
    self.prepare = prepare
    self.interfering = interfering
  }

  /// Where it can be played: in memory directories get small again.
  func makeBox() throws -> Sandbox { try isOnDisk ? Sandbox() : Sandbox(in: Sandbox.memory) }

  /// Makes the directories large.
  func swell(_ box: Sandbox) throws { try box.swell(swollen.map { "\(spool)/\($0)" }) }

  /// Runs the command and records it.
  func record() throws -> CutRecording {
    let box = try makeBox()
    let away = hasAway ? try Sandbox() : nil
    if let away { try Directory(box.root).makeSymlink("away", to: away.root) }
    try prepare(box)
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
    let ended = try recorder.record(
      [Sandbox.binary] + words.map { Path($0) }, input: input,
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
  let scenario: CutScenario
  var trace: CallTrace
  let root: Path

  /// All commands, recorded once for all tests.
  static let commands = Result {
    let scenarios = CutScenario.sending + CutScenario.finishing + CutScenario.settling + CutScenario.bagging
    let possible = scenarios.filter { scenario in
      (!scenario.hasAway || Machine.hasOtherFileSystem) && (scenario.swollen.isEmpty || Machine.canSwell)
    }
    return try possible.map { try $0.record() }
  }

  static func of(_ name: String) throws -> CutRecording {
    guard let found = try commands.get().first(where: { $0.name == name }) else {
      throw Failure("no command is called '\(name)'")
    }
    return found
  }

  var cut: PowerCut {
    let judge = SpoolJudge(trace, spool: root / scenario.spool, foreign: scenario.foreign)
    var cut = PowerCut(trace: trace, judge: judge, codes: scenario.codes)
    cut.settles = ["read", "done", "fail", "release", "retry", "watch"].contains(scenario.words[0])
    cut.subscribes = ["subscribe", "unsubscribe"].contains(scenario.words[0])
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
