// Waiting for the next letter of one mailbox, for readers: what the watcher does for all.

import Linux

/// Waits until a mailbox may have a letter. Make it before the first look into the mailbox, or a
/// letter could arrive between the look and the wait.
package final class Arrivals {
  private let desk: Desk
  private var topics: [Name: TopicDesk] = [:]
  private var watches: WatchList

  package init(_ mailbox: Mailbox) throws(PostError) {
    desk = Desk(mailbox, try mailbox.settings())
    watches = try WatchList(mailbox.office.path)
    watches.add(.mailbox(mailbox.name))
    watches.add(.arrived(mailbox.name))
    for topic in try mailbox.office.topics(of: mailbox.name) {
      watches.add(.accepted(topic.name))
      topics[topic.name] = TopicDesk(topic.name, mailbox.office)
    }
  }

  /// - Parameters:
  ///   - deadline: monotonic nanoseconds; nil: however long it takes.
  ///   - signals: ends the wait when it becomes readable; -1: none.
  /// - Returns: false at the deadline, or for a signal.
  package func wait(until deadline: Int64?, signals: Int32 = -1) throws(PostError) -> Bool {
    while true {
      let now = Clock.monotonic
      if desk.mailbox.block == nil { desk.schedule.foundNothing() } else { desk.schedule.foundBlocked() }
      for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true { topic.check(now) }
      try desk.look(now)
      if desk.schedule.mayHaveLetters { return true }
      let scan = watches.isBlind ? now + Watcher.scanInterval : nil
      let times = [deadline, desk.schedule.lookAt, scan] + topics.values.map(\.checkAt)
      let wakeAt = times.compactMap { $0 }.min()
      let ready = try attempt("cannot wait") { () throws(Errno) in
        try waitReadable([watches.descriptor, signals], atMost: wakeAt.map { $0 - now })
      }
      if ready[1] { return false }
      if ready[0] || scan != nil {
        if try takeHints() || scan != nil { return true }
      } else if let deadline, deadline <= Clock.monotonic {
        return false
      }
    }
  }

  /// - Returns: whether a letter may have arrived.
  private func takeHints() throws(PostError) -> Bool {
    guard let hints = try watches.hints() else { return true }
    var hasArrived = false
    for hint in hints {
      switch hint.target {
      case .accepted(let name): topics[name]?.hint(Clock.monotonic)
      case .mailbox:
        if hint.name == MailboxLayout(desk.name)[.new].name {
          watches.add(.arrived(desk.name))
          hasArrived = true
        }
      default: hasArrived = true
      }
    }
    return hasArrived
  }
}
