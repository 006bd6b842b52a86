// What a watcher or a waiting reader knows of one topic: when to see whether a letter there has lost its sender, and to
// finish its delivery (CrashSafety I8).

import Scheduling

/// Finishes the interrupted deliveries of one topic, in time.
package final class TopicWorker {
  private let name: Name
  private let office: Office
  /// When to check next for undelivered letters, monotonic nanoseconds; nil: only after a hint.
  package private(set) var checkAt: Int64? = 0
  /// The last check failed; do not wait for it to succeed.
  package private(set) var isInTrouble = false
  private var rounds = 0

  /// A sender gets so long to deliver its letter before a finisher asks whether it is dead. Nanoseconds.
  private static let sortingGrace: Int64 = 20_000_000

  package init(_ name: Name, _ office: Office) {
    self.name = name
    self.office = office
  }

  /// A letter was accepted; most likely its sender will deliver it.
  package func hint(_ now: Int64) {
    checkAt = min(checkAt ?? .max, now + TopicWorker.sortingGrace)
    rounds = 0
  }

  /// Finishes what dead senders left. While other processes are at work, or after trouble, plans another check, each time
  /// later.
  package func check(_ now: Int64) {
    checkAt = nil
    isInTrouble = false
    do throws(PostError) {
      switch try office.topic(name).tidy() {
      case .nothing: return
      case .inOthersHands:
        comeBack(now, first: TopicWorker.sortingGrace, longest: MailboxSchedule.longestRecheck)
      case .inTrouble: comeBackAfterTrouble(now)
      }
    } catch let error where error.kind == .notFound || error.kind == .noPermission {
      return  // removed, or we may not work in it
    } catch {
      office.warn(error.message)
      comeBackAfterTrouble(now)
    }
  }

  private func comeBackAfterTrouble(_ now: Int64) {
    isInTrouble = true
    comeBack(now, first: MailboxSchedule.firstPause, longest: MailboxSchedule.longestPause)
  }

  private func comeBack(_ now: Int64, first: Int64, longest: Int64) {
    checkAt = now + min(first << Int64(min(rounds, 20)), longest)
    rounds += 1
  }
}
