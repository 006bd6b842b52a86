// Which letter of a mailbox is claimed next: the oldest. But of letters that are tried again, and of those that
// come for the first time, no more than a few in a row while there are some of the other kind, so that neither
// waits for all of the others. With `Order: strict` always the oldest, and only when none before it is under way.

import Linux

/// The oldest names of `new/`, held so that it need not be listed for each of them.
package struct ClaimQueue {
  /// How many names are held of each kind, if nobody says otherwise. Memory does not grow with the backlog.
  static let usualSize = 256
  /// A watcher holds so many names of each kind, over all its mailboxes; each mailbox its share, within these
  /// bounds. To fill a window, the whole directory is read.
  private static let sharedSize = 1 << 16
  private static let sizes = 64...4096

  /// The share of each of so many mailboxes.
  package static func share(of mailboxes: Int) -> Int {
    min(max(sharedSize / max(1, mailboxes), sizes.lowerBound), sizes.upperBound)
  }

  /// A name, and the directory where it lies: `new/`, or a bag.
  typealias Waiting = (folder: Path, name: Path)

  /// Letters that nobody has tried, and letters that come back; the oldest last.
  fileprivate var fresh: [Waiting] = []
  fileprivate var again: [Waiting] = []
  /// The inode of `new/` when it was looked into.
  fileprivate var inode: UInt64?
  /// There may be fresh letters, or letters that have come back, that were not there when it was filled.
  fileprivate var mayHaveFresh = true
  fileprivate var mayHaveAgain = true
  /// How many letters of one kind were taken in a row.
  private var run = (isOfAgain: false, length: 0)

  /// After so many in a row one of the other kind comes, if there is one.
  private static let runLimit = 4

  /// Letters have arrived.
  package mutating func arrived() { mayHaveFresh = true }

  /// Letters came back. They may be older than those in mind.
  package mutating func cameBack() {
    again = []
    mayHaveAgain = true
  }

  /// What is in mind may be wrong.
  mutating func forget() {
    (fresh, again) = ([], [])
    (mayHaveFresh, mayHaveAgain, isForgotten) = (true, true, true)
  }

  /// Nothing is in mind, and nobody has looked since.
  fileprivate(set) var isForgotten = false

  /// It must be filled before the next name is taken.
  fileprivate func isWorn(isStrict: Bool, freshOnly: Bool) -> Bool {
    if freshOnly { return fresh.isEmpty && mayHaveFresh }
    if again.isEmpty { return mayHaveAgain || fresh.isEmpty }
    return fresh.isEmpty && mayHaveFresh && (isStrict || run.isOfAgain && run.length >= ClaimQueue.runLimit)
  }

  /// Takes a name out.
  fileprivate mutating func next(isStrict: Bool, freshOnly: Bool) -> Waiting? {
    if freshOnly {
      if isStrict, let old = again.last, let newcomer = fresh.last, old.name < newcomer.name { return nil }
      return fresh.popLast()
    }
    var takesAgain = fresh.isEmpty
    if let newcomer = fresh.last, let old = again.last {
      takesAgain = old.name < newcomer.name
      if !isStrict, run.isOfAgain == takesAgain, run.length >= ClaimQueue.runLimit { takesAgain.toggle() }
    }
    run = (takesAgain, run.isOfAgain == takesAgain ? run.length + 1 : 1)
    return takesAgain ? again.popLast() : fresh.popLast()
  }

  /// Puts a name back that was taken out last.
  fileprivate mutating func putBack(_ letter: Waiting) {
    if EntryName.isTriedBefore(letter.name) { again.append(letter) } else { fresh.append(letter) }
  }
}

extension EntryName {
  /// Whether a file name in `new/` says that attempts were made. Most say nothing: no name is taken apart.
  fileprivate static func isTriedBefore(_ name: UnsafeRawBufferPointer) -> Bool {
    guard name.has(UInt8(ascii: ",")), let comma = name.lastIndex(of: UInt8(ascii: ",")) else { return false }
    return name[(comma + 1)...].starts(with: "A=".utf8)
  }

  fileprivate static func isTriedBefore(_ name: Path) -> Bool {
    name.bytes.withUnsafeBytes { isTriedBefore($0) }
  }
}

