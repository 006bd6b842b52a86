// Sealing bags.

import Linux

extension Office {
  /// Seals a directory of a topic or mailbox if it is full. That it cannot be done now is no trouble: the next process
  /// that finds it full seals it.
  /// - Parameters:
  ///   - folder: its path, such as `mailboxes/stock/new`.
  ///   - size: its size, as stat(2) tells it.
  /// - Returns: whether it was sealed: then a few old bags of that place should go.
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

  /// Seals a full directory; one that is empty by now is replaced, and leaves no bag.
  /// - Parameter ifEmpty: only replaces a directory that has grown and is empty by now, and else does nothing.
  /// - Returns: false if somebody else is at it, or has just done it.
  func seal(_ folder: Path, ifEmpty: Bool = false) throws(Errno) -> Bool {
    guard let kind = Bag.Kind(folder) else { return false }
    let (home, place) = (Layout.bags(of: folder), folder.name)
    let house = try root.directory(folder.parent)
    if try !root.exists(home) { try makeBag(home, like: house) }
    let bags = try root.directory(home)
    guard try bags.tryLock() else { return false }
    // A symlink would lead elsewhere from there.
    guard try house.status(place).kind == .directory else { return false }
    let full = try house.directory(place)
    guard try full.file.status().size > Bag.limit else { return false }
    let isEmpty = try full.isEmpty()
    if ifEmpty {
      // In strict order a claimer holds cur/ by its lock, and finds nothing in it.
      guard isEmpty, try full.tryLock() else { return false }
    }
    var bag = try nextBag(kind, of: folder)
    bag.isShelved = kind.goesOnShelves && bag.number >= Bag.firstShelved && !isEmpty
    if bag.isShelved { try makeBag(home / bag.shelf.name, like: bags) }
    let shelf = try bags.directory(bag.isShelved ? bag.shelf.name : ".")
    let name = bag.name
    do throws(Errno) {
      do throws(Errno) { try shelf.makeDirectory(name) } catch .exists {}
      try shelf.directory(name).copyAccess(of: full)  // the first that fails, if it is not ours to seal
      // Whoever put names into it may have died before they were durable, and nobody looks for them in bags.
      try full.sync()
      try house.sync()  // whoever made bags/ may have died before it was durable
      if bag.isShelved { try bags.sync() }  // so may whoever made the shelf
      try shelf.sync()  // letters may come into it at once
      if isEmpty {
        try house.replace(place, with: home.name / name)  // fails if a letter has come meanwhile
      } else {
        try exchange(house, place, shelf, bag)
      }
    } catch {
      try? shelf.removeDirectory(name)
      if bag.isShelved { try? bags.removeDirectory(bag.shelf.name) }
      throw error
    }
    try house.sync()
    try shelf.sync()
    return true
  }

  /// What a directory is called when it is sealed now.
  private func nextBag(_ kind: Bag.Kind, of folder: Path) throws(Errno) -> Bag {
    let bags = try bags(of: folder)
    // Those of later/ bear a time. Whoever was about to put a letter into it will have done so by then.
    var free = Bag(kind, kind == .later ? Clock.wall / 1_000_000_000 + 1 : 1)
    if kind != .later, let last = bags.last, let next = last.next { return next }
    // A name that has no successor was planted: then the first that is free will do.
    for bag in bags where bag.number == free.number {
      guard let next = kind == .later ? bag.nextPart ?? free.next : free.next else { throw .exists }
      free = next
    }
    return free
  }

  private func exchange(
    _ house: borrowing Directory, _ place: Path, _ shelf: borrowing Directory, _ bag: Bag
  ) throws(Errno) {
    do throws(Errno) { try house.exchange(place, with: shelf, bag.name) } catch .invalid {
      // A file system that cannot. For a moment the place is missing; should we die in it,
      // whoever comes next makes it anew.
      guard let other = bag.nextPart else { throw .exists }
      try house.rename(place, to: shelf, other.name)
      try shelf.rename(bag.name, to: house, place)
    }
  }

  /// Makes a bag for letters that move within a place, if it is not there.
  /// - Throws: what keeps us from making it like the others: then it is not there.
  func makeBag(_ path: Path, like model: borrowing Directory) throws(Errno) {
    var isNew = true
    do throws(Errno) { try root.makeDirectory(path) } catch .exists { isNew = false }
    do throws(Errno) { try root.directory(path).copyAccess(of: model) } catch {
      // Another's is as that one made it.
      if !isNew, error != .noEntry { return }
      try? root.removeDirectory(path)
      throw error
    }
  }

  /// Removes the bags of a topic or mailbox in which nothing lies: whoever emptied one, or made one to seal with, may
  /// have died before it was gone.
  func removeEmptyBags(of room: Path) {
    let home = Layout.bags(of: room / "new")
    guard let bags = try? root.directory(home) else { return }
    var (names, shelved) = ([Path](), [Path]())
    try? bags.forEachEntry { name, _ in if Bag(name) != nil { names.append(Path(name)) } }
    for shelf in names where Bag(shelf)?.isShelf == true {
      try? root.forEachEntry(in: home / shelf) { name, _ in
        if Bag(name) != nil { shelved.append(shelf / Path(name)) }
      }
    }
    var empty = (shelved + names).filter { name in
      guard let bag = try? bags.directory(name) else { return false }
      return (try? bag.isEmpty()) == true
    }[...]
    while !empty.isEmpty {
      removeBags(empty.prefix(Office.bagsAtOnce).map { home / $0 })
      empty = empty.dropFirst(Office.bagsAtOnce)
    }
    if names.isEmpty { try? root.removeDirectory(home) }
  }

  /// Removes bags of one topic or mailbox in which there was nothing. If a letter has come into one meanwhile, it stays.
  func removeBags(_ paths: [Path]) {
    guard let parent = paths.first?.parent else { return }
    let home = Bag(parent.name)?.isShelf == true ? parent.parent : parent
    do throws(Errno) {
      // Whoever is sealing has made one that is empty.
      let lock = try root.directory(home)
      guard try lock.tryLock() else { return }
      var empty = [OpenDirectory]()
      for path in paths {
        guard let bag = try openIfThere(path), try bag.directory.isEmpty() else { continue }
        try bag.directory.sync()
        if path.parent != home { try root.directory(path.parent).sync() }
        empty.append(bag)
      }
      if empty.isEmpty { return }
      try lock.sync()
      try root.directory(home.parent).sync()
      for bag in empty {
        do throws(Errno) {
          // Another may bear the name by now: a full one, in exchange for it.
          guard try root.status(bag.path).inode == bag.directory.file.status().inode else { continue }
          try root.removeDirectory(bag.path)
          if bag.path.parent != home { try root.removeDirectory(bag.path.parent) }  // if it was the last
        } catch .noEntry {} catch .notEmpty {} catch .exists {}
      }
      try root.removeDirectory(home)  // if they were the last
    } catch {}
  }
}
