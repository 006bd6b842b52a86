// Bags: directories slow down as they fill, and ext4 never shrinks one. A full one is sealed: an empty
// directory takes its place, and the full one becomes `bags/new.0000000042`. Whoever reads takes the lowest bag
// first; whoever finds a bag empty removes it.
//
// No letter is lost on the way:
// - Sealing is one call of the kernel, and both directories bear a durable name before it and after it.
// - Whoever has the directory open goes on in the bag that it becomes. So names that must be durable are made and
//   synced through one and the same open directory; if it was removed meanwhile, that fails, and it is opened anew.
// - What is sealed while somebody looks is met all the same: the directory is opened before the bags are listed.
// - A bag goes by rmdir(2), which spares the one that a letter has just come into. Before that, what left it, and
//   its becoming a bag, are made durable.

import Linux

/// A sealed directory. There may be thousands, and every reader reads the names of them all.
struct Bag: Hashable, Comparable {
  /// Which directory it was.
  enum Kind: CaseIterable {
    case new
    /// Letters that came back into `new` while others waited in bags.
    case again
    case cur, later, done, failed, tmp

    /// Its name.
    var word: StaticString {
      switch self {
      case .new: "new"
      case .again: "again"
      case .cur: "cur"
      case .later: "later"
      case .done: "done"
      case .failed: "failed"
      case .tmp: "tmp"
      }
    }

    private static let all = allCases

    /// - Parameter isFit: gets the name.
    fileprivate init?(where isFit: (UnsafeRawBufferPointer) -> Bool) {
      let kind = Kind.all.first {
        isFit(UnsafeRawBufferPointer(start: $0.word.utf8Start, count: $0.word.utf8CodeUnitCount))
      }
      guard let kind else { return nil }
      self = kind
    }

    /// That of a directory; nil: it is never sealed.
    init?(_ folder: Path) {
      let name = folder.name
      self.init { name.isSame(as: $0) }
    }
  }

  let kind: Kind
  /// The lowest is read first. Of bags of `later`: no letter in it is due before, seconds since 1970.
  let number: Int64
  /// Of several bags of one number: which it is.
  var part = 0
  /// Its inode; 0 if it is not known.
  var inode: UInt64 = 0

  init(_ kind: Kind, _ number: Int64, part: Int = 0) {
    (self.kind, self.number, self.part) = (kind, number, part)
  }

  /// Reads the name of a bag; nil: it is none.
  init?(_ name: UnsafeRawBufferPointer, inode: UInt64 = 0) {
    guard let kind = Kind(where: { name.begins(with: $0) }) else { return nil }
    var index = kind.word.utf8CodeUnitCount
    func next() -> Int64? {
      guard index < name.count, name[index] == UInt8(ascii: ".") else { return nil }
      index += 1
      let (start, end) = (index, min(name.count, index + 15))
      var value: Int64 = 0
      while index < end, name[index].isDigit {
        value = value &* 10 &+ Int64(name[index] &- UInt8(ascii: "0"))
        index += 1
      }
      return index > start ? value : nil
    }
    guard let number = next() else { return nil }
    (self.kind, self.number, self.inode) = (kind, number, inode)
    if index == name.count { return }
    guard let part = next(), index == name.count else { return nil }
    self.part = Int(part)
  }

  init?(_ name: Path) {
    guard let bag = name.bytes.withUnsafeBytes({ Bag($0) }) else { return nil }
    self = bag
  }

  /// Its file name.
  var name: Path {
    let digits = String(number)
    let padding = String(repeating: "0", count: max(0, 10 - digits.count))
    return Path("\(kind.word).\(padding)\(digits)" + (part > 0 ? ".\(part)" : ""))
  }

  static func < (left: Bag, right: Bag) -> Bool {
    left.number == right.number ? left.part < right.part : left.number < right.number
  }

  /// A directory is full when it is larger than this: bytes, as stat(2) tells them. On ext4 some 900 letters.
  static let limit: Int64 = 64 << 10
}

extension [Bag] {
  /// Takes the lowest out. Mostly the first that is looked at is the last, and to sort them all would be in vain.
  mutating func popLowest() -> Bag? {
    guard let lowest = indices.min(by: { self[$0] < self[$1] }) else { return nil }
    swapAt(lowest, count - 1)
    return popLast()
  }
}

/// The bags of a mailbox with letters that wait, in no order.
struct BagsOfNew {
  /// Bags of `new`; or, of another place, its own.
  var sealed: [Bag] = []
  /// Those to which letters came back.
  var returns: [Bag] = []
  var later: [Bag] = []
}

extension Office {
  // MARK: Reading

  /// The bags of a directory of letters, the lowest first.
  func bags(of folder: Path) throws(Errno) -> [Bag] {
    let kind = Bag.Kind(folder)
    var found = [Bag]()
    try forEachBag(beside: folder) { bag in if bag.kind == kind { found.append(bag) } }
    return found.sorted()
  }

