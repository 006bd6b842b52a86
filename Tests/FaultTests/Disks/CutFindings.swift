// What a disk shows after a cut, compared with what commands had reported before it.
//
// After the office's chores, every letter of a topic must be in each of its mailboxes, in one place, whole; and
// so must every letter that had been accepted. One that had not been may be there, but then the same holds for it.

import Linux
import TestKit

/// What may be wrong after a cut.
enum CutTrouble: String, CaseIterable {
  /// An accepted letter that the topic or a mailbox does not have, or a subscriber.
  case lost
  /// A letter that differs from what was sent.
  case torn
  /// A letter that had not been accepted, and that some mailboxes have and others do not.
  case half = "half delivered"
  /// What the chores should have tidied up.
  case stuck
  /// A letter that a mailbox has twice.
  case doubled
  /// A letter that waits again, although its reader had ended, and reported no trouble.
  case givenBack = "given back"
  case other
}

/// One cut: what commands had reported before it, and what was found after it.
struct CutFindings {
  let name: String
  private let box: Sandbox

  /// Each letter that was accepted: its topic, and the file or line that is its body.
  private(set) var accepted: [String: (topic: String, source: String)] = [:]
  private var joined: [String] = []
  /// `MAILBOX ID` of letters that a handler of the watcher has handled.
  private(set) var handled = Set<String>()
  /// The same, of letters that a reader has settled.
  private(set) var settled = Set<String>()

  /// How often each topic has each letter, and where in each mailbox it is.
  private var topics: [String: [String: Int]] = [:]
  private var mailboxes: [String: [String: [String]]] = [:]

  private(set) var troubles: [CutTrouble: [String]] = [:]
  /// Letters that will be handled again.
  private(set) var twice = 0
  /// What the file system's own checker complains of.
  private(set) var unsound: String?
  /// The kernel did not mount it before it was repaired, as a boot does.
  private(set) var isRepaired = false

  /// - Parameter name: the cut's directory below `cuts` in the sandbox, as LoopDisk leaves it.
  init(_ box: Sandbox, _ name: String) throws {
    self.box = box
    self.name = name
    readWords()
    if box.exists("cuts/\(name)/unmountable") {
      note(.other, "cannot be mounted: \(try box.read("cuts/\(name)/unmountable"))")
      return
    }
    for topic in box.names(in: "cuts/\(name)/spool/topics") { try look(intoTopic: topic) }
    for mailbox in box.names(in: "cuts/\(name)/spool/mailboxes") { try look(intoMailbox: mailbox) }
    compareTopics()
    compareMailboxes()
    let sweep = try box.read("cuts/\(name)/exit") + ((try? box.read("cuts/\(name)/words")) ?? "")
    if sweep != "0\n" { note(.other, "post sweep: exit \(sweep)") }
    if name == "alone-1", box.exists("cuts/\(name)/unsynced") { note(.other, "this cut cuts nothing off") }
    unsound = try? box.read("cuts/\(name)/unsound")
    isRepaired = box.exists("cuts/\(name)/repaired")
  }

  private mutating func note(_ trouble: CutTrouble, _ text: String) {
    troubles[trouble, default: []].append("\(name): \(text)")
  }

  /// The lines of what commands had reported; each was written in one go.
  private func said(_ file: String) -> [String] {
    ((try? box.read("cuts/\(name)/said/\(file)")) ?? "").split(separator: "\n").map(String.init)
  }

  private mutating func readWords() {
    for line in said("sent") {
      let words = line.split(separator: " ").map(String.init)
      accepted[words[0]] = (words[1], words[2])
    }
    for file in box.names(in: "cuts/\(name)/said") where file.hasPrefix("lines.") {
      for (number, id) in said(file).enumerated() {
        accepted[id] = ("orders", "line \(file.dropFirst("lines.".count))-\(number + 1) of many")
      }
    }
    joined = said("joined")
    handled = Set(said("handled"))
    settled = Set(said("settled"))
  }

  /// The ID in a letter's file name.
  private func id(_ name: String) -> String { String(name.prefix { $0 != "," }) }

  private mutating func look(intoTopic topic: String) throws {
    let place = "cuts/\(name)/spool/topics/\(topic)"
    var kept = [String: Int]()
    for (folder, letter) in box.letters(in: place + "/cur") {
      kept[id(letter), default: 0] += 1
      try examine(folder, letter)
    }
    topics[topic] = kept
    for state in ["new", "tmp", "held"] {
      for letter in box.names(in: "\(place)/\(state)") { note(.stuck, "\(topic)/\(state)/\(letter)") }
    }
    for letter in box.names(in: place + "/corrupt") { note(.torn, "\(topic)/corrupt/\(letter)") }
  }

  private mutating func look(intoMailbox mailbox: String) throws {
    let place = "cuts/\(name)/spool/mailboxes/\(mailbox)"
    var found = [String: [String]]()
    for state in ["new", "later", "done", "failed"] {
      for (folder, letter) in box.letters(in: "\(place)/\(state)") {
        found[id(letter), default: []].append(state)
        try examine(folder, letter)
      }
    }
    mailboxes[mailbox] = found
    for state in ["cur", "tmp"] {
      for letter in box.names(in: "\(place)/\(state)") { note(.stuck, "\(mailbox)/\(state)/\(letter)") }
    }
    for letter in box.names(in: place + "/corrupt") { note(.torn, "\(mailbox)/corrupt/\(letter)") }
  }

