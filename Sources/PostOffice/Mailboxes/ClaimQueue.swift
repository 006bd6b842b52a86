// Which letter of a mailbox is claimed next: the oldest. Of letters that are tried again, and of letters that come for
// the first time, a few in a row at most while there are some of the other kind, so that neither waits for all of the
// other. With `Order: strict` always the oldest, and none while a letter is claimed or an earlier one waits for its
// next attempt.
//
// A name from the queue is a hint: another process may have claimed the letter, or the directory may have been sealed.
// The claim's rename decides (Claiming.swift), and the queue is told what it met. A letter that waits is offered sooner
// or later, if the queue is told that letters arrived or came back; one that cannot be opened is skipped until
// `retrySkipped()`. In strict order the queue never offers a letter from names that it read before the lock on `cur/`,
// unless no letter was on its way then.

import Linux

package final class ClaimQueue {
  private let office: Office
  private let mailbox: Name
  private let layout: MailboxLayout
  /// Whether one letter may overtake another; nil: not read from the settings yet.
  var order: Settings.Order?
  /// Why the last claim got no letter although some may wait; nil: none waits.
  private(set) var block: Block?
  private var window = NameWindow()
  /// How many names of each kind the window takes.
  private var windowSize = ClaimQueue.usualSize
  /// The inode of `new/` when the window was filled.
  private var listedInode: UInt64?
  /// `new/`, opened a moment ago, and its bags, listed after that: for the next time the window is filled.
  private var opened: (live: LetterDirectory?, bags: BagsOfPlace)?
  /// Names in `new/` that could not be opened.
  private var skipped: Set<Path> = []

  /// What keeps a letter from being claimed in strict order.
  package enum Block {
    /// A letter is claimed, or an earlier one waits for its next attempt.
    case letter
    /// Another process claims at this moment.
    case claimer
  }

  private static let usualSize = 256
  /// A watcher holds so many names of each kind, over all its mailboxes; each mailbox its share, within these
  /// bounds. To fill a window, the whole directory is read.
  private static let sharedSize = 1 << 16
  private static let sizes = 64...4096
  /// How many letters that cannot be opened are skipped.
  private static let skipLimit = 1024
  /// How often a name may be gone in one claim in strict order, before the letters are left to other claimers.
  private static let missLimit = 100

  init(_ office: Office, _ mailbox: Name) {
    (self.office, self.mailbox, layout) = (office, mailbox, MailboxLayout(mailbox))
  }

  /// Whether no letter may overtake another. Settings that cannot be read do not forbid it.
  var isStrict: Bool {
    let order = order ?? (try? office.settings(of: mailbox).order) ?? .any
    self.order = order
    return order == .strict
  }

  // MARK: What happened

  /// Letters have arrived in `new/`.
  func lettersArrived(named name: Path? = nil) {
    window.fresh.mayLackSome = true
    guard let name else { return }
    // In strict order, one that another process put back may be older than those in the window.
    let isOld = EntryName.isTriedBefore(name) || window.fresh.youngest.map { name < $0.name } == true
    if isOld, isStrict { window.forget() }
  }

  /// A letter of this process moved there.
  func letterMoved(to place: Place) {
    // In strict order one that waits for its next attempt counts, too: another process may put it back.
    if order == .strict, place == .new || place == .later { window.forget() }
    guard place == .new else { return }
    window.again.clear()  // it may be older than those
    opened = nil
  }

  /// The letters may be elsewhere than they were.
  func forget() { window.forget() }

  /// A name of the window was gone. If its directory has been sealed, the others are under another path now.
  func nameWasGone(from folder: Path) {
    guard folder == layout[.new], let listedInode else { return }
    if (try? office.root.status(folder).inode) != listedInode { window.forget() }
  }

  /// Only so many letters will be claimed: so many names are enough.
  func expect(_ count: Int) { windowSize = min(ClaimQueue.usualSize, max(count, 8)) }

  /// The process serves so many mailboxes, which share the memory for names.
  func shareMemory(among mailboxes: Int) {
    let share = ClaimQueue.sharedSize / max(1, mailboxes)
    windowSize = min(max(share, ClaimQueue.sizes.lowerBound), ClaimQueue.sizes.upperBound)
  }

  // MARK: Letters that cannot be opened

  var hasSkipped: Bool { !skipped.isEmpty }

  /// Offers a letter no more, until ``retrySkipped()``.
  /// - Returns: false if too many are skipped.
  @discardableResult
  func skip(_ name: Path) -> Bool {
    guard skipped.count < ClaimQueue.skipLimit else { return false }
    skipped.insert(name)
    return true
  }

  func retrySkipped() {
    skipped = []
    lettersArrived()
  }

  // MARK: The next letter

  /// The next name that has not been offered yet.
  /// - Parameters:
  ///   - freshOnly: of letters that come for the first time, even if it is the turn of the others.
  ///   - bound: only if its ID is before this one.
  func nextName(freshOnly: Bool = false, before bound: LetterID? = nil) throws(PostError) -> WaitingName? {
    if window.isUsedUp(isStrict: isStrict, freshOnly: freshOnly) { try fillWindow() }
    guard let next = window.next(isStrict: isStrict, freshOnly: freshOnly) else { return nil }
    if let bound, EntryName(next.name).id >= bound {
      window.putBack(next)
      return nil
    }
    return next
  }

  /// Opens `new/` and lists the bags for the next time the window is filled.
  /// - Returns: the bags of `later/`.
  func openNew() throws(PostError) -> [Bag] {
    let opened = try attempt("cannot list", "\(layout[.new])") { () throws(Errno) in
      try office.foldersNow(of: layout[.new])
    }
    self.opened = opened
    return opened.bags.later
  }

  /// Fills the window from the lowest bag; without bags, from `new/`; and from the lowest bag of letters that came
  /// back. Bags that are empty are removed.
  private func fillWindow() throws(PostError) {
    var found = NameWindow(windowSize, after: window)
    let new = layout[.new]
    listedInode = nil
    do throws(Errno) {
      let home = Layout.bags(of: new)
      var (live, bags) = if let opened = opened.take() { opened } else { try office.foldersNow(of: new) }
      while found.fresh.isEmpty, found.again.isEmpty, let bag = try office.popLowest(&bags.returns, of: new) {
        try look(inBag: bag.path(in: home), &found)
      }
      // Letters that came back without having been tried are among those: as fresh as others, and before them.
      let hasSealed = !bags.sealed.isEmpty
      while found.fresh.isEmpty, let bag = try office.popLowest(&bags.sealed, of: new) {
        try look(inBag: bag.path(in: home), &found)
      }
      (found.fresh.mayLackSome, found.again.mayLackSome) = (!bags.sealed.isEmpty, !bags.returns.isEmpty)
      if let live {
        listedInode = try live.directory.file.status().inode
        if !hasSealed || found.fresh.isEmpty {
          _ = try look(in: new, live.directory, &found)
        } else {
          found.fresh.mayLackSome = true
        }
      }
    } catch { throw PostError(error, "cannot list", "\(new)") }
    found.fresh.sort()
    found.again.sort()
    window = found
  }

  /// - Returns: whether the directory is empty.
  private func look(
    in path: Path, _ directory: borrowing Directory, _ found: inout NameWindow
  ) throws(Errno) -> Bool {
    var isEmpty = true
    let skipped = skipped.isEmpty ? nil : skipped  // mostly no name is made for it
    try directory.forEachEntry { bytes, _ in
      isEmpty = false
      if bytes.first == UInt8(ascii: ".") || skipped?.contains(Path(bytes)) == true { return }
      found.add(bytes, path)
    }
    return isEmpty
  }

  private func look(inBag bag: Path, _ found: inout NameWindow) throws(Errno) {
    guard let open = try office.openIfThere(bag) else { return }
    if try look(in: bag, open.directory, &found) { office.removeBags([bag]) }
  }

  // MARK: Strict order

  /// Runs a claim. In strict order only if no letter is claimed, and none before the next waits for another attempt; a
  /// lock on `cur/` admits one claimer at a time, or two could find it empty.
  ///
  /// Any process puts letters back, without that lock. So `later/` is looked through before `new/`: a letter on its way
  /// from the one to the other is seen in one of them, or in both. Names in the window count only while no letter is on
  /// its way, and until one of ours comes back; and if one of them is gone, another process has claimed the letter, and
  /// the queue must see where it is by now.
  /// - Parameter claim: claims letters whose IDs are before the one it is given.
  func inOrder(_ claim: (LetterID?) throws(PostError) -> [Claim]) throws(PostError) -> [Claim] {
    block = nil
    guard isStrict else { return try claim(nil) }
    let (operation, place) = ("cannot claim a letter of", "mailbox \(mailbox)")
    let cur = try attempt(operation, place) { () throws(Errno) in try office.root.directory(layout[.cur]) }
    let isAlone = try attempt(operation, place) { () throws(Errno) in
      guard try cur.tryLock() else { return false }
      // If cur/ was replaced since it was opened, the lock keeps no other claimer out.
      return try office.root.status(layout[.cur]).inode == cur.file.status().inode
    }
    opened = nil  // before the lock
    var misses = isAlone ? 0 : ClaimQueue.missLimit
    while misses < ClaimQueue.missLimit {
      misses += 1
      var isClaimed = false
      var firstLater: LetterID?
      try attempt(operation, place) { () throws(Errno) in
        try cur.forEachName { bytes in isClaimed = isClaimed || EntryName(Path(bytes)).attempt != nil }
        try office.forEachLetter(of: layout[.later]) { _, bytes, _ in
          let id = EntryName(Path(bytes)).id
          firstLater = firstLater.map { min($0, id) } ?? id
        }
      }
      let isOneUnderWay = isClaimed || firstLater != nil
      if isOneUnderWay { window.forget() }
      defer { if isOneUnderWay { window.forget() } }
      guard let next = try nextName() else { return [] }
      window.putBack(next)
      if isClaimed || firstLater.map({ $0 < EntryName(next.name).id }) == true {
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