/// The first of many names, in memory for twice as many.
private struct Oldest {
  private let limit: Int
  private var letters: [ClaimQueue.Waiting] = []
  /// The last of those that count, once there are enough.
  private var last: Path?
  private(set) var isFull = false

  init(_ limit: Int) { self.limit = limit }

  var isEmpty: Bool { letters.isEmpty }

  mutating func add(_ name: UnsafeRawBufferPointer, _ folder: Path) {
    if let last, !last.follows(name) { return }
    letters.append((folder, Path(name)))
    if letters.count / 2 > limit + 8 { trim() }
  }

  /// The oldest last.
  var taken: [ClaimQueue.Waiting] {
    mutating get {
      trim()
      return letters.reversed()
    }
  }

  private mutating func trim() {
    letters.sort { $0.name < $1.name }
    if letters.count >= limit { isFull = true }
    if letters.count > limit { letters.removeSubrange(limit...) }
    if isFull { last = letters.last?.name }
  }
}

/// A look for the oldest letters that wait.
private struct Look {
  private let office: Office
  /// Names that are passed over.
  private let unreadable: Set<Path>?
  var fresh: Oldest
  var again: Oldest

  init(_ office: Office, _ limit: Int, _ unreadable: Set<Path>) {
    self.office = office
    self.unreadable = unreadable.isEmpty ? nil : unreadable
    (fresh, again) = (Oldest(limit), Oldest(limit))
  }

  /// Nothing has been found so far.
  var isEmpty: Bool { fresh.isEmpty && again.isEmpty }

  /// - Returns: whether there was nothing in it.
  mutating func into(_ path: Path, _ directory: borrowing Directory) throws(Errno) -> Bool {
    var isEmpty = true
    try directory.forEachEntry { bytes, _ in
      isEmpty = false
      if bytes.first == UInt8(ascii: ".") || unreadable?.contains(Path(bytes)) == true { return }
      if EntryName.isTriedBefore(bytes) { again.add(bytes, path) } else { fresh.add(bytes, path) }
    }
    return isEmpty
  }

  mutating func into(bag: Path) throws(Errno) {
    guard let open = try office.openIfThere(bag) else { return }
    if try into(bag, open.directory) { office.removeBags([bag]) }
  }
}

extension Mailbox {
  /// Whether nothing may be overtaken.
  var isStrict: Bool {
    if let order { return order == .strict }
    let order = (try? settings().order) ?? .any
    self.order = order
    return order == .strict
  }

  /// The next name that has not been offered yet.
  /// - Parameters:
  ///   - freshOnly: of letters that nobody has tried, even if it is the others' turn.
  ///   - bound: only if its ID is before this one.
  func nextName(
    freshOnly: Bool = false, before bound: LetterID? = nil
  ) throws(PostError) -> ClaimQueue.Waiting? {
    if window.isWorn(isStrict: isStrict, freshOnly: freshOnly) { try fillWindow() }
    guard let next = window.next(isStrict: isStrict, freshOnly: freshOnly) else { return nil }
    if let bound, EntryName(next.name).id >= bound {
      window.putBack(next)
      return nil
    }
    return next
  }

  /// A name in mind is gone. If its directory has been sealed meanwhile, the others are where they were, but under
  /// another path.
  func noticeSeal(_ folder: Path) {
    guard folder == layout[.new], let inode = window.inode else { return }
    if (try? office.root.status(folder).inode) != inode { window.forget() }
  }

  /// A letter has come into `new/` under this name. In strict order, one that others gave back may be older than
  /// those in mind.
  package func heard(of name: Path) {
    window.arrived()
    let isOld = EntryName.isTriedBefore(name) || window.fresh.first.map { name < $0.name } == true
    if isOld, isStrict { window.cameBack() }
  }

  /// No more letters than that will be claimed: so few names need to be held in mind.
  package func expect(_ count: Int) { windowSize = min(ClaimQueue.usualSize, max(count, 8)) }

  /// Gives letters that could not be opened another chance.
  package func forgetUnreadable() { unreadable = [] }

