// The moves of letters within a mailbox: claims, settlements and returns. Each is one rename, so a letter is in one
// state at a time (CrashSafety I20), and none replaces a name (I13).
//
// - A letter and the sync of its new name go through one open directory, for the directory may be sealed between the
//   two (I14). `cur/` is never sealed and is used by its path; so is `later/`, into whose bags no letter may come once
//   their time was looked at.
// - Until `sync()`, a power cut may undo a move. It makes durable where letters went, then where they came from (I25).
//   A sync that failed is reported and not repeated (I16).
// - On a full disk the office gives up its ballast for a move.

import Linux

final class LetterMoves {
  private let office: Office
  private let mailbox: Name
  private let layout: MailboxLayout
  /// The directories that letters go into, by place.
  private var targets: [Place: LetterDirectory] = [:]
  /// Where letters went, and directories that they left, since the last sync.
  private var unsynced: (places: Set<Place>, sources: Set<Path>) = ([], [])
  /// Why a full target could not be made durable.
  private var syncTrouble: PostError?
  private var count = 0

  /// How often a target is opened again after a reader removed it, as an empty bag.
  private static let openings = 8
  /// All mailboxes of an office together hold so many targets open.
  private static let targetLimit = 32
  /// After so many letters it is seen whether the target is full.
  private static let targetLoad = 256

  init(_ office: Office, _ mailbox: Name) {
    (self.office, self.mailbox, layout) = (office, mailbox, MailboxLayout(mailbox))
  }

  deinit { office.openTargets -= targets.count }

  // MARK: Moving

  /// Moves a letter within the mailbox. If another letter has the name, because a foreign program chose it twice, this
  /// one gets a new ID; a second link to the same letter is removed. A claim is bound to its name: its caller decides.
  /// - Parameter folder: where it is: the directory of a place, or one of its bags.
  /// - Throws: no entry, if another process has moved the letter; exists, if a claim's name is taken.
  func move(_ letter: Path, from folder: Path, to place: Place, as newName: EntryName) throws(Errno) {
    var name = newName
    try Ballast(office).sparing(in: layout.root) { () throws(Errno) in
      for _ in 0..<LetterMoves.openings {
        do throws(Errno) {
          if let target = try target(place) {
            try office.root.rename(folder / letter, to: target.directory, name.path)
          } else {
            try office.root.rename(folder / letter, to: office.root, layout[place] / name.path)
          }
          return noteMove(from: folder, to: place)
        } catch .noEntry {
          guard try office.root.exists(folder / letter) else { throw .noEntry }
          drop(place)
        } catch .denied {
          // A bag whose maker, another user, died before it had the right permissions.
          guard place == .new, let target = targets[.new], target.path != layout[.new] else { throw .denied }
          drop(.new)
          try open(layout[.new], for: .new)
        } catch .exists where place != .cur {
          if try removeIfSecondLink(folder / letter, of: name, in: place) {
            return noteMove(from: folder, to: place)
          }
          let id = office.ids.next(now: Clock.wall, foreign: true)
          name = EntryName(id, attempt: name.attempt, until: name.until, doneAt: name.doneAt)
        }
      }
      throw .noEntry
    }
  }

  /// Removes a letter whose new name is that of the same letter, handled twice after a crash: one link will do.
  func removeIfSecondLink(_ letter: Path, of name: EntryName, in place: Place) throws(Errno) -> Bool {
    if !name.id.isOurs {
      let other =
        if let target = try target(place) { try target.directory.status(name.path).inode } else {
          try office.root.status(layout[place] / name.path).inode
        }
      guard try office.root.status(letter).inode == other else { return false }
    }
    try office.root.remove(letter)
    return true
  }

  /// Another process, which may have died before its moves were durable, moved letters from these places, or into this
  /// one: the next sync makes them durable, too.
  func adoptMoves(from sources: [Place], to place: Place? = nil) {
    for source in sources { unsynced.sources.insert(layout[source]) }
    if let place { unsynced.places.insert(place) }
  }

  private func noteMove(from folder: Path, to place: Place) {
    unsynced.sources.insert(folder)
    if place == .cur { return }  // a claim that a power cut undoes waits again
    unsynced.places.insert(place)
    // Many letters that move at once must not fill one directory with all of them.
    guard let target = targets[place] else { return }
    count += 1
    guard count % LetterMoves.targetLoad == 0 else { return }
    guard let size = try? target.directory.file.status().size, size > Bag.limit else { return }
    do throws(Errno) { try target.directory.sync() } catch {
      syncTrouble = PostError(error, "cannot make \(target.path) durable")
    }
    drop(place)
    sealIfFull(target)
  }

  // MARK: Targets

