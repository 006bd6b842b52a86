// Reading the letters of a place: its bags, the lowest first, and then the directory itself.
//
// Directories slow down as they fill, and ext4 never shrinks one. So a full one is sealed: an empty directory takes its
// place, and it becomes a bag, `bags/new.0000000042` (BagSealing.swift). From the hundredth on bags lie on shelves of a
// hundred, so that no reader lists thousands of names to find the lowest.
//
// - A search misses no letter that is sealed meanwhile: it opens the directory before it lists the bags (CrashSafety
//   I28). A directory that became a bag in between is met once.
// - A missing directory, or a bag that was removed meanwhile, has no letters. What bears the name of a bag and is no
//   directory was planted, and is skipped; a symlink in place of a bag is not followed.
// - Memory and time do not grow with the number of bags, but for their names: shelves are listed as they are needed.

import Linux

/// The bags of a place, in no order; some are shelves.
package struct BagsOfPlace {
  var sealed: [Bag] = []
  /// Of a mailbox's `new`: those with letters that came back.
  var returns: [Bag] = []
  /// Of a mailbox's `new`: the bags of its `later`.
  var later: [Bag] = []
}

extension Office {
  /// The bags of a directory of letters, the lowest first.
  func bags(of folder: Path) throws(Errno) -> [Bag] {
    var (rest, found) = (try bagsNow(of: folder).sealed, [Bag]())
    while let bag = rest.popLast() {
      if bag.isShelf { rest += try bags(on: bag, of: folder) } else { found.append(bag) }
    }
    return found.sorted()
  }

  /// The bags of a directory of letters that lie directly in its `bags/`, and the shelves there.
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
    } catch .noEntry {} catch let error where error == .notDirectory || error == .loop {
      guard try isPlanted(folder) else { throw error }
    }
  }

  /// Removes the lowest from some bags of a directory. The bags are not sorted, and only the lowest shelf is listed:
  /// most searches end with the first bag.
  func popLowest(_ bags: inout [Bag], of folder: Path) throws(Errno) -> Bag? {
    while let lowest = bags.indices.min(by: { bags[$0] < bags[$1] }) {
      bags.swapAt(lowest, bags.count - 1)
      let bag = bags.removeLast()
      if !bag.isShelf { return bag }
      bags += try self.bags(on: bag, of: folder)
    }
    return nil
  }

  /// Whether a directory of letters has bags; for `new`, also those with letters that came back.
  func hasBags(of folder: Path) throws(Errno) -> Bool {
    let bags = try bagsNow(of: folder)
    return !bags.sealed.isEmpty || !bags.returns.isEmpty
  }

  /// Goes through the directories in which the letters of a place lie: its bags, the lowest first, and last the
  /// directory itself. Of a mailbox's `new`, the bags with letters that came back are first.
  /// - Parameter body: gets the directory and its present path, and returns whether to go on.
  func forEachFolder(
    of folder: Path, _ body: (_ path: Path, _ directory: borrowing Directory) throws(Errno) -> Bool
  ) throws(Errno) {
    var (live, bags) = try foldersNow(of: folder)
    func next() throws(Errno) -> Bag? {
      if let bag = try popLowest(&bags.returns, of: folder) { return bag }
      return try popLowest(&bags.sealed, of: folder)
    }
    let status = try live?.directory.file.status()
    while let bag = try next() {
      let path = bag.path(in: Layout.bags(of: folder))
      guard let open = try openIfThere(path) else { continue }
      // The directory itself, sealed before its shelf was listed: it is met here, and not again at the end.
      if bag.isShelved, let own = status {
        let found = try open.directory.file.status()
        if (found.inode, found.device) == (own.inode, own.device) { live = nil }
      }
      guard try body(path, open.directory) else { return }
    }
    if let live { _ = try body(folder, live.directory) }
  }

  /// The directory of a place, open, and its bags, which were listed after that.
  func foldersNow(of folder: Path) throws(Errno) -> (live: LetterDirectory?, bags: BagsOfPlace) {
    for _ in 0..<4 {
      let live = try openIfThere(folder)
      let bags = try bagsNow(of: folder)
      if bags.sealed.isEmpty { return (live, bags) }
      // If it was sealed since it was opened, it is among the bags, and another directory has its place.
      let inode = try live?.directory.file.status().inode
      let now = try? root.status(folder)
      let isSymlink = now?.kind == .symlink  // this user may have no right to search where it leads
      if inode == nil || inode == (isSymlink ? try? root.status(folder / ".") : now)?.inode {
        return (live, bags)
      }
    }
    throw .again  // four times a thousand letters came between two calls
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

  /// The bag that holds a letter that was in the directory itself when it was listed; nil: none does.
  func bag(with name: Path, of place: Path) throws(Errno) -> Path? {
    for bag in try bags(of: place).reversed() {
      let path = bag.path(in: Layout.bags(of: place))
      if try root.exists(path / name) { return path }
    }
    return nil
  }

  /// Opens a directory of letters, or a bag; nil if it is missing.
  func openIfThere(_ folder: Path) throws(Errno) -> LetterDirectory? {
    let isBag = Bag(folder.name) != nil
    do throws(Errno) {
      return try LetterDirectory(opening: folder, of: self, following: !isBag)
    } catch .noEntry {
      return nil
    } catch let error where isBag && (error == .notDirectory || error == .loop) {
      guard try isPlanted(folder) else { throw error }
      return nil
    }
  }

  /// Whether a bag, a shelf or bags/ is no directory: then a program other than post put it there, and it is skipped.
  /// An error alone does not say so: to skip a bag that only could not be opened would lose its letters.
  private func isPlanted(_ bag: Path) throws(Errno) -> Bool {
    do throws(Errno) { return try root.status(bag).kind != .directory } catch .noEntry { return true }
  }
}
