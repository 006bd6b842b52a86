// What the names of a trace stand for in a spool: letters in their places, subscribers, marks, settings,
// folders that lead to these. The rest (logs, notes, what is in tmp/) may be lost.

import Linux

struct SpoolNames {
  /// Places of a mailbox; its held/ in the topic counts as one.
  enum Place: Int, CaseIterable {
    case new, cur, later, done, failed, held

    /// - Parameter name: of a directory, or of one of its bags.
    fileprivate init?(_ name: String) {
      switch name.prefix(while: { $0 != "." }) {
      case "new", "again": self = .new
      case "cur": self = .cur
      case "later": self = .later
      case "done": self = .done
      case "failed": self = .failed
      default: return nil
      }
    }
  }

  enum Meaning {
    case none
    /// It leads on to names that matter.
    case folder
    /// In the topic. Its name is a former one, if a finisher gave the letter an ID later.
    case new(letter: Int, isFormer: Bool)
    /// In the topic.
    case cur(letter: Int)
    /// A place of a mailbox, by its ``index(_:_:)``.
    case place(Int, letter: Int)
    case subscriber(Int)
    case mark(Int)
    case settings
  }

  /// A letter that was renamed in the topic's new/ is called as before.
  private(set) var letters: [String] = []
  /// The former names of letters, by the IDs that a finisher gave them.
  private var formerNames: [String: String] = [:]
  private(set) var mailboxes: [String] = []
  /// For each slot of the trace.
  private(set) var meanings: [Meaning] = []
  /// The folders of the mailboxes.
  private(set) var rooms: [(mailbox: Int, slot: Int)] = []

  /// A place of a mailbox among all places of all mailboxes.
  static func index(_ mailbox: Int, _ place: Place) -> Int { mailbox * Place.allCases.count + place.rawValue }

  /// A file name without the office's marks.
  static func id(_ name: String) -> String {
    for mark in [",A=", ",B=", ",L=", ",D="] {
      if let range = name.firstRange(of: mark) { return id(String(name[..<range.lowerBound])) }
    }
    return name
  }

  init(_ trace: CallTrace, spool: Path) {
    // Mailboxes that are no folders of the spool: their subscriber's symlink leads to them.
    var outside = [String: String]()
    for (inode, kind) in trace.kinds.enumerated() {
      guard case .symlink(let target) = kind, target.isAbsolute else { continue }
      let path = trace.path(of: inode)
      if path.parent.name == "subscribers" { outside[target.description] = path.name.description }
    }
    let new = spool / "topics/orders/new"
    for step in trace.steps {
      guard case .rename(let from, let to) = step.operation else { continue }
      let (old, other) = (trace.path(slot: from), trace.path(slot: to))
      if old.parent == new, other.parent == new {
        formerNames["\(other.name)"] = letter(called: "\(old.name)")
      }
    }
    for slot in trace.slots.indices {
      meanings.append(meaning(of: slot, "\(trace.path(slot: slot))", "\(spool)", outside))
    }
  }

  private mutating func meaning(
    of slot: Int, _ path: String, _ spool: String, _ outside: [String: String]
  ) -> Meaning {
    if path == spool || spool.hasPrefix(path + "/") { return .folder }
    var words: [String]
    if path.hasPrefix(spool + "/") {
      words = path.dropFirst(spool.count).split(separator: "/").map(String.init)
    } else if let (target, name) = outside.first(where: { path.hasPrefix($0.key + "/") }) {
      words = ["mailboxes", name] + path.dropFirst(target.count).split(separator: "/").map(String.init)
    } else {
      return .none
    }
    let last = words.removeLast()
    // A bag on a shelf is a bag like any other.
    if words.count > 3, words[2] == "bags", words[3].hasSuffix("xx") { words.remove(at: 3) }
    // A letter in a bag is where the bag was. A name in bags/ leads on to letters.
    let isInBag = words.count == 4 && words[2] == "bags"
    if isInBag { words = [words[0], words[1], String(words[3].prefix { $0 != "." })] }
    if words.count == 3, words[2] == "bags" { return .folder }
    if last.hasSuffix(".conf"), words.count < 3 { return .settings }
    switch words {
    case [], ["topics"], ["mailboxes"]: return last.hasPrefix(".") ? .none : .folder
    case ["topics", "orders"]: return last == "tmp" ? .none : .folder
    case ["topics", "orders", "held"]: return .folder
    case ["topics", "orders", "new"]:
      return .new(letter: letter(last), isFormer: formerNames.values.contains(last))
    case ["topics", "orders", "cur"]: return .cur(letter: letter(last))
    case ["topics", "orders", "subscribers"]:
      return last.hasPrefix(".") ? .mark(mailbox(String(last.dropFirst()))) : .subscriber(mailbox(last))
    case ["topics", "orders", "held", words.last]:
      return .place(SpoolNames.index(mailbox(words[3]), .held), letter: letter(last))
    case ["mailboxes", words.last]:
      if last == "bags" { return .folder }
      guard Place(last) != nil else { return .none }
      rooms.append((mailbox(words[1]), slot))
      return .folder
    default:
      guard words.count == 3, words[0] == "mailboxes", let place = Place(words[2]) else { return .none }
      return .place(SpoolNames.index(mailbox(words[1]), place), letter: letter(last))
    }
  }

  private mutating func letter(_ name: String) -> Int {
    SpoolNames.number(letter(called: name), in: &letters)
  }

  /// Which letter bears a name.
  func letter(called name: String) -> String { formerNames[SpoolNames.id(name)] ?? SpoolNames.id(name) }

  private mutating func mailbox(_ name: String) -> Int { SpoolNames.number(name, in: &mailboxes) }

  private static func number(_ name: String, in names: inout [String]) -> Int {
    if let number = names.firstIndex(of: name) { return number }
    names.append(name)
    precondition(names.count <= 64, "there are too many letters or mailboxes for one word of bits")
    return names.count - 1
  }

  /// Whether a cut's choice for this name can change the verdict.
  func matters(_ slot: Int) -> Bool {
    if case .none = meanings[slot] { return false }
    return true
  }
}
