// Whether a mailbox's handler works. The file `handler-broken` in the mailbox shows `post status` that it does not,
// and why; when the operator removes it (`post resume`), the pause ends.

import Linux
import PostOffice
import Scheduling
import Text

struct HandlerHealth {
  /// How many streaming handlers have died, one after another.
  fileprivate var deaths = 0
  /// We have made the file.
  fileprivate var isMarked = false
  /// The handler has worked; before that, an earlier watcher may have made the file.
  fileprivate var hasWorked = false

  /// After so many deaths `post status` reports the handler.
  fileprivate static let deathLimit = 3
}

extension MailboxWorker {
  /// Pauses the mailbox because its handler cannot run.
  func markBroken(_ reason: String, now: Int64) {
    let wasPaused = schedule.pausedUntil.map { $0 > now } == true
    schedule.markBroken(now: now)
    if wasPaused, health.isMarked { return }  // several that break together are one break
    let pause = (max(0, (schedule.pausedUntil ?? now) - now) + 999_999_999) / 1_000_000_000
    let line = "handler is broken: \(settings.handler ?? "closure"): \(reason)"
    mark(line)
    // Only now: an operator who reads the warning may resume at once, and removes the file that must be there.
    mailbox.office.warn("mailbox \(name): \(line); tried again in \(pause)s")
  }

  /// Notes that a streaming handler has died, and shows it if one after another does.
  func markDead(_ reason: String, now: Int64) {
    schedule.noteHandlerDeath(now: now)
    health.deaths += 1
    if health.deaths < HandlerHealth.deathLimit || health.isMarked { return }
    mark("handler dies again and again: \(settings.handler ?? ""): \(reason)")
  }

  private func mark(_ line: String) {
    health.isMarked = true
    let stamp = UTC(seconds: Clock.wall / 1_000_000_000).timestamp
    try? mailbox.office.replace(
      mailbox.layout.broken, with: "\(stamp) \(line)\n", through: mailbox.layout[.tmp])
  }

  /// Ends the pause: the handler has worked, or is another now.
  func markWorking() {
    if health.isMarked || !health.hasWorked { try? mailbox.office.root.remove(mailbox.layout.broken) }
    health = HandlerHealth()
    health.hasWorked = true
    schedule.markWorking()
  }

  /// What a verdict means after those before it: when letter after letter fails quickly, the handler is broken.
  /// - Parameter time: how long the handler worked on the letter, nanoseconds.
  func judge(_ verdict: Verdict, on claim: Claim, after time: Int64) -> Verdict {
    if case .broken = verdict { return verdict }
    guard case .retry(let reason) = verdict, time < MailboxSchedule.quick else {
      markWorking()
      return verdict
    }
    guard schedule.noteQuickFailure(Array(claim.letter.id.path.bytes)) else { return verdict }
    return .broken("letter after letter fails within a second, the last with \(reason)")
  }
}
