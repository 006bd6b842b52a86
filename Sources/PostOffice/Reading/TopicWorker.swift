// Where the watcher keeps what it knows of a topic: letters there may have lost their sender.

import Scheduling

/// A topic as the watcher sees it.
package final class TopicWorker {
  private let name: Name
  private let office: Office
  /// When to see whether letters lie unsorted.
  package private(set) var checkAt: Int64? = 0
  /// It could not be tidied up to the end; nobody should wait for it.
  package private(set) var isInTrouble = false
  private var rounds = 0

  /// A sender gets so long to sort its letter before anybody asks whether it is dead. Nanoseconds.
  private static let sortingGrace: Int64 = 20_000_000

  package init(_ name: Name, _ office: Office) {
    self.name = name
    self.office = office
  }

  /// A letter was accepted; its sender will most likely sort it.
  package func hint(_ now: Int64) {
    checkAt = min(checkAt ?? .max, now + TopicWorker.sortingGrace)
    rounds = 0
  }

  /// Finishes what nobody finishes. While others are at work, or after trouble, looks again, ever
  /// more rarely.
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
      return  // gone, or not ours
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
