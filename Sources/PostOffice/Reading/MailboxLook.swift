// What a mailbox holds besides waiting letters: due retries, leases, claims of dead holders. A watcher and a waiting reader
// look at it before they wait, and learn when to look again.

import Linux
import Scheduling
import Text

extension Mailbox {
  /// Puts back due retries and the letters of dead holders, and notes on the schedule when to look again.
  /// - Parameters:
  ///   - now: monotonic nanoseconds.
  ///   - ours: letters that this process holds itself.
  /// - Returns: whether a dead holder's letter was put back.
  @discardableResult
  package func look(
    now: Int64, except ours: Set<LetterID> = [], noting schedule: inout MailboxSchedule
  ) throws(PostError) -> Bool {
    let retries = try putBackDue()
    let claims = try reclaim(except: ours)
    schedule.looked(
      now: now, due: retries.next.map { Mailbox.monotonic($0) },
      leaseEnds: claims.nextLease.map { Mailbox.monotonic($0) }, held: claims.claimed > 0,
      putBack: retries.putBack + claims.putBack > 0)
    return claims.putBack > 0
  }

  /// A wall clock time (milliseconds since 1970) on the monotonic clock, at most a minute ahead: the operator may set the wall
  /// clock back meanwhile.
  package static func monotonic(_ wall: Int64) -> Int64 {
    let ahead = wall - Clock.wall / 1_000_000
    return Clock.monotonic + min(max(ahead, 0), 60_000) * 1_000_000
  }
}
