// A spool as a power cut leaves it, laid out on disk, and the effect of the real commands on it.

import Linux
import TestKit

struct CrashSite {
  private let box: Sandbox
  private let state: PowerCut.State
  private let judge: SpoolJudge
  private let foreign: [String]

  /// - Parameter isTorn: every content that is not sure is torn; else as it is drawn.
  init(
    _ state: PowerCut.State, of recording: CutRecording, isTorn: Bool, _ dice: inout Seeded
  ) throws {
    box = try Sandbox(in: Sandbox.memory)
    self.state = state
    judge = recording.cut.judge
    foreign = recording.scenario.foreign
    let trace = recording.trace
    let shown = CrashSite.drawNames(state, judge, &dice)
    guard let spool = trace.folder(recording.root / recording.scenario.spool) else { return }
    var laid: [Int: Path] = [:]
    var folders: [(inode: Int, path: Path)] = [(spool, box.spool)]
    try Directory(box.root).makeDirectory("spool")
    let root = try Directory("/")
    while let (folder, path) = folders.popLast() {
      for slot in trace.slots.indices where trace.slots[slot].folder == folder {
        guard let inode = state.fs.values[slot].all[shown[slot]] else { continue }
        let name = path / trace.slots[slot].name.description
        if let first = laid[inode] {
          // A folder that a rename shows under both its names is met once.
          if state.fs.kinds[inode] != .folder { try root.link(first, into: root, name) }
          continue
        }
        laid[inode] = name
        switch state.fs.kinds[inode] {
        case .folder:
          try root.makeDirectory(name)
          folders.append((inode, name))
        case .symlink(let target): try root.makeSymlink(name, to: target)
        case .file:
          // Whether a foreign program's letter is whole before it is sorted is that program's business.
          let isForeign = foreign.contains(judge.names.letter(called: "\(trace.slots[slot].name)"))
          let contents = state.fs.contents[inode]
          let text = isForeign ? contents.now : CrashSite.draw(contents, isTorn: isTorn, &dice)
          try root.open(name, .create(permissions: 0o444)).write(text)
        }
      }
    }
  }

  /// Draws values for the names that do not matter as well.
  private static func drawNames(
    _ state: PowerCut.State, _ judge: SpoolJudge, _ dice: inout Seeded
  ) -> [Int] {
    let fs = state.fs
    var shown = state.shown
    for slot in shown.indices where !judge.matters(slot) {
      shown[slot] = Int.random(in: fs.values[slot].kept...fs.values[slot].last, using: &dice)
    }
    // What is gone is where the rename put it.
    while let rename = fs.renames.first(where: {
      shown[$0.gone.slot] >= $0.gone.value && shown[$0.made.slot] < $0.made.value
    }) {
      shown[rename.gone.slot] = rename.gone.value - 1
    }
    return shown
  }

  /// What a cut makes of a file.
  private static func draw(
    _ contents: WeakFileSystem.Contents, isTorn: Bool, _ dice: inout Seeded
  ) -> [UInt8] {
    if contents.isSure { return contents.now }
    switch Int.random(in: isTorn ? 1...4 : 0...4, using: &dice) {
    case 1: return []
    case 2: return [UInt8](repeating: 0, count: contents.now.count)
    case 3: return Array(contents.now.prefix(contents.now.count / 2))
    case 4: return contents.all[contents.kept]
    default: return contents.now
    }
  }

  /// Runs `send`, `sweep` and `read --all` as the next user does, and checks that every letter is with every
  /// subscriber, whole and once.
  /// - Returns: what is wrong.
  func recover() throws -> [String] {
    var troubles = [String]()
    func post(_ words: String..., codes: Set<Int32>) throws {
      let ended = try box.run([Sandbox.binary] + words.map { Path($0) })
      if !codes.contains(ended.code) || ended.errors.contains("set aside") {
        troubles.append("post \(words): exit \(ended.code), \(ended.errors)")
      }
    }
    let seen = state.seen
    var letters = seen.new | seen.cur | state.due.accepted
    for mailbox in judge.names.mailboxes.indices { letters |= seen.has(mailbox) }
    // The next sender makes what is missing of a topic.
    try post("send", "orders", "-m", "next", codes: [0])
    let subscribers = judge.names.mailboxes.filter { box.exists("spool/topics/orders/subscribers/\($0)") }
    for mailbox in subscribers where !box.exists("spool/mailboxes/\(mailbox)/new") {
      try post("subscribe", mailbox, "orders", codes: [0])
    }
    try post("sweep", codes: [0])
    for mailbox in subscribers { try post("read", mailbox, "--all", codes: [0, 1]) }
    // A foreign program's files may stay in tmp/: for 36 hours they are not debris.
    let tmp = box.topicEntries("tmp").filter { !foreign.contains($0) }
    let rest = tmp + box.topicEntries("new") + box.topicEntries("held")
    if !rest.isEmpty { troubles.append("the topic has not sorted \(rest)") }
    for mailbox in subscribers {
      let rest = box.entries("tmp", of: mailbox) + box.entries("new", of: mailbox)
      if !rest.isEmpty { troubles.append("\(mailbox) has not read \(rest)") }
    }
    /// How often a letter lies in these folders. A foreign one may have been given an ID only now.
    func times(_ letter: String, in folders: [String]) -> Int {
      folders.flatMap { box.letters(in: "spool/\($0)") }.count { folder, name in
        let text = (try? box.read("\(folder)/\(name)")) ?? ""
        return judge.names.letter(called: name) == letter || text.contains("[\(letter)]")
      }
    }
    for (number, letter) in judge.names.letters.enumerated() {
      let count = letters >> number & 1 == 1 ? 1 : 0
      // Under two names, it comes back after it was settled, or becomes two before it is sorted.
      func isRight(_ times: Int) -> Bool {
        times == count || state.showsBothNames && times > count && count > 0
      }
      if !isRight(times(letter, in: ["topics/orders/cur"])) {
        troubles.append("the topic's cur/ has not \(count) of \(letter)")
      }
      for mailbox in subscribers {
        let places = ["cur", "later", "done", "failed"].map { "mailboxes/\(mailbox)/\($0)" }
        let copies = times(letter, in: places)
        if !isRight(copies) { troubles.append("\(mailbox) has \(copies) of \(letter), not \(count)") }
      }
    }
    return troubles
  }
}

extension CallTrace {
  /// The folder of this path, if there ever was one.
  func folder(_ path: Path) -> Int? {
    kinds.indices.first { kinds[$0] == .folder && self.path(of: $0) == path }
  }
}
