// Bags: directories slow down as they fill, and ext4 never shrinks one. A full one is sealed: an empty
// directory takes its place, and the full one becomes `bags/new.0000000042`. Whoever reads takes the lowest bag
// first; whoever finds a bag empty removes it. From the hundredth on they lie on shelves, by the hundred, such as
// `bags/new.00000001xx`: so nobody reads thousands of names to find the lowest.
//
// No letter is lost on the way:
// - Sealing is one call of the kernel, and both directories bear a durable name before it and after it.
// - Whoever has the directory open goes on in the bag that it becomes. So names that must be durable are made and
//   synced through one and the same open directory; if it was removed meanwhile, that fails, and it is opened anew.
// - What is sealed while somebody looks is met all the same: the directory is opened before the bags are listed.
// - A bag goes by rmdir(2), which spares the one that a letter has just come into. Before that, what left it, and
//   its becoming a bag, are made durable.

import Linux

/// The bags of a place, in no order, shelves among them.
struct BagsOfPlace {
  var sealed: [Bag] = []
  /// Of a mailbox's `new`: those to which letters came back.
  var returns: [Bag] = []
  /// Of a mailbox's `new`: those of its `later`.
  var later: [Bag] = []
}

extension Office {
  // MARK: Reading

  /// The bags of a directory of letters, the lowest first.
  func bags(of folder: Path) throws(Errno) -> [Bag] {
    var (rest, found) = (try bagsNow(of: folder).sealed, [Bag]())
    while let bag = rest.popLast() {
      if bag.isShelf { rest += try bags(on: bag, of: folder) } else { found.append(bag) }
    }
    return found.sorted()
  }

  /// The bags of a directory of letters; those on shelves are not looked for.
  func bagsNow(of folder: Path) throws(Errno) -> BagsOfPlace {
    var bags = BagsOfPlace()
    let kind = Bag.Kind(folder)
    try forEachBag(in: Layout.bags(of: folder)) { bag in
      if bag.kind == kind {
        bags.sealed.append(bag)
      } else if kind == .new, bag.kind == .again {
        bags.returns.append(bag)
      } else if kind == .new, bag.kind == .later {
        bags.later.append(bag)
      }
    }
    return bags
  }

  private func bags(on shelf: Bag, of folder: Path) throws(Errno) -> [Bag] {
    var bags = [Bag]()
    try forEachBag(in: shelf.path(in: Layout.bags(of: folder))) { bag in
      if bag.shelf != shelf || bag.isShelf { return }
      bags.append(bag)
      bags[bags.count - 1].isShelved = true
    }
    return bags
  }

  private func forEachBag(in folder: Path, _ body: (Bag) -> Void) throws(Errno) {
    do throws(Errno) {
      try root.forEachEntry(in: folder) { name, _ in if let bag = Bag(name) { body(bag) } }
    } catch .noEntry {} catch .notDirectory {} catch .loop {}  // planted: no letters are there
  }

  /// Takes the lowest bag of a directory out of some. Mostly the first that is looked at is the last: neither are all
  /// sorted, nor all shelves looked at.
  func popLowest(_ bags: inout [Bag], of folder: Path) throws(Errno) -> Bag? {
    while let lowest = bags.indices.min(by: { bags[$0] < bags[$1] }) {
      bags.swapAt(lowest, bags.count - 1)
      let bag = bags.removeLast()
      if !bag.isShelf { return bag }
      bags += try self.bags(on: bag, of: folder)
    }
    return nil
  }

  /// Whether a directory of letters has bags; of `new`, also those of letters that came back.
  func hasBags(of folder: Path) throws(Errno) -> Bool {
    let bags = try bagsNow(of: folder)
    return !bags.sealed.isEmpty || !bags.returns.isEmpty
  }