  /// The bags of a mailbox's `new`, and those of its `later`.
  func bagsOfNew(_ new: Path) throws(Errno) -> BagsOfNew {
    var bags = BagsOfNew()
    try forEachBag(beside: new) { bag in
      switch bag.kind {
      case .new: bags.sealed.append(bag)
      case .again: bags.returns.append(bag)
      case .later: bags.later.append(bag)
      case .cur, .done, .failed, .tmp: break
      }
    }
    return bags
  }

  /// Whether a directory of letters has bags; of `new`, also those of letters that came back.
  func hasBags(of folder: Path) throws(Errno) -> Bool {
    if folder.name != "new" { return try !bags(of: folder).isEmpty }
    let bags = try bagsOfNew(folder)
    return !bags.sealed.isEmpty || !bags.returns.isEmpty
  }

  private func forEachBag(beside folder: Path, _ body: (Bag) -> Void) throws(Errno) {
    do throws(Errno) {
      try root.forEachEntry(in: Layout.bags(of: folder)) { name, inode in
        if let bag = Bag(name, inode: inode) { body(bag) }
      }
    } catch .noEntry {}
  }

  /// Goes through the directories in which the letters of a place lie: its bags, the lowest first, and last the
  /// directory itself. What is missing has no letters.
  /// Of a mailbox's `new`, the bags with letters that came back are first.
  /// - Parameter body: gets the directory's path by now, and the directory; says whether to go on.
  func forEachFolder(
    of folder: Path, _ body: (_ path: Path, _ directory: borrowing Directory) throws(Errno) -> Bool
  ) throws(Errno) {
    let home = Layout.bags(of: folder)
    let (live, bags) = try foldersNow(of: folder)
    for bag in bags.returns.sorted() + bags.sealed.sorted() {
      let path = home / bag.name
      guard let open = try openIfThere(path) else { continue }
      guard try body(path, open.directory) else { return }
    }
    if let live { _ = try body(folder, live.directory) }
  }

  /// The directory of a place, open; and its bags, as they are after that, in no order.
  func foldersNow(of folder: Path) throws(Errno) -> (live: OpenFolder?, bags: BagsOfNew) {
    for _ in 0..<4 {
      let live = try openIfThere(folder)
      let bags = folder.name == "new" ? try bagsOfNew(folder) : BagsOfNew(sealed: try self.bags(of: folder))
      if bags.sealed.isEmpty { return (live, bags) }
      // Sealed since it was opened? Then it is met as a bag, and another has taken its place.
      let inode = try live?.directory.file.status().inode
      if !bags.sealed.contains(where: { $0.inode == inode }) { return (live, bags) }
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
      let path = Layout.bags(of: place) / bag.name
      if try root.exists(path / name) { return path }
    }
    return nil
  }

  func openIfThere(_ folder: Path) throws(Errno) -> OpenFolder? {
    do throws(Errno) { return OpenFolder(folder, try root.directory(folder)) } catch .noEntry { return nil }
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
    let bag = try nextBag(kind, of: folder)
    let name = bag.name
    do throws(Errno) { try bags.makeDirectory(name) } catch .exists {}
    do throws(Errno) {
      try bags.directory(name).copyAccess(of: full)  // the first that fails, if it is not ours to seal
      // Whoever put names into it may have died before they were durable, and nobody looks for them in bags.
      try full.sync()
      try house.sync()  // whoever made bags/ may have died before it was durable
      try bags.sync()  // letters may come into it at once
      if isEmpty {
        try house.replace(place, with: home.name / name)  // fails if a letter has come meanwhile
      } else {
        try exchange(house, place, bags, bag)
      }
    } catch {
      try? bags.removeDirectory(name)
      throw error
    }
    try house.sync()
    try bags.sync()
    return true
  }

  /// What a directory is called when it is sealed now.
  private func nextBag(_ kind: Bag.Kind, of folder: Path) throws(Errno) -> Bag {
    let bags = try bags(of: folder)
    guard kind == .later else { return Bag(kind, (bags.last?.number ?? 0) + 1) }
    // Those of later/ bear a time. Whoever was about to put a letter into it will have done so by then.
    let number = Clock.wall / 1_000_000_000 + 1
    let last = bags.last { $0.number == number }
    return Bag(.later, number, part: last.map { $0.part + 1 } ?? 0)
  }

  private func exchange(
    _ house: borrowing Directory, _ place: Path, _ bags: borrowing Directory, _ bag: Bag
  ) throws(Errno) {
    do throws(Errno) { try house.exchange(place, with: bags, bag.name) } catch .invalid {
      // A file system that cannot. For a moment the place is missing; should we die in it,
      // whoever comes next makes it anew.
      try house.rename(place, to: bags, Bag(bag.kind, bag.number + 1, part: bag.part).name)
      try bags.rename(bag.name, to: house, place)
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
    var names = [Path]()
    try? bags.forEachEntry { name, _ in if Bag(name) != nil { names.append(Path(name)) } }
    var empty = names.filter { name in
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
    guard let home = paths.first?.parent else { return }
    do throws(Errno) {
      // Whoever is sealing has made one that is empty.
      let lock = try root.directory(home)
      guard try lock.tryLock() else { return }
      var empty = [OpenFolder]()
      for path in paths {
        guard let bag = try openIfThere(path), try bag.directory.isEmpty() else { continue }
        try bag.directory.sync()
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
