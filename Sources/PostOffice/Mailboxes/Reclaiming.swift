// Reclaiming: letters in cur/ whose holder is dead, or whose lease is over, go back to new/.

import Linux

/// What was seen in `cur/`.
package struct ClaimSurvey: Sendable, Equatable {
  /// Letters whose holders live, or that another process is taking back.
  package var held = 0
  /// When the first lease ends, milliseconds since 1970.
  package var nextLease: Int64?
  /// Letters that were put back, for their holder is dead or their lease over.
  package var putBack = 0
}

extension Mailbox {
  /// Takes letters back from dead holders.
  /// - Parameter ours: letters that this process holds itself.
  func reclaim(except ours: Set<LetterID> = []) throws(PostError) -> ClaimSurvey {
    var hands = ClaimSurvey()
    var dead = [Path]()
    var last: Path?
    while dead.count < Office.passLimit {
      let before = Clock.wall / 1_000_000
      let claims = try office.firstNames(in: layout[.cur], limit: Office.passLimit) { name in
        if let last, name <= last { return false }
        let entry = EntryName(name)
        if entry.attempt == nil || ours.contains(entry.id) { return false }
        guard let until = entry.until, until > before else { return true }
        hands.nextLease = min(hands.nextLease ?? until, until)
        return false
      }
      // Not before: had the clock been set back meanwhile, a lease taken since would count as over.
      let now = Clock.wall / 1_000_000
      let beacons = claims.isEmpty ? nil : try openBeacons()
      for name in claims {
        if let until = EntryName(name).until, until > now {
          hands.nextLease = min(hands.nextLease ?? until, until)
        } else if holderLives(name, beacons) {
          hands.held += 1
        } else {
          dead.append(name)
        }
      }
      if claims.count < Office.passLimit { break }
      last = claims.last
    }
    if dead.isEmpty { return hands }
    // If another process is taking letters back, there is something to come back for.
    if try takeBack(dead) != nil { hands.putBack = dead.count } else { hands.held += dead.count }
    return hands
  }

  /// The mailbox's directory, in which holders lock their bytes. A lock is not shown to the open description that has
  /// it, so each look is through one of its own.
  func openBeacons() throws(PostError) -> LetterDirectory {
    try attempt("cannot open \(layout.root)") { () throws(Errno) in
      try LetterDirectory(opening: layout.root, of: office)
    }
  }

  /// Whether the holder of a letter in cur/ lives, of one whose lease is not in force. If we cannot see, it does.
  func holderLives(_ name: Path, _ beacons: LetterDirectory?) -> Bool {
    let entry = EntryName(name)
    if let byte = entry.beacon { return (try? beacons?.directory.file.isLocked(byte: byte)) ?? true }
    return entry.until == nil && formerHolderLives(name, entry)
  }

  /// Under a lock of the mailbox: between looking and renaming no other process may take the same
  /// letter back and see it claimed anew under the same name.
  /// - Returns: where each went that was taken back; nil if another process is at it.
  func takeBack(_ names: [Path]) throws(PostError) -> [Path: Place]? {
    let tries = (try? settings().tries) ?? Settings().tries
    let beacons = try openBeacons()
    return try attempt("cannot take letters back in \(layout[.cur])") { () throws(Errno) in
      guard try beacons.directory.tryLock() else { return nil }
      var taken = [Path: Place]()
      for name in names where !holderLives(name, beacons) {
        let claim = EntryName(name)
        let attempt = claim.attempt ?? 1
        let how = claim.until == nil ? "its holder died" : "its lease ended"
        let entry = EntryName(claim.id, attempt: attempt)
        do throws(Errno) {
          if attempt >= tries {
            note(entry.id, "attempt \(attempt) of \(tries): \(how); no tries left")
            try settleIn(name, from: layout[.cur], to: .failed, as: entry)
            unsynced.insert(.failed)
            taken[name] = .failed
            log("failed", entry.id, "attempt=\(attempt) \(how)")
          } else {
            try settleIn(name, from: layout[.cur], to: .new, as: entry)
            unsynced.insert(.new)
            taken[name] = .new
            log("reclaimed", entry.id, "attempt=\(attempt) \(how)")
            window.cameBack()
          }
          left.formUnion([layout[.cur], layout[.new]])
        } catch .noEntry {}
      }
      return taken
    }
  }
}
