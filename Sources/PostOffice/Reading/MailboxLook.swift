// What neither waits nor is ours: retries, leases, claims of others. Looked at for a watcher and for a reader that waits.

import Linux
import Scheduling
import Text

extension Mailbox {
  /// Puts due retries back and takes letters back from dead holders, and notes on the schedule when to look again.
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

  /// A wall clock time (milliseconds since 1970) on the monotonic clock, at most a minute ahead: the
  /// wall clock may be set.
  package static func monotonic(_ wall: Int64) -> Int64 {
    let ahead = wall - Clock.wall / 1_000_000
    return Clock.monotonic + min(max(ahead, 0), 60_000) * 1_000_000
  }
}