  /// Goes through the directories in which the letters of a place lie: its bags, the lowest first, and last the
  /// directory itself. What is missing has no letters.
  /// Of a mailbox's `new`, the bags with letters that came back are first.
  /// - Parameter body: gets the directory's path by now, and the directory; says whether to go on.
  func forEachFolder(
    of folder: Path, _ body: (_ path: Path, _ directory: borrowing Directory) throws(Errno) -> Bool
  ) throws(Errno) {
    let home = Layout.bags(of: folder)
    var (live, bags) = try foldersNow(of: folder)
    func next() throws(Errno) -> Bag? {
      if let bag = try popLowest(&bags.returns, of: folder) { return bag }
      return try popLowest(&bags.sealed, of: folder)
    }
    let status = try live?.directory.file.status()
    while let bag = try next() {
      let path = bag.path(in: home)
      guard let open = try openIfThere(path) else { continue }
      // Sealed since it was opened, and before its shelf was looked at: it comes here, and no more.
      if bag.isShelved, let own = status {
        let found = try open.directory.file.status()
        if (found.inode, found.device) == (own.inode, own.device) { live = nil }
      }
      guard try body(path, open.directory) else { return }
    }
    if let live { _ = try body(folder, live.directory) }
  }

  /// The directory of a place, open; and its bags, as they are after that.
  func foldersNow(of folder: Path) throws(Errno) -> (live: OpenFolder?, bags: BagsOfPlace) {
    for _ in 0..<4 {
      let live = try openIfThere(folder)
      let bags = try bagsNow(of: folder)
      if bags.sealed.isEmpty { return (live, bags) }
      // Sealed since it was opened? Then it is met as a bag, and another has taken its place.
      let inode = try live?.directory.file.status().inode
      let now = try? root.status(folder)
      let isSymlink = now?.kind == .symlink  // to look through it takes the right to search
      if inode == nil || inode == (isSymlink ? try? root.status(folder / ".") : now)?.inode {
        return (live, bags)
      }
    }
    throw .again  // a thousand letters came between two calls, four times
  }

  /// Goes through the names of the letters of a place, in no order.
  func forEachLetter(
    of folder: Path, _ body: (_ folder: Path, _ name: UnsafeRawBufferPointer, _ inode: UInt64) -> Void
  ) throws(Errno) {
    try forEachFolder(of: folder) { path, directory throws(Errno) in
      try directory.forEachEntry { name, inode in
        if name.first != UInt8(ascii: ".") { body(path, name, inode) }
      }
      return true
    }
  }

  /// The bag in which a letter lies that was in the directory itself when it was seen.
  func bag(with name: Path, of place: Path) throws(Errno) -> Path? {
    for bag in try bags(of: place).reversed() {
      let path = bag.path(in: Layout.bags(of: place))
      if try root.exists(path / name) { return path }
    }
    return nil
  }

  func openIfThere(_ folder: Path) throws(Errno) -> OpenFolder? {
    let isBag = Bag(folder.name) != nil
    do throws(Errno) {
      return OpenFolder(folder, try root.directory(folder, following: !isBag))
    } catch .noEntry {
      return nil
    } catch let error where isBag && (error == .notDirectory || error == .loop) {
      return nil  // planted
    }
  }

  // MARK: Sealing

  /// Seals a directory of a topic or mailbox if it is full, and then removes a little of what is old there. That it
  /// cannot be done now is no trouble: somebody else will pass by.
  /// - Parameters:
  ///   - folder: its path, such as `mailboxes/stock/new`.
  ///   - size: its size, as stat(2) tells it.
  func sealIfFull(_ folder: Path, size: Int64) {
    guard size > Bag.limit, !unsealable.contains(folder) else { return }
    do throws(Errno) {
      if try seal(folder) { pruneAfterSealing(folder) }
    } catch let error where error == .notPermitted || error == .denied || error == .crossDevice {
      unsealable.insert(folder)
    } catch {}
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
      var empty = [OpenFolder]()
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

/// A directory of letters, held open: names are made in it and made durable, wherever it lies by then.
final class OpenFolder {
  /// Where it was opened.
  let path: Path
  let directory: Directory

  init(_ path: Path, _ directory: consuming Directory) {
    self.path = path
    self.directory = directory
  }
}
