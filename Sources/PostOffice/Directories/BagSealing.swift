// Sealing a full directory, and removing bags that are empty.
//
// - Sealing is one system call, renameat2(2) with RENAME_EXCHANGE: an empty directory and the full one change places.
//   Both have a durable name before and after it, and the full one is synced before, so that a process that finds a
//   letter in a bag may rely on it (CrashSafety I27). A process that has the directory open goes on in the bag.
// - A bag is removed by rmdir(2), which leaves one that a letter has just come into. Before that it is durable that its
//   letters have left it, and that it is a bag (CrashSafety I29).
// - Sealers and removers of one topic or mailbox exclude each other by a lock on its `bags/`; none waits. What cannot
//   be sealed now is sealed by the next process that finds it full.
// - Where a file system cannot exchange names, two renames do it, and the place is missing for a moment; a process that
//   comes then sees by the bags that the mailbox exists, and makes the place.

import Linux

extension Office {
  /// Seals a directory of a topic or mailbox if it is full and can be sealed now.
  /// - Parameters:
  ///   - folder: its path, such as `mailboxes/stock/new`.
  ///   - size: its size, as stat(2) tells it.
  /// - Returns: whether it was sealed: then the caller prunes a few old bags of that place.
  @discardableResult
  func sealIfFull(_ folder: Path, size: Int64) -> Bool {
    guard size > Bag.limit, !unsealable.contains(folder) else { return false }
    do throws(Errno) { return try seal(folder) } catch let error
      where error == .notPermitted || error == .denied || error == .crossDevice
    {
      unsealable.insert(folder)
    } catch {}
    return false
  }

  /// Seals a full directory. One that has grown and is empty by now is replaced, and leaves no bag.
  /// - Parameter ifEmpty: only replaces an empty one, and does nothing with another.
  /// - Returns: false if another process is sealing it or has just sealed it.
  func seal(_ folder: Path, ifEmpty: Bool = false) throws(Errno) -> Bool {
    guard let kind = Bag.Kind(folder) else { return false }
    let (bagsPath, place) = (Layout.bags(of: folder), folder.name)
    let parent = try root.directory(folder.parent)
    if try !root.exists(bagsPath) { try makeBag(bagsPath, like: parent) }
    let bags = try root.directory(bagsPath)
    guard try bags.tryLock() else { return false }
    // A symlink would lead elsewhere from there.
    guard try parent.status(place).kind == .directory else { return false }
    let full = try parent.directory(place)
    guard try full.file.status().size > Bag.limit else { return false }
    let isEmpty = try full.isEmpty()
    if ifEmpty {
      // In strict order a claimer holds this lock on an empty cur/.
      guard isEmpty, try full.tryLock() else { return false }
    }
    var bag = try nextBag(kind, of: folder)
    bag.isShelved = kind.goesOnShelves && bag.number >= Bag.firstShelved && !isEmpty
    if bag.isShelved { try makeBag(bagsPath / bag.shelf.name, like: bags) }
    let shelf = try bags.directory(bag.isShelved ? bag.shelf.name : ".")
    let name = bag.name
    do throws(Errno) {
      do throws(Errno) { try shelf.makeDirectory(name) } catch .exists {}
      try shelf.directory(name).copyAccess(of: full)  // the first call to fail, if this user may not seal it
      // The processes that put names into it may have died before their syncs, and none would sync them in a bag.
      try full.sync()
      try parent.sync()  // the process that made bags/ may have died before its sync
      if bag.isShelved { try bags.sync() }  // or the one that made the shelf
      try shelf.sync()  // the empty one gets letters at once
      if isEmpty {
        try parent.replace(place, with: bagsPath.name / name)  // fails if a letter has come meanwhile
      } else {
        try exchange(parent, place, shelf, bag)
      }
    } catch {
      try? shelf.removeDirectory(name)
      if bag.isShelved { try? bags.removeDirectory(bag.shelf.name) }
      throw error
    }
    try parent.sync()
    try shelf.sync()
    return true
  }

