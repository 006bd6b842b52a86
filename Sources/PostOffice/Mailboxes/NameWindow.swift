// The oldest names of `new/`, in memory, so that it is not listed for each letter, and the rule that says which is next.
// Pure. Memory does not grow with the backlog: a window has a limit for each kind of letter.

import Linux

/// A letter that waits: the directory where its name is, `new/` or a bag, and the name.
typealias WaitingName = (folder: Path, name: Path)

struct NameWindow {
  /// Letters that come for the first time, and letters that were tried before; the oldest last.
  private var fresh: [WaitingName] = []
  private var again: [WaitingName] = []
  /// Letters of the kind may wait that the window does not have.
  private var mayMissFresh = true
  private var mayMissAgain = true
  /// How many letters of one kind were taken in a row.
  private var run = (isOfAgain: false, length: 0)
  /// The window was emptied and has not been filled since.
  private(set) var isForgotten = false

  /// After so many letters of one kind in a row comes one of the other, if there is one.
  private static let runLimit = 4

  /// Whether it must be filled before the next name is taken.
  func mustFill(isStrict: Bool, freshOnly: Bool) -> Bool {
    if freshOnly { return fresh.isEmpty && mayMissFresh }
    if again.isEmpty { return mayMissAgain || fresh.isEmpty }
    return fresh.isEmpty && mayMissFresh && (isStrict || run.isOfAgain && run.length >= NameWindow.runLimit)
  }

  mutating func fill(fresh: OldestNames, again: OldestNames, mayMissFresh: Bool, mayMissAgain: Bool) {
    (self.fresh, self.again, isForgotten) = (fresh.names.reversed(), again.names.reversed(), false)
    (self.mayMissFresh, self.mayMissAgain) = (mayMissFresh || fresh.isFull, mayMissAgain || again.isFull)
  }

  mutating func missFresh() { mayMissFresh = true }

  /// Letters came back. They may be older than those in the window.
  mutating func missAgain() { (again, mayMissAgain) = ([], true) }

  /// What is in it may be wrong.
  mutating func forget() {
    (fresh, again) = ([], [])
    (mayMissFresh, mayMissAgain, isForgotten) = (true, true, true)
  }

  /// Whether a name is older than one in the window that came for the first time.
  func isOvertaking(_ name: Path) -> Bool { fresh.first.map { name < $0.name } == true }

  /// Takes the next name out.
  mutating func next(isStrict: Bool, freshOnly: Bool) -> WaitingName? {
    if freshOnly {
      if isStrict, let old = again.last, let newcomer = fresh.last, old.name < newcomer.name { return nil }
      return fresh.popLast()
    }
    var takesAgain = fresh.isEmpty
    if let newcomer = fresh.last, let old = again.last {
      takesAgain = old.name < newcomer.name
      if !isStrict, run.isOfAgain == takesAgain, run.length >= NameWindow.runLimit { takesAgain.toggle() }
    }
    run = (takesAgain, run.isOfAgain == takesAgain ? run.length + 1 : 1)
    return takesAgain ? again.popLast() : fresh.popLast()
  }

  /// Puts the name back that was taken out last.
  mutating func putBack(_ letter: WaitingName) {
    if EntryName.isTriedBefore(letter.name) { again.append(letter) } else { fresh.append(letter) }
  }
}

extension EntryName {
  /// Whether a file name in `new/` says that attempts were made. Most names have no marks and are not taken apart.
  static func isTriedBefore(_ name: UnsafeRawBufferPointer) -> Bool {
    guard name.has(UInt8(ascii: ",")), let comma = name.lastIndex(of: UInt8(ascii: ",")) else { return false }
    return name[(comma + 1)...].starts(with: "A=".utf8)
  }

  static func isTriedBefore(_ name: Path) -> Bool { name.bytes.withUnsafeBytes { isTriedBefore($0) } }
}

/// The first of many names, in memory for twice as many.
struct OldestNames {
  private let limit: Int
  private var found: [WaitingName] = []
  /// The last of those that count, once there are enough.
  private var last: Path?
  /// There may be more than it has.
  private(set) var isFull = false

  init(_ limit: Int) { self.limit = limit }

  var isEmpty: Bool { found.isEmpty }

  mutating func add(_ name: UnsafeRawBufferPointer, _ folder: Path) {
    if let last, !last.follows(name) { return }
    found.append((folder, Path(name)))
    if found.count / 2 > limit + 8 { trim() }
  }

  private mutating func trim() {
    found.sort { $0.name < $1.name }
    if found.count >= limit { isFull = true }
    if found.count > limit { found.removeSubrange(limit...) }
    if isFull { last = found.last?.name }
  }

  /// Sorts the names. Nothing is added afterwards.
  consuming func trimmed() -> OldestNames {
    trim()
    return self
  }

  /// The oldest first, once trimmed.
  var names: [WaitingName] { found }
}