  /// The directory into which letters of a place go; nil: it is used by its path.
  private func target(_ place: Place) throws(Errno) -> LetterDirectory? {
    if let target = targets[place] { return target }
    if place == .cur || place == .later || office.openTargets >= LetterMoves.targetLimit { return nil }
    do throws(Errno) {
      return try open(place == .new ? folderForReturns() : layout[place], for: place)
    } catch let error where error == .processFiles || error == .systemFiles { return nil }
  }

  @discardableResult
  private func open(_ path: Path, for place: Place) throws(Errno) -> LetterDirectory {
    let target = try LetterDirectory(opening: path, of: office)
    targets[place] = target
    office.openTargets += 1
    return target
  }

  private func drop(_ place: Place) {
    if targets.removeValue(forKey: place) != nil { office.openTargets -= 1 }
  }

  /// The open targets, by place. The next letters go to wherever it is right by then.
  private func takeTargets() -> [Place: LetterDirectory] {
    defer { targets = [:] }
    office.openTargets -= targets.count
    return targets
  }

  /// Where a letter that comes back goes: if others wait in bags, not behind them all.
  private func folderForReturns() throws(Errno) -> Path {
    let new = layout[.new]
    let home = Layout.bags(of: new)
    for _ in 0..<LetterMoves.openings {
      let bags = try office.bagsNow(of: new)
      if bags.sealed.isEmpty { return new }
      var bag = bags.returns.max() ?? Bag(.again, 1)
      if let size = try? office.root.status(home / bag.name).size, size > Bag.limit {
        guard let next = bag.next else { return new }
        bag = next
      }
      do throws(Errno) {
        try office.makeBag(home / bag.name, like: try office.root.directory(new))
        // Also if the bag was there: its maker may have died before it was durable.
        try office.root.directory(home).sync()
        return home / bag.name
      } catch let error where error == .notPermitted || error == .denied {
        return new  // this user may not make it: behind the others, then
      } catch .noEntry { continue }  // readers have just emptied it, or all of them
    }
    return new
  }

  private func sealIfFull(_ target: LetterDirectory) {
    // Bags are not sealed again.
    guard target.path.parent == layout.root, let size = try? target.directory.file.status().size else {
      return
    }
    office.sealIfFull(target.path, size: size, of: mailbox)
  }

  // MARK: Syncing

  /// Makes the moves so far durable. Until then a power cut may give letters back that were done.
  func sync() throws(PostError) {
    let open = takeTargets()
    let (places, sources) = (Place.allCases.filter(unsynced.places.contains), unsynced.sources)
    unsynced = ([], [])  // now: a sync that failed is not repeated
    var trouble = syncTrouble.take()
    func sync(_ path: Path, _ sync: () throws(Errno) -> Void) {
      do throws(Errno) { try sync() } catch {
        trouble = trouble ?? PostError(error, "cannot make \(path) durable")
      }
    }
    var folders = [LetterDirectory]()
    for place in places {
      if let target = open[place] {
        folders.append(target)
      } else {
        sync(layout[place]) { () throws(Errno) in
          // If it was sealed just then, a power cut may undo a retry: the letter is tried again all the same.
          guard place == .later else { return try office.syncSealed(layout[place], []) }
          folders.append(try LetterDirectory(opening: layout[place], of: office))
        }
      }
    }
    // Where letters came from, too: btrfs, cut off, shows a renamed letter under both names if only the new one's
    // directory was synced. Those last, as far as that goes: then a rename that a file system tears leaves both names.
    for folder in folders.filter({ !sources.contains($0.path) })
      + folders.filter({ sources.contains($0.path) })
    {
      sync(folder.path) { () throws(Errno) in try folder.directory.sync() }
    }
    // cur/ before bags: a letter that was claimed came from there.
    for path in sources.sorted(by: { $0 == layout[.cur] || $1 != layout[.cur] && $0 < $1 }) {
      let isSynced = folders.contains { $0.path == path }
      sync(path) { () throws(Errno) in
        // A bag that is gone was made durable by the process that removed it.
        do throws(Errno) { try syncSource(path, isSynced: isSynced) } catch .noEntry {}
      }
    }
    if let trouble { throw trouble }
    for folder in folders { sealIfFull(folder) }
  }

  /// Makes it durable that letters left a directory. It may have been sealed since; or it was a bag of it that they
  /// left, when another process claimed them, which did not say where.
  private func syncSource(_ path: Path, isSynced: Bool) throws(Errno) {
    let isSealable = path != layout[.cur] && path.parent == layout.root
    if isSealable, try office.hasBags(of: path) {
      try office.root.directory(path).syncFileSystem()
    } else if !isSynced {
      try office.root.directory(path).sync()
    }
  }

  /// The file system of the office was synced, and with it the moves, if the mailbox lies there.
  func fileSystemWasSynced() {
    let (here, there) = (
      try? office.root.status(layout.root / ".").device, try? office.root.status(".").device
    )
    guard here == there else { return }
    unsynced = ([], [])
    for target in takeTargets().values { sealIfFull(target) }
  }
}
