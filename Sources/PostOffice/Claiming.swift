// Claiming: a letter goes from new/ to cur/, and its holder shows a beacon.
//
// The beacon is a shared lock on the byte of the letter whose offset is the mailbox's inode number.
// It is taken before the rename, so whoever sees the letter in cur/ sees the beacon; it lasts while
// the holder or a handler that inherited the open file lives; the kernel clears it. The rename is
// the mutex: who wins it has the letter.

import Linux

/// A letter in our hands. It must be settled; dropped unsettled, it comes back as if we had died.
public final class Claim {
  public let letter: Letter
  public let mailbox: Mailbox
  /// The attempt this is, from 1.
  public let attempt: Int
  /// The letter's file name in `cur/`.
  package internal(set) var entry: EntryName
  /// Shows that the letter is held, if the open letter does not.
  let holder: Holder?
  /// The note about this attempt is written, even if the letter could not be settled then.
  var isNoted = false

  init(_ letter: Letter, _ mailbox: Mailbox, _ entry: EntryName, _ holder: Holder? = nil) {
    self.letter = letter
    self.holder = holder
    self.mailbox = mailbox
    self.entry = entry
    attempt = entry.attempt ?? 1
  }

  /// The letter's file, absolute, for as long as the claim is not settled.
  package var path: Path { mailbox.office.path / mailbox.layout[.cur] / entry.path }

  /// Puts the shared position of the open file at the body, where a handler shall begin to read.
  package func rewindToBody() throws(Errno) { try letter.file.seek(to: letter.bodyOffset) }
}

extension Mailbox {
  /// Does what can be done before letters are claimed: puts due retries back into `new/`, takes
  /// letters back from dead holders, finishes what dead senders left in the topics of this mailbox.
  public func refresh() throws(PostError) {
    for topic in try office.topics(of: name) {
      // A topic in trouble, or one that we may not work in, keeps nobody from its own mailbox.
      do throws(PostError) { try topic.tidy() } catch let error where error.kind == .noPermission {} catch {
        office.warn(error.message)
      }
    }
    office.clearDebris(in: layout[.tmp])
    clearHolders()
    // Opened before the bags are listed: what is sealed in between is met in one of the two.
    let later = try attempt("cannot open \(layout[.later])") { () throws(Errno) in
      try office.openIfThere(layout[.later])
    }
    seen = try attempt("cannot list \(layout[.new])") { () throws(Errno) in
      try office.foldersNow(of: layout[.new])
    }
    let retries = try putBackDue(later, seen?.bags.later)
    hasMoreDue = retries.putBack > 0 && retries.next.map { $0 <= Clock.wall / 1_000_000 } == true
    if try reclaim().putBack > 0 || retries.putBack > 0 { seen = nil }
  }

  /// Puts further letters back that are due, if there are more than were put back at once.
  /// - Returns: whether there were.
  package func refreshDue() throws(PostError) -> Bool {
    guard hasMoreDue else { return false }
    let retries = try putBackDue()
    hasMoreDue = retries.putBack > 0 && retries.next.map { $0 <= Clock.wall / 1_000_000 } == true
    return retries.putBack > 0
  }

  /// How long a claim holds.
  enum Hold {
    /// While we, or a handler that inherits the open letter, live.
    case beacon
    /// For so long, whether anybody lives or not.
    case lease(Duration)
    /// While the holder lives. The letter is closed again: it is no descriptor that the handler inherits.
    case holder(Holder)
  }

  /// How many letters that cannot be opened are passed over.
  private static let unreadableLimit = 1024

  /// Claims the oldest waiting letter. With `Order: strict` none, while one before it is in hands or waits
  /// for its next attempt.
  /// - Parameter lease: claims it for so long, whether we live or not; nil: while we live.
  /// - Returns: nil if none is waiting.
  /// - Throws: if no good letter is waiting: bad data, when one was corrupt and set aside; else what
  ///   keeps one from being opened.
  public func claim(lease: Duration? = nil) throws(PostError) -> Claim? {
    try claim(lease.map { .lease($0) } ?? .beacon)
  }

  /// Claims the oldest letters for a handler that gets them at once.
  /// - Returns: none if none is waiting.
  package func claimBatch(upTo limit: Int) throws(PostError) -> [Claim] {
    try claim(upTo: limit, .holder(try makeHolder(.empty)))
  }

  func claim(_ hold: Hold) throws(PostError) -> Claim? { try claim(upTo: 1, hold).first }

  /// Claims the oldest letters; of those that are tried again, one alone.
  /// - Returns: none if none is waiting.
  /// - Throws: as for one. What was claimed before the trouble is returned all the same.
  func claim(upTo limit: Int, _ hold: Hold) throws(PostError) -> [Claim] {
    block = nil
    guard isStrict else { return try claimAny(upTo: limit, hold) }
    return try inOrder { (bound) throws(PostError) in try claimAny(upTo: limit, hold, before: bound) }
  }

