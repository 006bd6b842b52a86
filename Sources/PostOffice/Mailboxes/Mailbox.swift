// A mailbox: a subscriber's own copy of every letter, and how far it is with each.

import Linux

/// A mailbox of an office.
public final class Mailbox {
  public let name: Name
  package let office: Office
  package let layout: MailboxLayout
  /// The inode number of its directory: another mailbox may have taken its name.
  package let inode: UInt64
  /// Shows the claims that this process made without a handler, as long as it has one.
  weak var beacon: Beacon?
  /// Letters with a longer body, bytes, are claimed before they are verified: that would take too long.
  package var verifiedAtOnce: Int64 = .max
  /// Letters with larger bodies are not claimed, bytes.
  package var bodyLimit = Int64.max
  /// Names waiting to be claimed; refilled from `new/`.
  package var window = ClaimQueue()
  package var windowSize = ClaimQueue.usualSize
  /// Whether one letter may overtake another; nil: not read from the settings yet.
  package var order: Settings.Order?
  /// Why the last claim got no letter although some may wait; nil: none waits.
  package var block: Block?
  /// What was seen of `new/` and its bags a moment ago, and nobody has used yet.
  var seen: (live: LetterDirectory?, bags: BagsOfPlace)?
  /// More letters are due than were put back.
  var hasMoreDue = false
  /// Names in `new/` that could not be opened; they are left alone, for others to be read.
  package var unreadable: Set<Path> = []
  /// Whether lines of the log are kept back, to be written together with ``flushLog()``.
  package var keepsLog = false
  /// Lines of the log that are not written yet, and their day.
  var unlogged: (date: String, lines: [UInt8]) = ("", [])
  /// The log that was written to last.
  var openLog: OpenLog?
  /// Where letters went that are not yet durable there.
  var unsynced: Set<Place> = []
  /// Why a directory could not be made durable; it is not tried again.
  var syncTrouble: PostError?
  /// How many letters were moved.
  private var moved = 0
  /// The directories into which they went.
  private(set) var goals: [Place: LetterDirectory] = [:]
  /// Where those letters came from: a power cut may show them there still.
  var left: Set<Path> = []

  deinit { office.openGoals -= goals.count }

  fileprivate init(_ name: Name, _ office: Office) throws(Errno) {
    self.name = name
    self.office = office
    layout = MailboxLayout(name)
    inode = try office.root.status(layout.root / ".").inode
  }

  public func settings() throws(PostError) -> Settings {
    let settings = try office.settings(of: name)
    if order == nil { order = settings.order }
    return settings
  }

  // MARK: Moving letters

  /// Moves a letter within the mailbox. On a full disk the ballast is given up for it.
  /// - Parameter folder: where it is: the directory of a place, or one of its bags.
  func move(_ entry: Path, from folder: Path, to place: Place, as name: EntryName) throws(Errno) {
    try Ballast(office).sparing(in: layout.root) { () throws(Errno) in
      for _ in 0..<Mailbox.patience {
        do throws(Errno) {
          guard let goal = try goal(place) else {
            return try office.root.rename(folder / entry, to: office.root, layout[place] / name.path)
          }
          try office.root.rename(folder / entry, to: goal.directory, name.path)
          return seeWhetherFull(place)
        } catch .noEntry {
          // Somebody else has taken the letter; or the goal, then empty, was removed since we opened it.
          guard try office.root.exists(folder / entry) else { throw .noEntry }
          drop(place)
        } catch .denied {
          // A bag that another user made, and died before it was as it should be.
          guard place == .new, let goal = goals[.new], goal.path != layout[.new] else { throw .denied }
          drop(.new)
          goals[.new] = try LetterDirectory(opening: layout[.new], of: office)
          office.openGoals += 1
        }
      }
      throw .noEntry
    }
  }

  /// How often a directory is opened anew that others remove time and again.
  private static let patience = 8

  /// The directory into which letters of a place go; nil: it is used by its path, for too many are open, or it is
  /// cur/, which is never sealed; or later/, whose bags nobody may come into once their time was looked at.
  private func goal(_ place: Place) throws(Errno) -> LetterDirectory? {
    if let goal = goals[place] { return goal }
    if place == .cur || place == .later || office.openGoals >= Mailbox.goalLimit { return nil }
    do throws(Errno) {
      let path = place == .new ? try folderForReturns() : layout[place]
      let goal = try LetterDirectory(opening: path, of: office)
      goals[place] = goal
      office.openGoals += 1
      return goal
    } catch let error where error == .processFiles || error == .systemFiles { return nil }
  }

  /// All mailboxes of an office together hold so many directories open.
  private static let goalLimit = 32
  /// After so many letters it is seen whether the directory is full.
  private static let goalLoad = 256

