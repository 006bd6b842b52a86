// Letters that wait for their next attempt: in `later/`, each with its due time in its name. When there are many,
// `later/` is sealed like any full directory, and its bags bear a time before which no letter in them is due. So
// only those are opened whose time has come; what is in them and not yet due is spread over further bags, the
// wider apart the later they are. A letter moves a few times at most, and nobody reads them all.

import Linux
import Text

extension Mailbox {
  /// So many letters are put back in one pass.
  private static let passLimit = 1024
  /// A bag with no more letters than that is not spread, but waits for the first of them.
  private static let fewLetters = 256

  /// Puts letters whose time has come from `later/` back into `new/`. Not all in one pass, if they are many.
  /// - Parameters:
  ///   - opened: `later/`, if it is open.
  ///   - bags: its bags, if they have been looked for since.
  /// - Returns: how many, and when to come back (milliseconds since 1970; nil if none waits).
  func putBackDue(
    _ opened: LetterDirectory? = nil, _ bags: [Bag]? = nil
  ) throws(PostError) -> (putBack: Int, next: Int64?) {
    let now = Clock.wall / 1_000_000
    let later = layout[.later]
    do throws(Errno) {
      var pass = LaterPass(now: now)
      let folder = if let opened { opened } else { try LetterDirectory(opening: later, of: office) }
      try putBackDue(in: later, folder.directory, &pass)
      var isOver = false
      let known = if let bags { bags } else { try office.bags(of: later) }
      for bag in known.sorted() {
        let opensAt = bag.number * 1000
        // A bag beyond the longest delay there is was filled before the clock was set back.
        if opensAt > now, opensAt <= pass.longest(self) + 1000 {
          pass.comeBack(opensAt)
        } else if pass.count >= Mailbox.passLimit {
          isOver = true
        } else {
          try open(bag, &pass)
        }
      }
      return (pass.count, isOver ? now : pass.next)
    } catch { throw office.trouble(error, "cannot put letters back from \(later)", in: layout.root) }
  }

  /// What is known in the course of a pass. All times are milliseconds since 1970.
  private struct LaterPass {
    let now: Int64
    var count = 0
    private(set) var next: Int64?
    private var longest: Int64?

    init(now: Int64) { self.now = now }

    mutating func comeBack(_ time: Int64) { next = min(next ?? time, time) }

    /// When a letter that failed now for the last time but one would be due. If the wall clock was set back,
    /// letters would wait for longer: they wait for that long, from now on.
    mutating func longest(_ mailbox: Mailbox) -> Int64 {
      if let longest { return longest }
      let settings = (try? mailbox.settings()) ?? Settings()
      let time = now + settings.retry.upperBound.milliseconds
      longest = time
      return time
    }
  }

  /// Puts back what is due.
  /// - Returns: the letters that are not, with their times.
  @discardableResult
  private func putBackDue(
    in folder: Path, _ directory: borrowing Directory, _ pass: inout LaterPass
  ) throws(Errno) -> [(name: Path, time: Int64)] {
    var due = [Path]()
    var rest = [(name: Path, time: Int64)]()
    let now = pass.now
    try directory.forEachName { bytes in
      let name = Path(bytes)
      let time = EntryName(name).until ?? now
      if time <= now { due.append(name) } else { rest.append((name, time)) }
    }
    for index in rest.indices where rest[index].time > pass.longest(self) {
      var entry = EntryName(rest[index].name)
      entry.until = pass.longest(self)
      do throws(Errno) {
        try office.root.rename(folder / rest[index].name, to: office.root, folder / entry.path)
      } catch .noEntry {} catch .exists {}
      rest[index] = (entry.path, pass.longest(self))
    }
    for letter in rest { pass.comeBack(letter.time) }
    for name in due.sorted() {
      var entry = EntryName(name)
      entry.until = nil
      do throws(Errno) { try settleIn(name, from: folder, to: .new, as: entry) } catch .noEntry { continue }
      pass.count += 1
      window.cameBack()
      unsynced.insert(.new)
      left.insert(folder)
    }
    return rest
  }

  /// Takes out of a bag what is due, and sees to it that it is not opened again before it must be.
  private func open(_ bag: Bag, _ pass: inout LaterPass) throws(Errno) {
    let path = Layout.bags(of: layout[.later]) / bag.name
    guard let open = try office.openIfThere(path) else { return }
    let rest = try putBackDue(in: path, open.directory, &pass)
    guard let first = rest.map(\.time).min() else { return office.removeBags([path]) }
    if rest.count > Mailbox.fewLetters { return try spread(rest, path) }
    // Nobody comes into it any more: letters go into later/ by its path, and it was sealed a second ago at least.
    let renamed = path.parent / Bag(.later, first / 1000).name
    if first / 1000 > pass.now / 1000, renamed != path {
      do throws(Errno) { try office.root.rename(path, to: office.root, renamed) } catch .exists {
        try spread(rest, path)
      } catch .noEntry {}
    }
  }

  /// Moves letters into bags that are opened shortly before the first of their letters is due: by a quarter of the
  /// time that is left at most.
  private func spread(_ letters: [(name: Path, time: Int64)], _ source: Path) throws(Errno) {
    let now = Clock.wall / 1_000_000_000
    var bags = [Int64: [Path]]()
    for letter in letters where letter.time / 1000 > now {
      let time = letter.time / 1000
      var width: Int64 = 1
      while width * 8 <= time - now { width *= 2 }
      bags[time / width * width, default: []].append(letter.name)
    }
    let home = source.parent
    let there = try office.bags(of: layout[.later])
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
      // Who may not make one like it leaves the letters together.
      do throws(Errno) { try office.makeBag(path, like: model) } catch let error
        where error == .notPermitted || error == .denied
      { return }
    }
    try office.root.directory(home).sync()
    for (path, letters) in targets {
      for name in letters {
        // A bag that was removed meanwhile, or a letter that somebody else has moved: it is looked at again.
        do throws(Errno) {
          try office.root.rename(source / name, to: office.root, path / name)
        } catch .noEntry {
        } catch .exists {}
      }
    }
    if try model.isEmpty() { office.removeBags([source]) }
  }
}
