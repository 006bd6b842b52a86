// Replays a trace and judges all states that a power cut can leave: before the first call, and after each.
//
// A state is looked at once. Making a name leaves the states without it, judged before, and those with it,
// which are new; making something sure leaves fewer. Where a promise begins (an ID is printed, the program
// exits with 0), and where a content that can be seen becomes unsure, all are judged anew.

import Linux
import TestKit

struct PowerCut {
  /// What was found in the states of one trace or several.
  struct Findings: CustomStringConvertible {
    var states = 0
    /// Moments of which all states were looked at, and moments of which a sample was.
    var wholeMoments = 0
    var sampledMoments = 0
    var faults: [SpoolJudge.Fault: Int] = [:]
    /// The first ones, in words.
    var words: [String] = []

    var isClean: Bool { faults.isEmpty }
    func count(_ fault: SpoolJudge.Fault) -> Int { faults[fault] ?? 0 }

    static func += (left: inout Findings, right: Findings) {
      left.states += right.states
      left.wholeMoments += right.wholeMoments
      left.sampledMoments += right.sampledMoments
      left.faults.merge(right.faults, uniquingKeysWith: +)
      left.words = Array((left.words + right.words).prefix(5))
    }

    var description: String {
      let counts = SpoolJudge.Fault.allCases.map {
        "\($0 == .half ? "half delivered" : $0.rawValue) \(count($0))"
      }
      let moments =
        sampledMoments == 0
        ? "all of them" : "\(sampledMoments) of \(wholeMoments + sampledMoments) moments sampled"
      return "\(states) crash states (\(moments)): " + counts.joined(separator: ", ")
    }
  }

  /// A state to be looked at more closely.
  struct State {
    let fs: WeakFileSystem
    let shown: [Int]
    let seen: SpoolJudge.Sighting
    let due: SpoolJudge.Obligations
    let faults: [SpoolJudge.Fault]
    /// Some rename has made the new name and left the old one.
    let showsBothNames: Bool
    let after: String
  }

  let trace: CallTrace
  let judge: SpoolJudge
  /// The exit codes with which a program reports that its work is done.
  var codes: Set<Int32> = [0]
  /// That means: the letters it has settled stay so.
  var settles = false
  /// That means: there are these subscribers, and no others.
  var subscribes = false
  var fileSyncKeepsNames = false
  var renamesAreAtomic = true
  /// Takes each state.
  var onState: ((State) -> Void)?

  func replay(_ dice: inout Seeded) -> Findings {
    var fs = trace.fileSystem
    fs.fileSyncKeepsNames = fileSyncKeepsNames
    fs.renamesAreAtomic = renamesAreAtomic
    var due = judge.noObligations
    var moved = judge.noMoves
    var findings = Findings()
    let before = judge.look(now: fs)
    due.accepted = before.new | before.cur  // what was there for sure
    for (number, step) in trace.steps.enumerated() {
      if number == trace.begin { inspect(fs, nil, due, "before the first call", &dice, &findings) }
      let effect = fs.apply(step.operation)
      if number >= trace.begin { judge.note(step.operation, &moved) }
      var fixed: Int?
      switch (step.operation, effect) {
      case (.tell(let bytes), _): due.accepted |= judge.letters(in: bytes)
      case (.end(let code), _):
        guard number >= trace.begin, codes.contains(code) else { continue }
        promise(&due, moved, judge.look(now: fs))
      case (.rename(let from, let to), _):
        guard let slot = [to, from].first(where: judge.matters) else { continue }
        fixed = renamesAreAtomic ? slot : nil
      case (.exchange(let one, _), _):
        guard judge.matters(one) else { continue }
        fixed = renamesAreAtomic ? one : nil
      case (_, .name(let slot)):
        guard judge.matters(slot) else { continue }
        fixed = slot
      case (_, .content(let inode)):
        guard judge.sees(inode, in: fs) else { continue }
      case (_, .none): continue
      }
      if number >= trace.begin { inspect(fs, fixed, due, "after \(step.text)", &dice, &findings) }
    }
    return findings
  }

  /// What such an end promises: letters that were sent, sorted or settled stay so.
  private func promise(
    _ due: inout SpoolJudge.Obligations, _ moved: SpoolJudge.Moves, _ now: SpoolJudge.Sighting
  ) {
    due.accepted |= moved.accepted | now.cur
    if subscribes { due.subscribers = now.subscribers }
    if settles {
      for index in due.settled.indices { due.settled[index] |= moved.settled[index] & now.has[index] }
    }
  }

  private func inspect(
    _ fs: WeakFileSystem, _ fixed: Int?, _ due: SpoolJudge.Obligations, _ after: String,
    _ dice: inout Seeded, _ findings: inout Findings
  ) {
    judge.prepare(fs)
    let isWhole = fs.forEachState(varying: judge.matters, fixing: fixed, dice: &dice) { shown in
      findings.states += 1
      let seen = judge.look(fs, shown, rooms: due.subscribers != nil)
      let showsBothNames = fs.showsBothNames(shown, varying: judge.matters)
      let faults = judge.faults(seen, due)
      for fault in faults {
        findings.faults[fault, default: 0] += 1
        if findings.words.count < 5 { findings.words.append(words(fault, fs, shown, after)) }
      }
      onState?(
        State(
          fs: fs, shown: shown, seen: seen, due: due, faults: faults, showsBothNames: showsBothNames,
          after: after))
    }
    if isWhole { findings.wholeMoments += 1 } else { findings.sampledMoments += 1 }
  }

  /// A finding, with what the cut has kept of what was not sure.
  private func words(
    _ fault: SpoolJudge.Fault, _ fs: WeakFileSystem, _ shown: [Int], _ after: String
  ) -> String {
    let open = fs.values.indices.filter { !fs.values[$0].isSure && judge.matters($0) }
    let choices = open.map { slot in
      let isThere = fs.values[slot].all[shown[slot]] != nil
      let which = !isThere ? "no" : shown[slot] == fs.values[slot].last ? "the" : "the old"
      return "\(which) \(trace.path(slot: slot))"
    }
    return "\(fault.rawValue) \(after): a cut leaves \(choices.joined(separator: ", "))"
  }
}
