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
    _ = try putBackDue()
    _ = try reclaim()
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
    while let name = try nextName(freshOnly: freshOnly, before: bound) {
      do throws(Letter.Flaw) {
        guard let claim = try claim(name, hold) else {
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
          if let trouble = try setAside(name, from: .new, because: how) { troubles.append(trouble) }
        case .errno(let errno):
          let trouble = office.trouble(errno, "cannot claim \(layout[.new] / name)", in: layout.root)
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
  private func claim(_ name: Path, _ hold: Hold) throws(Letter.Flaw) -> Claim? {
    let before = EntryName(name)
    let letter: Letter
    do throws(Letter.Flaw) {
      letter = try Letter(layout[.new] / name, in: office.root, id: before.id)
    } catch .errno(.noEntry) { return nil }
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
      try move(name, from: .new, to: .cur, as: entry)
      guard case .holder(let holder) = hold else { return Claim(letter, self, entry) }
      letter.close()
      return Claim(letter, self, entry, holder)
    } catch .noEntry {
      // Somebody was quicker; unless the name is still there, and `cur` is what is missing.
      if (try? office.root.exists(layout[.new] / name)) == true { throw .errno(.noEntry) }
      return nil
    } catch .exists {
      do throws(Errno) { try giveWay(name, entry) } catch { throw .errno(error) }
      return nil
    } catch .nameTooLong {
      do throws(Errno) { try rename(name) } catch { throw .errno(error) }
      return nil
    } catch { throw .errno(error) }
  }

  /// The name in `cur/` is taken: by the same letter, of which this is a second link, or by another
  /// one, because a foreign program chose a name twice.
  private func giveWay(_ name: Path, _ entry: EntryName) throws(Errno) {
    do throws(Errno) {
      if try isSame(entry.id, layout[.new] / name, layout[.cur] / entry.path) {
        return try office.root.remove(layout[.new] / name)
      }
    } catch .noEntry { return }
    try rename(name)
  }

  /// Gives a waiting letter a new ID.
  private func rename(_ name: Path) throws(Errno) {
    let id = office.ids.next(now: Clock.wall, foreign: true)
    try move(name, from: .new, to: .new, as: EntryName(id, attempt: EntryName(name).attempt))
  }

  /// Moves what is no whole letter to `corrupt/`, with a note that says why.
  /// - Returns: what to tell of it; nil if somebody else has just moved it.
  func setAside(_ name: Path, from place: Place, because how: String) throws(PostError) -> PostError? {
    let id = EntryName(name).id
    do throws(Errno) { try office.setAside(layout[place] / name, in: layout[.corrupt]) } catch .noEntry {
      return nil
    } catch { throw PostError(error, "\(layout[place] / name) \(how), and cannot be set aside") }
    let message = "letter \(id) of mailbox \(self.name) \(how); it is set aside in \(layout[.corrupt])"
    note(id, message)
    log("corrupt", id, "\(how)")
    return PostError(.badData, message)
  }

  /// Puts letters whose time has come from `later/` back into `new/`.
  /// - Returns: how many, and when the next one is due (milliseconds since 1970; nil if none waits).
  func putBackDue() throws(PostError) -> (putBack: Int, next: Int64?) {
    let now = Clock.wall / 1_000_000
    var due = [Path]()
    var (next, last): (Int64?, Int64?)
    do throws(Errno) {
      try office.root.directory(layout[.later]).forEachName { bytes in
        let name = Path(bytes)
        let time = EntryName(name).until ?? now
        if time <= now { return due.append(name) }
        next = min(next ?? time, time)
        last = max(last ?? time, time)
      }
    } catch { throw PostError(error, "cannot list \(layout[.later])") }
    if let last { next = min(next ?? last, try bringForward(last, now)) }
    for name in due.sorted() {
      var entry = EntryName(name)
      entry.until = nil
      do throws(Errno) { try settleIn(name, from: .later, to: .new, as: entry) } catch .noEntry {} catch {
        throw office.trouble(error, "cannot put \(layout[.later] / name) back", in: layout.root)
      }
      window.cameBack()
      unsynced.insert(.new)
      left.insert(.later)
    }
    return (due.count, next)
  }

  /// If the wall clock was set back, letters in `later/` would wait for longer than any delay there is:
  /// they wait for the longest, from now on.
  /// - Parameter last: when the last of them is due.
  /// - Returns: the time at which all of them are due.
  private func bringForward(_ last: Int64, _ now: Int64) throws(PostError) -> Int64 {
    let longest = now + ((try? settings()) ?? Settings()).retry.upperBound.milliseconds
    if last <= longest { return last }
    let late = try office.firstNames(in: layout[.later], limit: Topic.passLimit) { name in
      EntryName(name).until.map { $0 > longest } == true
    }
    for name in late {
      var entry = EntryName(name)
      entry.until = longest
      do throws(Errno) { try settleIn(name, from: .later, to: .later, as: entry) } catch .noEntry {} catch {
        throw PostError(error, "cannot give \(layout[.later] / name) another time")
      }
    }
    return longest
  }
}

/// The time in milliseconds, rounded up to a second: short names, and a lease is never shorter than asked for.
private func wholeSecond(after time: Int64) -> Int64 { (time + 999) / 1000 * 1000 }
