// Letters that wait for their next attempt: in `later/`, each with its due time in its name. When there are many,
// `later/` is sealed like any full directory, and its bags bear a time before which no letter in them is due. So a pass
// opens only bags whose time has come; what is in them and not yet due is spread over further bags, the wider apart the
// later they are. A letter moves a few times at most, and no pass reads them all.
//
// A letter comes back when it is due, or soon after: a pass puts back a limited number, and says when to come again. If
// the wall clock is set back, letters wait for the longest delay of `Retry` at most, counted from the next pass.

import Linux
import Text

extension Mailbox {
  /// Puts letters whose time has come from `later/` back into `new/`. Not all in one pass, if they are many.
  /// - Parameters:
  ///   - opened: `later/`, if it is open.
  ///   - bags: its bags, if they have been listed since.
  /// - Returns: how many, and when to come back (milliseconds since 1970; nil if none waits).
  @discardableResult
  func putBackDue(
    _ opened: LetterDirectory? = nil, _ bags: [Bag]? = nil
  ) throws(PostError) -> (putBack: Int, next: Int64?) {
    var pass = RetryPass(self)
    do throws(Errno) { try pass.run(opened, bags) } catch {
      throw office.trouble(error, "cannot put letters back from", "\(layout[.later])", in: layout.root)
    }
    hasMoreDue = pass.putBack > 0 && pass.next.map { $0 <= Clock.wall / 1_000_000 } == true
    return (pass.putBack, pass.next)
  }
}

/// One pass over `later/` and its bags. All times are milliseconds since 1970.
private struct RetryPass {
  private let mailbox: Mailbox
  private let now = Clock.wall / 1_000_000
  private(set) var putBack = 0
  /// When to come back.
  private(set) var next: Int64?
  /// When a letter that failed now for the last time but one would be due. Letters that would wait for longer, because
  /// the wall clock was set back, wait for that long from now on.
  private lazy var latest = now + ((try? mailbox.settings()) ?? Settings()).retry.upperBound.milliseconds

  private typealias Waiting = (name: Path, due: Int64)

  /// How many letters one pass puts back.
  private static let limit = 1024
  /// A bag with no more letters than that is not spread, but waits for the first of them.
  private static let fewLetters = 256

  init(_ mailbox: Mailbox) { self.mailbox = mailbox }

  private var office: Office { mailbox.office }
  private var later: Path { mailbox.layout[.later] }

  mutating func run(_ opened: LetterDirectory?, _ bags: [Bag]?) throws(Errno) {
    let folder = if let opened { opened } else { try LetterDirectory(opening: later, of: office) }
    try putBackDue(in: later, folder.directory)
    var isOver = false
    let known = if let bags { bags } else { try office.bags(of: later) }
    for bag in known.sorted() {
      let opensAt = bag.number * 1000
      // A bag beyond the longest delay there is was filled before the clock was set back.
      if opensAt > now, opensAt <= latest + 1000 {
        comeBack(at: opensAt)
      } else if putBack >= RetryPass.limit {
        isOver = true
      } else {
        try takeOutDue(of: bag)
      }
    }
    if isOver { next = now }
  }

  private mutating func comeBack(at time: Int64) { next = min(next ?? time, time) }

  /// Puts back what is due.
  /// - Returns: the letters that are not.
  @discardableResult
  private mutating func putBackDue(
    in folder: Path, _ directory: borrowing Directory
  ) throws(Errno) -> [Waiting] {
    var due = [Path]()
    var rest = [Waiting]()
    try directory.forEachName { [now] bytes in
      let name = Path(bytes)
      let time = EntryName(name).until ?? now
      if time <= now { due.append(name) } else { rest.append((name, time)) }
    }
    for index in rest.indices where rest[index].due > latest {
      var entry = EntryName(rest[index].name)
      entry.until = latest
      do throws(Errno) {
        try office.root.rename(folder / rest[index].name, to: office.root, folder / entry.path)
      } catch .noEntry {} catch .exists {}
      rest[index] = (entry.path, latest)
    }
    for letter in rest { comeBack(at: letter.due) }
    for name in due.sorted() {
      var entry = EntryName(name)
      entry.until = nil
      do throws(Errno) { try mailbox.moves.move(name, from: folder, to: .new, as: entry) } catch .noEntry {
        continue
      }
      mailbox.queue.letterMoved(to: .new)
      putBack += 1
    }
    return rest
  }

  /// Takes out of a bag what is due, and sees to it that it is not opened again before it must be.
  private mutating func takeOutDue(of bag: Bag) throws(Errno) {
    let path = Layout.bags(of: later) / bag.name
    guard let open = try office.openIfThere(path) else { return }
    let rest = try putBackDue(in: path, open.directory)
    guard let first = rest.map(\.due).min() else { return office.removeBags([path]) }
    if rest.count > RetryPass.fewLetters { return try spread(rest, path) }
    // No letter comes into it any more: letters go into later/ by its path, and it was sealed a second ago at least.
    let renamed = path.parent / Bag(.later, first / 1000).name
    if first / 1000 > now / 1000, renamed != path {
      do throws(Errno) { try office.root.rename(path, to: office.root, renamed) } catch .exists {
        try spread(rest, path)
      } catch .noEntry {}
    }
  }

  /// Moves letters into bags that are opened shortly before the first of their letters is due: by a quarter of the
  /// time that is left at most.
  private func spread(_ letters: [Waiting], _ source: Path) throws(Errno) {
    let now = Clock.wall / 1_000_000_000
    var bags = [Int64: [Path]]()
    for letter in letters where letter.due / 1000 > now {
      let time = letter.due / 1000
      var width: Int64 = 1
      while width * 8 <= time - now { width *= 2 }
      bags[time / width * width, default: []].append(letter.name)
    }
    let home = source.parent
    let there = try office.bags(of: later)
    var targets = [(path: Path, letters: [Path])]()
    for (number, letters) in bags {
      var bag = there.last { $0.number == number } ?? Bag(.later, number)
      if let size = try? office.root.status(home / bag.name).size, size > Bag.limit {
        guard let next = bag.nextPart else { continue }
        bag = next
      }
      if home / bag.name == source { continue }
      targets.append((home / bag.name, letters))
    }
    let model = try office.root.directory(source)
    for (path, _) in targets {
      // If this user may not make one like it, the letters stay together.
      do throws(Errno) { try office.makeBag(path, like: model) } catch let error
        where error == .notPermitted || error == .denied
      { return }
    }
    try office.root.directory(home).sync()
    for (path, letters) in targets {
      for name in letters {
        // A bag that was removed meanwhile, or a letter that another process has moved: the next pass sees it.
        do throws(Errno) {
          try office.root.rename(source / name, to: office.root, path / name)
        } catch .noEntry {
        } catch .exists {}
      }
    }
    if try model.isEmpty() { office.removeBags([source]) }
  }
}