  private func claimAny(upTo limit: Int, _ hold: Hold, before bound: LetterID? = nil) throws(PostError)
    -> [Claim]
  {
    var claims = [Claim]()
    do throws(PostError) {
      while claims.count < limit, let claim = try claimNext(hold, freshOnly: !claims.isEmpty, before: bound) {
        claims.append(claim)
        if claim.attempt > 1 { break }  // it failed before: it shall fail alone
      }
    } catch {
      if claims.isEmpty { throw error }
      office.warn(error.message)
    }
    return claims
  }

  private func claimNext(_ hold: Hold, freshOnly: Bool, before bound: LetterID?) throws(PostError) -> Claim? {
    var troubles = [PostError]()
    while let (folder, name) = try nextName(freshOnly: freshOnly, before: bound) {
      do throws(Letter.Flaw) {
        guard let claim = try claim(name, in: folder, hold) else {
          if !isStrict { continue }
          window.forget()
          for trouble in troubles { office.warn(trouble.message) }
          return nil
        }
        for trouble in troubles { office.warn(trouble.message) }
        return claim
      } catch {
        switch error {
        case .corrupt(let how):
          if let trouble = try setAside(name, from: folder, because: how) { troubles.append(trouble) }
        case .errno(let errno):
          let trouble = office.trouble(errno, "cannot claim \(folder / name)", in: layout.root)
          let isItsOwn = [.denied, .notPermitted, .io, .invalid].contains(errno)
          guard isItsOwn, unreadable.count < Mailbox.unreadableLimit else { throw trouble }
          unreadable.insert(name)
          troubles.append(trouble)
        }
      }
    }
    guard let last = troubles.popLast() else { return nil }
    for trouble in troubles { office.warn(trouble.message) }
    throw last
  }

  /// - Returns: nil if somebody else was quicker.
  private func claim(_ name: Path, in folder: Path, _ hold: Hold) throws(Letter.Flaw) -> Claim? {
    let before = EntryName(name)
    let letter: Letter
    do throws(Letter.Flaw) {
      letter = try Letter(folder / name, in: office.root, id: before.id)
    } catch .errno(.noEntry) {
      noticeSeal(folder)
      return nil
    }
    try letter.verify()
    var entry = EntryName(before.id, attempt: (before.attempt ?? 0) + 1)
    do throws(Errno) {
      switch hold {
      case .beacon: _ = try letter.file.tryLock(.shared, byte: beaconByte)
      case .lease(let time): entry.until = wholeSecond(after: Clock.wall / 1_000_000 + time.milliseconds)
      case .holder(let holder):
        guard before.id.isOneWord else { throw .nameTooLong }
        entry.holder = holder.name
      }
      try move(name, from: folder, to: .cur, as: entry)
      left.insert(folder)
      guard case .holder(let holder) = hold else { return Claim(letter, self, entry) }
      letter.close()
      return Claim(letter, self, entry, holder)
    } catch .noEntry {
      // Somebody was quicker; unless the name is still there, and `cur` is what is missing.
      if (try? office.root.exists(folder / name)) == true { throw .errno(.noEntry) }
      noticeSeal(folder)
      return nil
    } catch .exists {
      do throws(Errno) { try giveWay(name, in: folder, entry) } catch { throw .errno(error) }
      return nil
    } catch .nameTooLong {
      do throws(Errno) { try rename(name, in: folder) } catch { throw .errno(error) }
      return nil
    } catch { throw .errno(error) }
  }

  /// The name in `cur/` is taken: by the same letter, of which this is a second link, or by another
  /// one, because a foreign program chose a name twice.
  private func giveWay(_ name: Path, in folder: Path, _ entry: EntryName) throws(Errno) {
    do throws(Errno) {
      let (one, other) = (
        try office.root.status(folder / name), try office.root.status(layout[.cur] / entry.path)
      )
      if entry.id.isOurs || one.inode == other.inode { return try office.root.remove(folder / name) }
    } catch .noEntry { return }
    try rename(name, in: folder)
  }

  /// Gives a waiting letter a new ID.
  private func rename(_ name: Path, in folder: Path) throws(Errno) {
    let id = office.ids.next(now: Clock.wall, foreign: true)
    try move(name, from: folder, to: .new, as: EntryName(id, attempt: EntryName(name).attempt))
    window.cameBack()
    window.arrived()
  }

  /// Moves what is no whole letter to `corrupt/`, with a note that says why.
  /// - Returns: what to tell of it; nil if somebody else has just moved it.
  func setAside(_ name: Path, from folder: Path, because how: String) throws(PostError) -> PostError? {
    let id = EntryName(name).id
    do throws(Errno) { try office.setAside(folder / name, in: layout[.corrupt]) } catch .noEntry {
      return nil
    } catch { throw PostError(error, "\(folder / name) \(how), and cannot be set aside") }
    let message = "letter \(id) of mailbox \(self.name) \(how); it is set aside in \(layout[.corrupt])"
    note(id, message)
    log("corrupt", id, "\(how)")
    return PostError(.badData, message)
  }
}

/// The time in milliseconds, rounded up to a second: short names, and a lease is never shorter than asked for.
private func wholeSecond(after time: Int64) -> Int64 { (time + 999) / 1000 * 1000 }
