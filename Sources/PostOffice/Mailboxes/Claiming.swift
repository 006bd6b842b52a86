// Claiming: a letter goes from new/ to cur/, under a name that tells its holder's beacon (Beacon.swift) or when its
// lease ends. The rename is the mutex: the process whose rename succeeds has the letter, and the holder's lock is taken
// before it (CrashSafety I21).
//
// A letter is opened, and unless it is large verified, before it is claimed (I23). One that is not what was sent is set
// aside in corrupt/; one that cannot be opened is skipped, so that it hides no other.

import Linux

/// A claimed letter. It must be settled; if it is dropped unsettled, the next process that looks takes the letter back
/// as from a dead holder.
public final class Claim {
  public let letter: Letter
  public let mailbox: Mailbox
  /// The attempt this is, from 1.
  public let attempt: Int
  /// The letter's file name in `cur/`.
  package let entry: EntryName
  /// Shows that the letter is claimed; nil: it is leased.
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
  /// Does what can be done before letters are claimed: finishes what dead senders left in the topics of this mailbox,
  /// puts due retries back into `new/`, takes letters back from dead holders.
  public func refresh() throws(PostError) {
    for topic in try office.topics(of: name) {
      // A topic in trouble, or one that this user may not work in, does not keep its mailboxes from being read.
      do throws(PostError) { try topic.tidy() } catch let error where error.kind == .noPermission {} catch {
        office.warn(error.message)
      }
    }
    office.clearDebris(in: layout[.tmp])
    clearFormerHolders()
    // Opened before the bags are listed: what is sealed in between is met in one of the two (CrashSafety I28).
    let later = try attempt("cannot open", "\(layout[.later])") { () throws(Errno) in
      try office.openIfThere(layout[.later])
    }
    try putBackDue(later, try queue.openNew())
    try reclaim()
  }

  /// Puts further letters back that are due, if there are more than one pass puts back.
  /// - Returns: whether there were.
  package func refreshDue() throws(PostError) -> Bool {
    guard hasMoreDue else { return false }
    return try putBackDue().putBack > 0
  }

  /// How long a claim lasts.
  enum Term {
    /// While this process, or a handler that inherits the beacon, lives.
    case beacon(Beacon)
    /// For so long, whether its holder lives or not.
    case lease(Duration)
  }

  /// Why the last claim got no letter although some may wait; nil: none waits.
  package var block: ClaimQueue.Block? { queue.block }

  /// Claims the oldest waiting letter. With `Order: strict` none, while an earlier one is claimed or waits for its next
  /// attempt.
  /// - Parameter lease: claims it for so long, whether this process lives or not; nil: while it lives.
  /// - Returns: nil if none is waiting.
  /// - Throws: if no good letter is waiting: bad data, when one was corrupt and set aside; else what keeps one from
  ///   being opened.
  public func claim(lease: Duration? = nil) throws(PostError) -> Claim? {
    let own = beacon ?? Beacon(self)
    beacon = own
    return try claim(upTo: 1, lease.map { .lease($0) } ?? .beacon(own)).first
  }

  /// Claims the oldest letters for one holder: a reader, or a handler that gets a letter or a batch at once. Of letters
  /// that are tried again, one alone. Of several, none that is verified stays open.
  /// - Returns: none if none is waiting.
  /// - Throws: as for one. What was claimed before the trouble is returned all the same.
  package func claim(upTo limit: Int, _ beacon: Beacon) throws(PostError) -> [Claim] {
    try claim(upTo: limit, .beacon(beacon))
  }

  func claim(upTo limit: Int, _ term: Term) throws(PostError) -> [Claim] {
    try queue.inOrder { (bound) throws(PostError) in try claim(upTo: limit, term, before: bound) }
  }

