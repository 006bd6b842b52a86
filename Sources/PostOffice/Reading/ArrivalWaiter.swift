// How a reader waits for the next letter of its mailbox: until inotify reports an arrival, a retry is due, a lease ends or a
// dead sender's letter is to be finished. inotify is a hint: where it cannot watch, the mailbox is scanned.

import Linux
import Scheduling

/// Waits until a mailbox may have a letter. Make it before the first look into the mailbox: a letter could arrive between
/// that look and the wait.
final class ArrivalWaiter {
  private let mailbox: Mailbox
  private var schedule = MailboxSchedule()
  private var topics: [Name: TopicWorker] = [:]
  private var watches: InotifyWatches

  init(_ mailbox: Mailbox) throws(PostError) {
    self.mailbox = mailbox
    watches = try InotifyWatches(mailbox.office.path)
    watches.add(.mailbox(mailbox.name))
    watches.add(.arrived(mailbox.name))
    for topic in try mailbox.office.topics(of: mailbox.name) {
      watches.add(.accepted(topic.name))
      topics[topic.name] = TopicWorker(topic.name, mailbox.office)
    }
  }

  /// - Parameters:
  ///   - deadline: monotonic nanoseconds; nil: however long it takes.
  ///   - signals: ends the wait when it becomes readable.
  /// - Returns: false at the deadline, or for a signal.
  func wait(until deadline: Int64?, signals: Int32?) throws(PostError) -> Bool {
    while true {
      let now = Clock.monotonic
      if mailbox.block == nil { schedule.foundNothing() } else { schedule.foundBlocked() }
      for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true { topic.check(now) }
      try mailbox.look(now: now, noting: &schedule)
      if schedule.mayHaveLetters { return true }
      let scan = watches.isBlind ? now + InotifyWatches.scanInterval : nil
      let times = [deadline, schedule.lookAt, scan] + topics.values.map(\.checkAt)
      let wakeAt = times.compactMap { $0 }.min()
      let ready = try attempt("cannot wait for letters of", "mailbox \(mailbox.name)") { () throws(Errno) in
        try waitReadable([watches.descriptor, signals], atMost: wakeAt.map { $0 - now })
      }
      if ready[1] { return false }
      if ready[0] || scan != nil {
        if try readHints() || scan != nil { return true }
      } else if let deadline, deadline <= Clock.monotonic {
        return false
      }
    }
  }

  /// - Returns: whether a letter may have arrived.
  private func readHints() throws(PostError) -> Bool {
    guard let hints = try watches.hints() else { return true }
    var hasArrived = false
    for hint in hints {
      switch hint.target {
      case .accepted(let name): topics[name]?.hint(Clock.monotonic)
      case .mailbox:
        if hint.name == MailboxLayout(mailbox.name)[.new].name {
          watches.add(.arrived(mailbox.name))
          hasArrived = true
        }
      default: hasArrived = true
      }
    }
    return hasArrived
  }
}
