// Reclaiming: letters in cur/ whose holder is dead, or whose lease is over, go back to new/, or to failed/ if no tries
// are left. Which holder lives is decided by locks, not by clocks, and under the mailbox's own lock (CrashSafety I22):
// else two processes could take the same letter back, and the second would take it from the holder who has claimed it
// since. If it cannot be seen whether a holder lives, it does. What a mail reader has moved into cur/ is left alone.

import Linux

/// What was seen in `cur/`.
package struct ClaimSurvey: Sendable, Equatable {
  /// Letters whose holders live, or that another process is taking back.
  package var claimed = 0
  /// When the first lease ends, milliseconds since 1970.
  package var nextLease: Int64?
  /// Letters that were put back, for their holder is dead or their lease over.
  package var putBack = 0
}

extension Mailbox {
  /// Takes letters back from dead holders.
  /// - Parameter ours: letters that this process has claimed itself.
  @discardableResult
  func reclaim(except ours: Set<LetterID> = []) throws(PostError) -> ClaimSurvey {
    var survey = ClaimSurvey()
    var dead = [Path]()
    var last: Path?
    while dead.count < Office.passLimit {
      let before = Clock.wall / 1_000_000
      let claims = try office.firstNames(in: layout[.cur], limit: Office.passLimit) { name in
        if let last, name <= last { return false }
        let entry = EntryName(name)
        if entry.attempt == nil || ours.contains(entry.id) { return false }
        guard let until = entry.until, until > before else { return true }
        survey.nextLease = min(survey.nextLease ?? until, until)
        return false
      }
      // Not before: had the clock been set back meanwhile, a lease taken since would count as over.
      let now = Clock.wall / 1_000_000
      let beacons = claims.isEmpty ? nil : try openBeacons()
      for name in claims {
        if let until = EntryName(name).until, until > now {
          survey.nextLease = min(survey.nextLease ?? until, until)
        } else if isHolderAlive(name, beacons) {
          survey.claimed += 1
        } else {
          dead.append(name)
        }
      }
      if claims.count < Office.passLimit { break }
      last = claims.last
    }
    if dead.isEmpty { return survey }
    // If another process is taking letters back, there is something to come back for.
    if try takeBack(dead) != nil { survey.putBack = dead.count } else { survey.claimed += dead.count }
    return survey
  }

  /// The mailbox's directory, in which holders lock their bytes. A lock is not shown to the open description that has
  /// it, so each look is through one of its own.
  func openBeacons() throws(PostError) -> LetterDirectory {
    try attempt("cannot open", "\(layout.root)") { () throws(Errno) in
      try LetterDirectory(opening: layout.root, of: office)
    }
  }

  /// Whether the holder of a letter in cur/ lives, of one whose lease is not in force.
  func isHolderAlive(_ name: Path, _ beacons: LetterDirectory?) -> Bool {
    let entry = EntryName(name)
    if let byte = entry.beacon { return (try? beacons?.directory.file.isLocked(byte: byte)) ?? true }
    return entry.until == nil && isFormerHolderAlive(name, entry)
  }

  /// - Returns: where each went that was taken back; nil if another process is at it.
  func takeBack(_ names: [Path]) throws(PostError) -> [Path: Place]? {
    let settings = (try? settings()) ?? Settings()
    let beacons = try openBeacons()
    let isAlone = try attempt("cannot take letters back in", "\(layout[.cur])") { () throws(Errno) in
      try beacons.directory.tryLock()
    }
    guard isAlone else { return nil }
    var taken = [Path: Place]()
    for name in names where !isHolderAlive(name, beacons) {
      let claim = EntryName(name)
      let verdict = Verdict.abandoned(claim.until == nil ? "its holder died" : "its lease ended")
      let settlement = Settlement(verdict, of: claim, settings, now: Clock.wall / 1_000_000, random: 0)
      guard try carryOut(settlement, on: name, stderr: []) else { continue }
      moves.adoptMoves(from: [.new])  // the dead holder's claim
      taken[name] = settlement.place
    }
    return taken
  }
}
