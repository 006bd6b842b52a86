// The oldest names of `new/`, in memory, so that it is not listed for each letter, and the rule that says which is
// next. Pure. Memory does not grow with the backlog: a window has a limit for each kind of letter.

import Linux

/// A letter that waits: the directory where its name is, `new/` or a bag, and the name.
typealias WaitingName = (folder: Path, name: Path)

struct NameWindow {
  /// Letters that come for the first time, and letters that were tried before.
  var fresh: OldestNames
  var again: OldestNames
  /// How many letters of one kind were taken in a row.
  private var run = (isOfAgain: false, length: 0)
  /// The window was emptied, and no other has taken its place since.
  private(set) var isForgotten = false

  /// After so many letters of one kind in a row comes one of the other, if there is one.
  private static let runLimit = 4

  /// - Parameter limit: how many names of each kind it takes.
  init(_ limit: Int = 0, after other: NameWindow? = nil) {
    (fresh, again) = (OldestNames(limit), OldestNames(limit))
    if let other { run = other.run }
  }

  mutating func add(_ name: UnsafeRawBufferPointer, _ folder: Path) {
    if EntryName.isTriedBefore(name) { again.add(name, folder) } else { fresh.add(name, folder) }
  }

  /// What is in it may be wrong.
  mutating func forget() {
    fresh.clear()
    again.clear()
    isForgotten = true
  }

  /// Whether another must take its place before the next name is taken.
  func isUsedUp(isStrict: Bool, freshOnly: Bool) -> Bool {
    if freshOnly { return fresh.isEmpty && fresh.mayLackSome }
    if again.isEmpty { return again.mayLackSome || fresh.isEmpty }
    return fresh.isEmpty && fresh.mayLackSome
      && (isStrict || run.isOfAgain && run.length >= NameWindow.runLimit)
  }

  /// Takes the next name out.
  mutating func next(isStrict: Bool, freshOnly: Bool) -> WaitingName? {
    if freshOnly {
      if isStrict, let old = again.oldest, let newcomer = fresh.oldest, old.name < newcomer.name {
        return nil
      }
      return fresh.take()
    }
    var takesAgain = fresh.isEmpty
    if let newcomer = fresh.oldest, let old = again.oldest {
      takesAgain = old.name < newcomer.name
      if !isStrict, run.isOfAgain == takesAgain, run.length >= NameWindow.runLimit { takesAgain.toggle() }
    }
    run = (takesAgain, run.isOfAgain == takesAgain ? run.length + 1 : 1)
    return takesAgain ? again.take() : fresh.take()
  }

  /// Puts the name back that was taken out last.
  mutating func putBack(_ letter: WaitingName) {
    if EntryName.isTriedBefore(letter.name) { again.putBack(letter) } else { fresh.putBack(letter) }
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
  /// Once sorted, the oldest last.
  private var names: [WaitingName] = []
  /// The last of those that count; nil: there are not enough yet.
  private var bound: Path?
  /// Letters of its kind may wait that it does not have.
  var mayLackSome = true

  init(_ limit: Int) { self.limit = limit }

  var isEmpty: Bool { names.isEmpty }
  var oldest: WaitingName? { names.last }
  var youngest: WaitingName? { names.first }

  mutating func add(_ name: UnsafeRawBufferPointer, _ folder: Path) {
    if let bound, !bound.follows(name) { return }
    names.append((folder, Path(name)))
    if names.count / 2 > limit + 8 { sort() }
  }

  /// Before names are taken, and after the last was added.
  mutating func sort() {
    names.sort { $1.name < $0.name }
    if names.count < limit { return }
    names.removeFirst(names.count - limit)
    bound = names.first?.name
    mayLackSome = true
  }

  mutating func take() -> WaitingName? { names.popLast() }

  mutating func putBack(_ letter: WaitingName) { names.append(letter) }

  mutating func clear() { (names, mayLackSome) = ([], true) }
}