  /// Compares a letter's body with what was sent: known from outside if it was accepted, else by its subject.
  private mutating func examine(_ place: String, _ file: String) throws {
    let letter = try box.content("\(place)/\(file)")
    let header = letter.prefix(2048).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .prefix { !$0.isEmpty }
    let start = header.reduce(1) { $0 + $1.count + 1 }
    let fields = header.map { String(decoding: $0, as: UTF8.self) }
    let subject = fields.first { $0.hasPrefix("Subject: ") }?.dropFirst("Subject: ".count)
    guard let subject, start <= letter.count else { return note(.torn, "\(place)/\(file) has no header") }
    let source = accepted[id(file)]?.source
    if subject == "lines" {
      let line = String(decoding: letter[start...], as: UTF8.self)
      let isWhole = line.hasPrefix("line ") && line.hasSuffix(" of many")
      if source.map({ $0 != line }) ?? !isWhole { note(.torn, "\(place)/\(file) says \(line)") }
    } else if try source ?? String(subject) != subject
      || !ends(letter, at: start, box.content(String(subject)))
    {
      note(.torn, "\(place)/\(file) is not \(source ?? String(subject))")
    }
  }

  /// Whether a letter from there on is this body.
  private func ends(_ letter: [UInt8], at start: Int, _ body: [UInt8]) -> Bool {
    guard letter.count - start == body.count else { return false }
    return letter.withUnsafeBytes { one in
      body.withUnsafeBytes { other in
        // Eight at a time: in a debug build, byte by byte takes its time.
        let words = body.count / 8
        for word in 0..<words {
          let left = one.loadUnaligned(fromByteOffset: start + word * 8, as: UInt64.self)
          if left != other.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self) { return false }
        }
        return one[(start + words * 8)...].elementsEqual(other[(words * 8)...])
      }
    }
  }

  private func subscribers(of topic: String) -> [String] {
    box.names(in: "cuts/\(name)/spool/topics/\(topic)/subscribers")
  }

  private mutating func compareTopics() {
    for (topic, kept) in topics {
      let names = subscribers(of: topic)
      let boxes = names.map { mailboxes[$0] ?? [:] }
      let promised = accepted.filter { $0.value.topic == topic }.keys
      for letter in Set(kept.keys).union(boxes.flatMap(\.keys)).union(promised) {
        let counts = [kept[letter] ?? 0] + boxes.map { CutFindings.distinct($0[letter] ?? []) }
        let states = zip(names, boxes).map { "\($0) \($1[letter] ?? [])" }.joined(separator: ", ")
        let text = "\(letter), \(topic) \(kept[letter] ?? 0), \(states)"
        if counts.contains(where: { $0 > 1 }) { note(.doubled, text) }
        if counts.contains(0) { note(accepted[letter] == nil ? .half : .lost, text) }
      }
    }
    for (letter, (topic, _)) in accepted where topics[topic] == nil {
      note(.lost, "\(letter), \(topic) is gone")
    }
    let names = subscribers(of: "orders")
    for mailbox in joined where !names.contains(mailbox) { note(.lost, "subscriber \(mailbox)") }
  }

  /// How many letters these are. One that is done, and waits as well, was given back: a rename that is not yet durable
  /// may show both its names (btrfs).
  private static func distinct(_ states: [String]) -> Int {
    states.count == 2 && states.contains("new") && states.contains("done") ? 1 : states.count
  }

  private mutating func compareMailboxes() {
    for (mailbox, letters) in mailboxes {
      for (letter, states) in letters where states != ["done"] {
        let word = "\(mailbox) \(letter)"
        if handled.contains(word) || settled.contains(word) || states.contains("done") { twice += 1 }
        if settled.contains(word) { note(.givenBack, "\(word) is in \(states)") }
      }
    }
  }
}

/// The sum of many cuts.
struct CutReport {
  private var cuts = 0
  /// Letters accepted before a cut, each counted once; letters looked for, counted at each cut.
  private var accepted = Set<String>()
  private var lookedFor = 0
  private var handled = Set<String>()
  private var settled = Set<String>()
  private var counts: [CutTrouble: Int] = [:]
  private var twice = 0
  private var repaired = 0
  private var unsound: [String] = []
  /// What went wrong, the first of each kind and cut.
  private(set) var troubles: [String] = []

  private static let limit = 3

  /// - Parameter tolerating: troubles that are counted, and are no failure.
  mutating func add(_ findings: CutFindings, tolerating: Set<CutTrouble>) {
    cuts += 1
    accepted.formUnion(findings.accepted.keys)
    lookedFor += findings.accepted.count
    handled.formUnion(findings.handled)
    settled.formUnion(findings.settled)
    twice += findings.twice
    if findings.isRepaired { repaired += 1 }
    for (trouble, found) in findings.troubles {
      counts[trouble, default: 0] += found.count
      if tolerating.contains(trouble) { continue }
      troubles += found.prefix(CutReport.limit).map { "\(trouble.rawValue): \($0)" }
    }
    if let found = findings.unsound {
      unsound.append("\(findings.name): " + found.split(separator: "\n").joined(separator: "; "))
    }
  }

  /// Whether there was something to lose.
  var isEnough: Bool { accepted.count > 20 && !handled.isEmpty && !settled.isEmpty }

  var summary: String {
    let troubles = CutTrouble.allCases.filter { $0 != .other }.map { "\($0.rawValue) \(counts[$0] ?? 0)" }
    return "\(cuts) cuts, \(accepted.count) letters accepted (looked for \(lookedFor) times), "
      + "\(handled.count) handled, \(settled.count) read; \(troubles.joined(separator: ", ")), twice \(twice); "
      + "mounted after fsck only \(repaired), fsck complains \(unsound.count)"
      + (unsound.first.map { ": \($0)" } ?? "")
  }
}

extension Sandbox {
  /// The bytes of a file of the sandbox.
  fileprivate func content(_ name: String) throws -> [UInt8] {
    try File(root / name, .readFollowing).readAll(limit: 1 << 30)
  }
}