  private func claim(upTo limit: Int, _ term: Term, before bound: LetterID?) throws(PostError) -> [Claim] {
    var claims = [Claim]()
    do throws(PostError) {
      while claims.count < limit, let claim = try claimNext(term, freshOnly: !claims.isEmpty, before: bound) {
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

  private func claimNext(_ term: Term, freshOnly: Bool, before bound: LetterID?) throws(PostError) -> Claim? {
    var trouble: PostError?
    while let (folder, name) = try queue.nextName(freshOnly: freshOnly, before: bound) {
      do throws(Letter.Flaw) {
        let claim = try claim(name, in: folder, term)
        if claim == nil {
          if !queue.isStrict { continue }
          queue.forget()  // where the letter is by now must be seen first
        }
        if let trouble { office.warn(trouble.message) }
        return claim
      } catch {
        guard let new = try passOver(name, in: folder, error) else { continue }
        if let trouble { office.warn(trouble.message) }
        trouble = new
      }
    }
    if let trouble { throw trouble }
    return nil
  }

  /// Sets a letter aside that is corrupt, or skips one that cannot be opened.
  /// - Returns: what to report; nil: another process has just set it aside.
  /// - Throws: what is no fault of the letter.
  private func passOver(_ name: Path, in folder: Path, _ flaw: Letter.Flaw) throws(PostError) -> PostError? {
    switch flaw {
    case .corrupt(let how): return try setAside(name, from: folder, because: how)
    case .errno(let errno):
      let trouble = office.trouble(errno, "cannot claim", "\(folder / name)", in: layout.root)
      let isItsOwn = [.denied, .notPermitted, .io, .invalid].contains(errno)
      guard isItsOwn, queue.skip(name) else { throw trouble }
      return trouble
    case .tooLarge:
      let trouble = flaw.asPostError("\(folder / name)")
      guard queue.skip(name) else { throw trouble }
      return trouble
    }
  }

  /// - Returns: nil if another process was quicker.
  private func claim(_ name: Path, in folder: Path, _ term: Term) throws(Letter.Flaw) -> Claim? {
    let before = EntryName(name)
    let letter: Letter
    do throws(Letter.Flaw) {
      letter = try Letter(folder / name, in: office.root, id: before.id)
    } catch .errno(.noEntry) {
      queue.nameWasGone(from: folder)
      return nil
    }
    if letter.bodyLength > bodyLimit { throw .tooLarge }
    let isVerified = letter.bodyLength <= verifiedAtOnce
    if isVerified { try letter.verify() }
    var entry = EntryName(before.id, attempt: (before.attempt ?? 0) + 1)
    var shown: Beacon?
    do throws(Errno) {
      switch term {
      case .beacon(let beacon):
        guard before.id.isOneWord else {
          try giveNewID(name, in: folder)
          return nil
        }
        try beacon.lock()
        entry.beacon = beacon.byte
        shown = beacon
      case .lease(let time): entry.until = wholeSecond(after: Clock.wall / 1_000_000 + time.milliseconds)
      }
      try moves.move(name, from: folder, to: .cur, as: entry)
      return Claim(letter, self, entry, shown, isVerified: isVerified)
    } catch {
      do throws(Errno) { try makeWay(for: name, in: folder, entry, error) } catch { throw .errno(error) }
      return nil
    }
  }

  /// Makes the next attempt possible after a claim's rename failed.
  /// - Throws: what no other name and no other process explains.
  private func makeWay(for name: Path, in folder: Path, _ entry: EntryName, _ errno: Errno) throws(Errno) {
    switch errno {
    case .noEntry:
      // Another process was quicker; unless the name is still there, and `cur` is what is missing.
      if (try? office.root.exists(folder / name)) == true { throw errno }
      queue.nameWasGone(from: folder)
    case .exists:
      // The same letter, of which this is a second link; or another, because a foreign program chose a name twice.
      do throws(Errno) {
        if try moves.removeIfSecondLink(folder / name, of: entry, in: .cur) { return }
      } catch .noEntry { return }
      try giveNewID(name, in: folder)
    case .nameTooLong: try giveNewID(name, in: folder)
    default: throw errno
    }
  }

  private func giveNewID(_ name: Path, in folder: Path) throws(Errno) {
    let id = office.ids.next(now: Clock.wall, foreign: true)
    try moves.move(name, from: folder, to: .new, as: EntryName(id, attempt: EntryName(name).attempt))
    queue.letterMoved(to: .new)
    queue.lettersArrived()
  }

  // MARK: Letters that cannot be handled

  /// Claims a letter no more that could not be read, until ``retrySkipped()``.
  package func skip(_ claim: Claim) {
    queue.skip(EntryName(claim.letter.id, attempt: claim.attempt - 1).path)
  }

  /// Whether some letters are not claimed because they could not be opened.
  package var hasSkippedLetters: Bool { queue.hasSkipped }

  /// Gives letters that could not be opened another chance.
  package func retrySkipped() { queue.retrySkipped() }

  /// Moves what is no whole letter to `corrupt/`, with a note that says why.
  /// - Returns: what to report; nil if another process has just moved it.
  package func setAside(_ name: Path, from folder: Path, because how: String) throws(PostError) -> PostError?
  {
    let id = EntryName(name).id
    // It is claimed no more.
    let free = EntryName(name).beacon == nil ? name : EntryName(id, attempt: EntryName(name).attempt).path
    do throws(Errno) { try office.setAside(folder / name, in: layout[.corrupt], as: free) } catch .noEntry {
      return nil
    } catch { throw PostError(error, "\(folder / name) \(how), and cannot be set aside") }
    let report = PostError(.badData, "letter \(id) of mailbox \(self.name) \(how)")
      .adding(outcome: "it is set aside in \(layout[.corrupt])")
    notes.add(report.message, about: id)
    log.write("corrupt", id, how)
    return report
  }
}

/// The time in milliseconds, rounded up to a second: short names, and a lease is never shorter than asked for.
private func wholeSecond(after time: Int64) -> Int64 { (time + 999) / 1000 * 1000 }

extension Office {
  /// Does something with each claim; one that goes wrong does not keep the others back.
  /// - Throws: the last trouble, after everything else was done; others are reported.
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
