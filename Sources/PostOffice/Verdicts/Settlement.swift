// Where a claim ends, and when a letter is tried again. Every claim, lease, batch and stream, and every letter that is
// taken back from a dead holder, is settled by this one rule. Pure: no file, clock or random number is read here, and
// every case has a test. `Mailbox.carryOut` does what a settlement says.

import Text

/// Where a claim ends.
public struct Settlement: Hashable, Sendable {
  /// The place that the letter moves to.
  public let place: Place
  /// Its file name there.
  package let name: EntryName
  /// What the log calls it, and the details behind the letter's ID.
  let event, detail: String
  /// The line for the letter's note; nil: there is no trouble to record.
  let note: String?

  /// When the letter is to be tried again, milliseconds since 1970; nil: now, or never.
  public var due: Int64? { name.until }

  /// - Parameters:
  ///   - claim: the letter's name in `cur/`.
  ///   - settings: tries and delays.
  ///   - now: the wall clock, milliseconds since 1970.
  ///   - random: any number, which spreads delays. Only a retry asks for it.
  init(
    _ verdict: Verdict, of claim: EntryName, _ settings: Settings, now: Int64,
    random: @autoclosure () -> UInt64
  ) {
    let (id, attempt) = (claim.id, claim.attempt ?? 1)
    var remark: String?
    switch verdict {
    case .done:
      (place, event) = (.done, "done")
      name = EntryName(id, attempt: attempt, doneAt: now / 1000 * 1000)
    case .release, .broken:
      (place, event) = (.new, "released")
      name = EntryName(id, attempt: attempt - 1)
    case .abandoned where attempt < settings.tries:
      (place, event) = (.new, "reclaimed")
      name = EntryName(id, attempt: attempt)
    case .retry where attempt < settings.tries:
      let delay = settings.delay(afterAttempt: attempt)
      (place, event, remark) = (.later, "retry", "tried again in \(delay.postText)")
      name = EntryName(id, attempt: attempt, until: now + settings.spread(delay, by: random()).milliseconds)
    case .failed, .retry, .abandoned:
      (place, event) = (.failed, "failed")
      name = EntryName(id, attempt: attempt)
      if case .failed = verdict { remark = "failed for good" } else { remark = "no tries left" }
    }
    let reason = verdict.reason ?? ""
    detail = "attempt=\(attempt)" + (reason.isEmpty ? "" : " \(reason)")
    note = remark.map { "attempt \(attempt) of \(settings.tries): \(reason); \($0)" }
  }
}

extension Settings {
  /// The delay after this attempt, the first being 1: twice the one before, up to the longest.
  public func delay(afterAttempt attempt: Int) -> Duration {
    var delay = retry.lowerBound
    for _ in 1..<max(1, attempt) {
      if delay == .zero || delay >= retry.upperBound { break }
      delay = delay * 2
    }
    return min(delay, retry.upperBound)
  }

  /// A delay, spread by up to a quarter so that letters which failed together do not all come back together. It is
  /// never longer than the longest.
  func spread(_ delay: Duration, by random: UInt64) -> Duration {
    let length = delay.nanoseconds
    let share = Int64(random % UInt64(length / 2 + 1))
    return .nanoseconds(min(length / 4 * 3 + share, retry.upperBound.nanoseconds))
  }
}
