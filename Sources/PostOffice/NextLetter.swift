// Which letter of a mailbox is claimed next: the oldest. But of letters that are tried again, and of those that
// come for the first time, no more than a few in a row while there are some of the other kind, so that neither
// waits for all of the others. With `Order: strict` always the oldest, and only when none before it is under way.

import Linux

/// The oldest names of `new/`, held so that it need not be listed for each of them.
struct Window {
  /// How many names are held of each kind, if nobody says otherwise. Memory does not grow with the backlog.
  static let usualSize = 256
  /// A watcher holds so many names of each kind, over all its mailboxes; each mailbox its share, within these
  /// bounds. To fill a window, the whole directory is read.
  private static let sharedSize = 1 << 16
  private static let sizes = 64...4096

  /// The share of each of so many mailboxes.
  static func share(of mailboxes: Int) -> Int {
    min(max(sharedSize / max(1, mailboxes), sizes.lowerBound), sizes.upperBound)
  }

  /// Letters that nobody has tried, and letters that come back; the oldest last.
  fileprivate var fresh: [Path] = []
  fileprivate var again: [Path] = []
  /// There may be fresh letters, or letters that have come back, that were not there when it was filled.
  fileprivate var mayHaveFresh = true
  fileprivate var mayHaveAgain = true
  /// How many letters of one kind were taken in a row.
  private var run = (isOfAgain: false, length: 0)

  /// After so many in a row one of the other kind comes, if there is one.
  private static let runLimit = 4

  /// Letters have arrived.
  mutating func arrived() { mayHaveFresh = true }

  /// Letters came back. They may be older than those in mind.
  mutating func cameBack() {
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
    return fresh.isEmpty && mayHaveFresh && (isStrict || run.isOfAgain && run.length >= Window.runLimit)
  }

  /// Takes a name out.
  fileprivate mutating func next(isStrict: Bool, freshOnly: Bool) -> Path? {
    if freshOnly {
      if isStrict, let old = again.last, let newcomer = fresh.last, old < newcomer { return nil }
      return fresh.popLast()
    }
    var takesAgain = fresh.isEmpty
    if let newcomer = fresh.last, let old = again.last {
      takesAgain = old < newcomer
      if !isStrict, run.isOfAgain == takesAgain, run.length >= Window.runLimit { takesAgain.toggle() }
    }
    run = (takesAgain, run.isOfAgain == takesAgain ? run.length + 1 : 1)
    return takesAgain ? again.popLast() : fresh.popLast()
  }

  /// Puts a name back that was taken out last.
  fileprivate mutating func putBack(_ name: Path) {
    if EntryName.isTriedBefore(name) { again.append(name) } else { fresh.append(name) }
  }
}

extension EntryName {
  /// Whether a file name in `new/` says that attempts were made. Most say nothing: no name is taken apart.
  fileprivate static func isTriedBefore(_ name: Path) -> Bool {
    guard let comma = name.bytes.lastIndex(of: UInt8(ascii: ",")) else { return false }
    return name.bytes[(comma + 1)...].starts(with: "A=".utf8)
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
  func nextName(freshOnly: Bool = false, before bound: LetterID? = nil) throws(PostError) -> Path? {
    if window.isWorn(isStrict: isStrict, freshOnly: freshOnly) { try fillWindow() }
    guard let name = window.next(isStrict: isStrict, freshOnly: freshOnly) else { return nil }
    if let bound, EntryName(name).id >= bound {
      window.putBack(name)
      return nil
    }
    return name
  }

  /// A letter has come into `new/` under this name. In strict order, one that others gave back may be older than
  /// those in mind.
  func heard(of name: Path) {
    window.arrived()
    let isOld = EntryName.isTriedBefore(name) || window.fresh.first.map { name < $0 } == true
    if isOld, isStrict { window.cameBack() }
  }

  /// Gives letters that could not be opened another chance.
  func forgetUnreadable() { unreadable = [] }

  private func fillWindow() throws(PostError) {
    var hasAgain = false
    let fresh = try office.firstNames(in: layout[.new], limit: windowSize) { name in
      let isAgain = EntryName.isTriedBefore(name)
      if isAgain { hasAgain = true }
      return !isAgain && !unreadable.contains(name)
    }
    window.isForgotten = false
    window.fresh = fresh.reversed()
    window.again = []
    if hasAgain {
      let again = try office.firstNames(in: layout[.new], limit: windowSize) { name in
        EntryName.isTriedBefore(name) && !unreadable.contains(name)
      }
      window.again = again.reversed()
    }
    window.mayHaveFresh = fresh.count == windowSize
    window.mayHaveAgain = window.again.count == windowSize
  }

  /// What keeps a letter from being claimed in strict order.
  enum Block {
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
    for _ in 0..<Mailbox.missLimit {
      var isInHands = false
      var firstLater: LetterID?
      try attempt(what) { () throws(Errno) in
        try cur.forEachName { bytes in isInHands = isInHands || EntryName(Path(bytes)).attempt != nil }
        try office.root.directory(layout[.later]).forEachName { bytes in
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
      if isInHands || firstLater.map({ $0 < EntryName(next).id }) == true {
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