  /// Fills the window from the lowest bag; without bags, from `new/`; and from the lowest bag of letters that came
  /// back. Bags that are found empty go.
  private func fillWindow() throws(PostError) {
    var look = Look(office, windowSize, unreadable)
    var (mayHaveFresh, mayHaveAgain) = (false, false)
    let new = layout[.new]
    window.isForgotten = false
    window.inode = nil
    do throws(Errno) {
      let home = Layout.bags(of: new)
      var (live, bags) = if let seen = seen.take() { seen } else { try office.foldersNow(of: new) }
      while look.isEmpty, let bag = try office.popLowest(&bags.returns, of: new) {
        try look.into(bag: bag.path(in: home))
      }
      // Letters that came back without having been tried are among those: as fresh as others, and before them.
      let hasSealed = !bags.sealed.isEmpty
      while look.fresh.isEmpty, let bag = try office.popLowest(&bags.sealed, of: new) {
        try look.into(bag: bag.path(in: home))
      }
      (mayHaveFresh, mayHaveAgain) = (!bags.sealed.isEmpty, !bags.returns.isEmpty)
      if let live {
        window.inode = try live.directory.file.status().inode
        if !hasSealed || look.fresh.isEmpty {
          _ = try look.into(new, live.directory)
        } else {
          mayHaveFresh = true
        }
      }
    } catch { throw PostError(error, "cannot list \(new)") }
    window.fresh = look.fresh.taken
    window.again = look.again.taken
    window.mayHaveFresh = mayHaveFresh || look.fresh.isFull
    window.mayHaveAgain = mayHaveAgain || look.again.isFull
  }

  /// What keeps a letter from being claimed in strict order.
  package enum Block {
    /// A letter is in hands, or an earlier one waits for its next attempt.
    case letter
    /// Another process claims at this moment.
    case claimer
  }

  /// How often a name in mind may be gone, before others are left to their haste.
  private static let missLimit = 100

  /// Runs a claim if no letter is in hands, and none before the next waits for another attempt. A lock on
  /// `cur/` admits one claimer at a time, or two could find it empty.
  ///
  /// A letter that waits is put back by anybody, without that lock. So `later/` is looked through before `new/`:
  /// a letter on its way from the one to the other is seen in one of them, or in both. Names in mind count only
  /// while nothing is under way, and until a letter of ours comes back; and if one of them is gone, somebody has
  /// claimed it meanwhile, and where the letter is by now must be seen.
  /// - Parameter claim: claims letters whose IDs are before the one it is given.
  func inOrder(_ claim: (LetterID?) throws(PostError) -> [Claim]) throws(PostError) -> [Claim] {
    let what = "cannot claim a letter of mailbox \(name)"
    let cur = try attempt(what) { () throws(Errno) in try office.root.directory(layout[.cur]) }
    guard try attempt(what, { () throws(Errno) in try cur.tryLock() }) else {
      block = .claimer
      return []
    }
    // Replaced since it was opened: the lock keeps nobody out.
    let isOurs = try attempt(what) { () throws(Errno) in
      try office.root.status(layout[.cur]).inode == cur.file.status().inode
    }
    guard isOurs else {
      block = .claimer
      return []
    }
    seen = nil  // before the lock
    for _ in 0..<Mailbox.missLimit {
      var isInHands = false
      var firstLater: LetterID?
      try attempt(what) { () throws(Errno) in
        try cur.forEachName { bytes in isInHands = isInHands || EntryName(Path(bytes)).attempt != nil }
        try office.forEachLetter(of: layout[.later]) { _, bytes, _ in
          let id = EntryName(Path(bytes)).id
          firstLater = firstLater.map { min($0, id) } ?? id
        }
      }
      let isUnderWay = isInHands || firstLater != nil
      if isUnderWay { window.forget() }
      defer { if isUnderWay { window.forget() } }
      block = nil
      guard let next = try nextName() else { return [] }
      window.putBack(next)
      if isInHands || firstLater.map({ $0 < EntryName(next.name).id }) == true {
        block = .letter
        return []
      }
      let claims = try claim(firstLater)
      if !claims.isEmpty || !window.isForgotten { return claims }
    }
    block = .claimer
    return []
  }
}
