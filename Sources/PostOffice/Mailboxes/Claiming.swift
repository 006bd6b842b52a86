// Claiming: a letter goes from new/ to cur/, under a name that tells its holder's beacon (Beacon.swift) or when its lease
// ends. The rename is the mutex: who wins it has the letter.

import Linux
import Text

/// A letter in our hands. It must be settled; dropped unsettled, it comes back as if we had died.
public final class Claim {
  public let letter: Letter
  public let mailbox: Mailbox
  /// The attempt this is, from 1.
  public let attempt: Int
  /// The letter's file name in `cur/`.
  package internal(set) var entry: EntryName
  /// Shows that the letter is held; nil: it is leased.
  package let beacon: Beacon?
  /// The body is what was sent, as far as the letter tells.
  package var isVerified: Bool
  /// The note about this attempt is written, even if the letter could not be settled then.
  var isNoted = false

  fileprivate init(
    _ letter: Letter, _ mailbox: Mailbox, _ entry: EntryName, _ beacon: Beacon?, isVerified: Bool
  ) {
    self.letter = letter
    self.beacon = beacon
    self.isVerified = isVerified
    self.mailbox = mailbox
    self.entry = entry
    attempt = entry.attempt ?? 1
  }

  /// The letter's file, absolute, for as long as the claim is not settled.
  package var path: Path { mailbox.office.path / mailbox.layout[.cur] / entry.path }
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
    clearFormerHolders()
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
    /// While we, or a handler that inherits the beacon, live.
    case beacon(Beacon)
    /// For so long, whether anybody lives or not.
    case lease(Duration)
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
    let own = beacon ?? Beacon(self)
    beacon = own
    return try claim(upTo: 1, lease.map { .lease($0) } ?? .beacon(own)).first
  }

  /// Claims the oldest letters for one holder: a reader, or a handler that gets a letter or a batch at once.
  /// - Returns: none if none is waiting.
  package func claim(upTo limit: Int, _ beacon: Beacon) throws(PostError) -> [Claim] {
    try claim(upTo: limit, .beacon(beacon))
  }

  /// Claims the oldest letters; of those that are tried again, one alone. Of several, none stays open that is verified.
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
        if limit > 1, claim.isVerified { claim.letter.close() }
        // It failed before, and shall fail alone; or it takes its time.
        if claim.attempt > 1 || !claim.isVerified { break }
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
          let trouble =
            errno == .fileTooLarge
            ? Letter.tooLarge(folder / name)
            : office.trouble(errno, "cannot claim \(folder / name)", in: layout.root)
          let isItsOwn = [.denied, .notPermitted, .io, .invalid, .fileTooLarge].contains(errno)
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
    if letter.bodyLength > bodyLimit { throw .errno(.fileTooLarge) }
    let isVerified = letter.bodyLength <= verifiedAtOnce
    if isVerified { try letter.verify() }
    var entry = EntryName(before.id, attempt: (before.attempt ?? 0) + 1)
    var shown: Beacon?
    do throws(Errno) {
      switch hold {
      case .beacon(let beacon):
        guard before.id.isOneWord else { throw .nameTooLong }
        try beacon.light()
        entry.beacon = beacon.byte
        shown = beacon
      case .lease(let time): entry.until = wholeSecond(after: Clock.wall / 1_000_000 + time.milliseconds)
      }
      try move(name, from: folder, to: .cur, as: entry)
      left.insert(folder)
      return Claim(letter, self, entry, shown, isVerified: isVerified)
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
  package func setAside(_ name: Path, from folder: Path, because how: String) throws(PostError) -> PostError?
  {
    let id = EntryName(name).id
    // It is in nobody's hands there.
    let free = EntryName(name).beacon == nil ? name : EntryName(id, attempt: EntryName(name).attempt).path
    do throws(Errno) { try office.setAside(folder / name, in: layout[.corrupt], as: free) } catch .noEntry {
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

extension Office {
  /// Does something with each claim; one that goes wrong does not keep the others back.
  /// - Throws: the last trouble, after everything else was done; others are told.
  package func forEach(
    _ claims: [Claim], _ work: (Claim) throws(PostError) -> Void
  ) throws(PostError) {
    var trouble: PostError?
    for claim in claims {
      do throws(PostError) { try work(claim) } catch {
        if let trouble { warn(trouble.message) }
        trouble = error
      }
    }
    if let trouble { throw trouble }
  }
}