  /// Many letters that move at once must not fill one directory with all of them.
  private func seeWhetherFull(_ place: Place) {
    moved += 1
    guard moved % Mailbox.goalLoad == 0, let goal = goals[place] else { return }
    guard let size = try? goal.directory.file.status().size, size > Bag.limit else { return }
    do throws(Errno) { try goal.directory.sync() } catch {
      syncTrouble = PostError(error, "cannot make \(goal.path) durable")
    }
    drop(place)
    if goal.path == layout[place] { sealIfFull(goal.path, size: size) }
  }

  private func drop(_ place: Place) {
    if goals.removeValue(forKey: place) != nil { office.openGoals -= 1 }
  }

  /// Where a letter that comes back goes: if others wait in bags, not behind them all.
  private func folderForReturns() throws(Errno) -> Path {
    let new = layout[.new]
    let home = Layout.bags(of: new)
    for _ in 0..<Mailbox.patience {
      let bags = try office.bagsNow(of: new)
      if bags.sealed.isEmpty { return new }
      var bag = bags.returns.max() ?? Bag(.again, 1)
      if let size = try? office.root.status(home / bag.name).size, size > Bag.limit {
        guard let next = bag.next else { return new }
        bag = next
      }
      do throws(Errno) {
        try office.makeBag(home / bag.name, like: try office.root.directory(new))
        // Also one that was there: whoever made it may have died before it was durable.
        try office.root.directory(home).sync()
        return home / bag.name
      } catch let error where error == .notPermitted || error == .denied {
        return new  // not ours to make: behind the others, then
      } catch .noEntry { continue }  // readers have just emptied it, or all of them
    }
    return new
  }

  /// The directories that letters went into, to be made durable; the next go to wherever it is right by then.
  func takeGoals() -> [Place: LetterDirectory] {
    defer { goals = [:] }
    office.openGoals -= goals.count
    return goals
  }

  /// Like ``move(_:from:to:as:)``. If the new name is taken by the same letter (it was handled twice
  /// after a crash), one is enough. If it is taken by another, because a foreign program chose a name
  /// twice, this one gets a new ID.
  func settleIn(_ entry: Path, from folder: Path, to target: Place, as name: EntryName) throws(Errno) {
    do throws(Errno) { try move(entry, from: folder, to: target, as: name) } catch .exists {
      let other =
        if let goal = try goal(target) { try goal.directory.status(name.path).inode } else {
          try office.root.status(layout[target] / name.path).inode
        }
      let own = try office.root.status(folder / entry).inode
      if name.id.isOurs || own == other {
        return try office.root.remove(folder / entry)
      }
      let id = office.ids.next(now: Clock.wall, foreign: true)
      let renamed = EntryName(id, attempt: name.attempt, until: name.until, doneAt: name.doneAt)
      try move(entry, from: folder, to: target, as: renamed)
    }
  }
}

extension Office {
  /// - Throws: not found.
  public func mailbox(_ name: Name) throws(PostError) -> Mailbox { try mailbox(name, completing: true) }

  /// - Parameter completing: makes directories that are missing. Not when it may just be being removed.
  package func mailbox(_ name: Name, completing: Bool) throws(PostError) -> Mailbox {
    do throws(Errno) {
      guard try isWhole(MailboxLayout(name)) else { throw .noEntry }
      var made = [Path]()
      if completing { try complete(MailboxLayout(name), noting: &made) }
      return try Mailbox(name, self)
    } catch .noEntry {
      throw PostError(
        .notFound, "there is no mailbox '\(name)' in \(path); post subscribe \(name) TOPIC makes it")
    } catch {
      throw trouble(error, "cannot open mailbox \(name) in \(path)")
    }
  }

  /// The mailbox of this name, made if it is missing.
  @discardableResult
  public func makeMailbox(_ name: Name) throws(PostError) -> Mailbox {
    let layout = MailboxLayout(name)
    try attemptMaking("cannot make \(path)/\(layout.root)") { (made) throws(Errno) in
      try complete(layout, noting: &made)
    }
    return try attempt("cannot open mailbox \(name) in \(path)") { () throws(Errno) in
      try Mailbox(name, self)
    }
  }

  /// Makes the directories that a mailbox lacks: git, backups and tidy people drop empty ones.
  private func complete(_ layout: MailboxLayout, noting made: inout [Path]) throws(Errno) {
    var isComplete = true
    for folder in layout.required where isComplete { isComplete = try root.exists(folder) }
    if isComplete { return }
    try make([layout.root], in: Layout.mailboxes, noting: &made)
    try root.sync()
    // Whoever sees these all relies on the rest being durable: they come after the syncs.
    try make(layout.required, in: layout.root, noting: &made)
  }

  /// Whether a mailbox is there. If somebody died while `new` was being sealed, where that takes two steps, its
  /// bags tell.
  private func isWhole(_ layout: MailboxLayout) throws(Errno) -> Bool {
    if try root.exists(layout[.new]) { return true }
    return try !bags(of: layout[.new]).isEmpty
  }
}
