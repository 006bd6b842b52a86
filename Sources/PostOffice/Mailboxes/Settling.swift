// Settling: how a claim ends. A verdict becomes a settlement (Settlement.swift), and the settlement one rename out of
// cur/. The note is written before the letter moves, the log line after it (CrashSafety I24): the note tells no less
// than the directories, the log no more.
//
// If the letter cannot be moved, its claim goes on, and it may be settled again (I26); the note is written once. The
// settlement is durable after `Mailbox.sync()`.

import Linux

extension Claim {
  /// Ends the claim as the verdict says.
  /// - Parameters:
  ///   - settings: tries and delays.
  ///   - stderr: what the handler said, for the note of a letter in trouble.
  @discardableResult
  public func settle(
    _ verdict: Verdict, settings: Settings, stderr: [UInt8] = []
  ) throws(PostError) -> Settlement {
    let now = Clock.wall / 1_000_000
    let settlement = Settlement(verdict, of: entry, settings, now: now, random: Host.random64)
    defer { isNoted = true }  // even if the letter cannot be moved now
    guard try mailbox.carryOut(settlement, on: entry.path, stderr: isNoted ? nil : stderr) else {
      throw entry.until == nil ? mailbox.cannotMove(settlement, .noEntry) : mailbox.leaseIsOver(entry.id)
    }
    return settlement
  }

  /// Gives the letter back as if it had not been claimed.
  public func release() throws(PostError) { try settle(.release, settings: Settings()) }

  /// Whether the letter is still in `cur/` under this claim. If that cannot be seen, it is.
  package var isUnsettled: Bool {
    do throws(Errno) {
      if try mailbox.office.root.exists(mailbox.layout[.cur] / entry.path) { return true }
    } catch {
      return true
    }
    do throws(PostError) { return try mailbox.nameNow(of: entry) != nil } catch { return true }
  }
}

extension Mailbox {
  /// Moves a claimed letter to where its claim ends.
  /// - Parameters:
  ///   - name: its file name in `cur/`.
  ///   - stderr: what the handler said; nil: the note is written already.
  /// - Returns: false if the letter has left `cur/`.
  func carryOut(_ settlement: Settlement, on name: Path, stderr: [UInt8]?) throws(PostError) -> Bool {
    let (id, place) = (settlement.name.id, settlement.place)
    if let stderr, let line = settlement.note { notes.add(line, about: id, stderr: stderr) }
    do throws(Errno) {
      do throws(Errno) {
        try moves.move(name, from: layout[.cur], to: place, as: settlement.name)
      } catch .noEntry {
        guard let flagged = try? nameNow(of: EntryName(name)) else { return false }
        try moves.move(flagged, from: layout[.cur], to: place, as: settlement.name)
      }
    } catch .noEntry { return false } catch { throw cannotMove(settlement, error) }
    log.write(settlement.event, id, settlement.detail)
    queue.letterMoved(to: place)
    return true
  }

  /// The name that a claimed letter has by now, if a mail reader has put its flags behind it. If the marks differ, it
  /// is another holder's claim.
  fileprivate func nameNow(of claim: EntryName) throws(PostError) -> Path? {
    try find(claim.id.path, in: [.cur]).first { EntryName($0.name) == claim }?.name
  }

  fileprivate func cannotMove(_ settlement: Settlement, _ errno: Errno) -> PostError {
    let letter = "letter \(settlement.name.id) of mailbox \(name)"
    return office.trouble(
      errno, "cannot move \(letter) from \(layout[.cur]) to", "\(layout[settlement.place])", in: layout.root)
  }

  fileprivate func leaseIsOver(_ id: LetterID) -> PostError {
    PostError(.notFound, "the lease of letter \(id) of mailbox \(name) is over")
      .adding(outcome: "another reader may have it")
  }

  /// Settles a leased letter by its ID, or the beginning of it.
  /// - Throws: not found; usage, if the beginning fits several.
  package func settleLeased(_ prefix: Path, _ verdict: Verdict) throws(PostError) {
    let found = try findOne(prefix, in: [.cur])
    moves.adoptMoves(from: [.new])
    let entry = EntryName(found.name)
    guard entry.until != nil else {
      throw PostError(
        .notFound, "letter \(entry.id) of mailbox \(name) is not leased", cause: "its holder will settle it")
    }
    let settlement = Settlement(
      verdict, of: entry, (try? settings()) ?? Settings(), now: Clock.wall / 1_000_000, random: Host.random64)
    guard try carryOut(settlement, on: found.name, stderr: []) else { throw leaseIsOver(entry.id) }
  }
}