  /// The name of a directory that is sealed now, as a bag.
  private func nextBag(_ kind: Bag.Kind, of folder: Path) throws(Errno) -> Bag {
    let bags = try bags(of: folder)
    // Those of later/ tell a time: in a second, every process that is putting a letter into it will have done so.
    var free = Bag(kind, kind == .later ? Clock.wall / 1_000_000_000 + 1 : 1)
    if kind != .later, let last = bags.last, let next = last.next { return next }
    // A number without a successor was planted; then the first free one will do.
    for bag in bags where bag.number == free.number {
      guard let next = kind == .later ? bag.nextPart ?? free.next : free.next else { throw .exists }
      free = next
    }
    return free
  }

  private func exchange(
    _ parent: borrowing Directory, _ place: Path, _ shelf: borrowing Directory, _ bag: Bag
  ) throws(Errno) {
    do throws(Errno) { try parent.exchange(place, with: shelf, bag.name) } catch .invalid {
      // The file system cannot exchange. Between the two renames the place is missing.
      guard let other = bag.nextPart else { throw .exists }
      try parent.rename(place, to: shelf, other.name)
      try shelf.rename(bag.name, to: parent, place)
    }
  }

  /// Makes a `bags/`, a shelf or a bag, if it is missing.
  /// - Parameter model: the directory whose owner and mode it gets.
  /// - Throws: if it cannot get them; then it is not made.
  func makeBag(_ path: Path, like model: borrowing Directory) throws(Errno) {
    var isNew = true
    do throws(Errno) { try root.makeDirectory(path) } catch .exists { isNew = false }
    do throws(Errno) { try root.directory(path).copyAccess(of: model) } catch {
      // One that was there stays as it is.
      if !isNew, error != .noEntry { return }
      try? root.removeDirectory(path)
      throw error
    }
  }

  /// Removes the empty bags of a topic or mailbox: the process that emptied one, or made one to seal with, may have
  /// died before it removed it.
  /// - Parameter owner: the directory of the topic or mailbox.
  func removeEmptyBags(of owner: Path) {
    let bagsPath = Layout.bags(of: owner / "new")
    guard let bags = try? root.directory(bagsPath) else { return }
    var (names, shelved) = ([Path](), [Path]())
    try? bags.forEachEntry { name, _ in if Bag(name) != nil { names.append(Path(name)) } }
    for shelf in names where Bag(shelf)?.isShelf == true {
      try? root.forEachEntry(in: bagsPath / shelf) { name, _ in
        if Bag(name) != nil { shelved.append(shelf / Path(name)) }
      }
    }
    var empty = (shelved + names).filter { name in
      guard let bag = try? bags.directory(name) else { return false }
      return (try? bag.isEmpty()) == true
    }[...]
    while !empty.isEmpty {
      removeBags(empty.prefix(Office.bagsAtOnce).map { bagsPath / $0 })
      empty = empty.dropFirst(Office.bagsAtOnce)
    }
    if names.isEmpty { try? root.removeDirectory(bagsPath) }
  }

  /// Removes bags of one topic or mailbox that were found empty. One that a letter has come into since stays.
  func removeBags(_ paths: [Path]) {
    guard let parent = paths.first?.parent else { return }
    let bagsPath = Bag(parent.name)?.isShelf == true ? parent.parent : parent
    do throws(Errno) {
      let bags = try root.directory(bagsPath)
      guard try bags.tryLock() else { return }  // a sealer has just made an empty one
      var empty = [LetterDirectory]()
      for path in paths {
        guard let bag = try openIfThere(path), try bag.directory.isEmpty() else { continue }
        try bag.directory.sync()
        if path.parent != bagsPath { try root.directory(path.parent).sync() }
        empty.append(bag)
      }
      if empty.isEmpty { return }
      try bags.sync()
      try root.directory(bagsPath.parent).sync()
      for bag in empty {
        do throws(Errno) {
          // A sealer may have put a full one in its place.
          guard try root.status(bag.path).inode == bag.directory.file.status().inode else { continue }
          try root.removeDirectory(bag.path)
          if bag.path.parent != bagsPath { try root.removeDirectory(bag.path.parent) }  // if it was the last
        } catch .noEntry {} catch .notEmpty {} catch .exists {}
      }
      try root.removeDirectory(bagsPath)  // if they were the last
    } catch {}  // not now: the next process that finds them empty tries again
  }
}
