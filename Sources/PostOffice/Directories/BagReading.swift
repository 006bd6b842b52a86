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
package struct BagsOfPlace {
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
  func foldersNow(of folder: Path) throws(Errno) -> (live: OpenDirectory?, bags: BagsOfPlace) {
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

  func openIfThere(_ folder: Path) throws(Errno) -> OpenDirectory? {
    let isBag = Bag(folder.name) != nil
    do throws(Errno) {
      return OpenDirectory(folder, try root.directory(folder, following: !isBag))
    } catch .noEntry {
      return nil
    } catch let error where isBag && (error == .notDirectory || error == .loop) {
      return nil  // planted
    }
  }
}
