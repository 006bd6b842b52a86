// Subscribing a mailbox to a topic: the symlink among the topic's subscribers, and the links to the letters that the
// topic keeps already, the backlog.
//
// - A backlog mark, `.stock` beside the symlink `stock`, is durable before the symlink exists, and stays until the
//   mailbox has the whole backlog (CrashSafety I18). Its subscriber locks it as long as it makes the symlink. If the
//   subscriber dies then, a finisher that finds the mark unlocked links the rest; a mark without a symlink has
//   subscribed no mailbox.
// - new/ is looked at before cur/, so no letter is missed that moves between them (CrashSafety I19). While a living
//   sender has a letter in new/, it may or may not deliver it to this mailbox, so nothing is linked: the subscriber
//   waits some seconds for the sender, and a finisher leaves the mark to the next.
// - A mailbox gets no letter that it has in any state (CrashSafety I9).

import Linux
import Text

/// Which of the letters that a topic has already a new subscriber gets.
public enum Backlog: Hashable, Sendable {
  /// All that the topic keeps.
  case start
  /// None: only letters that are sent from now on.
  case now
  /// Those sent within this time.
  case since(Duration)
}

extension Topic {
  /// How long a subscriber waits for living senders to deliver their letters, before it leaves the backlog to a
  /// finisher. Nanoseconds.
  private static let patience: Int64 = 10_000_000_000

  /// Adds a subscriber and links the backlog.
  package func add(_ mailbox: Name, _ backlog: Backlog) throws(PostError) {
    let now = Clock.wall / 1_000_000_000
    let since: Int64 =
      switch backlog {
      case .now: .max
      case .start: 0
      case .since(let age): now - age.wholeSeconds
      }
    let isNew = try enlist(mailbox, since)
    let isQuiet = waitForSenders()
    _ = try withLock(waiting: true) { () throws(PostError) in
      do throws(PostError) {
        _ = try finishSubscription(mailbox, since: isNew ? since : nil, isQuiet: isQuiet)
      } catch {
        throw error.adding(outcome: "a later command delivers the rest of its letters")
      }
    }
  }

  /// Waits until the letters that living senders have in new/ now are delivered. The senders of later ones see the
  /// symlink. No process has to wait meanwhile: this one holds no lock.
  /// - Returns: false if it took too long.
  private func waitForSenders() -> Bool {
    let deadline = Clock.monotonic + Topic.patience
    guard let names = try? office.root.directory(layout.new).names() else { return false }
    for name in names {
      while case .alive = office.writerState(of: layout.new / name) {
        if Clock.monotonic > deadline { return false }
        _ = try? waitReadable([], atMost: 2_000_000)
      }
    }
    return true
  }

  /// Makes the mark and the symlink, durably. If the symlink is there already, nothing changes; a finisher links what
  /// an earlier subscriber left.
  /// - Returns: whether the subscription is new.
  private func enlist(_ mailbox: Name, _ since: Int64) throws(PostError) -> Bool {
    let (operation, place) = ("cannot subscribe \(mailbox) to", "\(name)")
    let link = layout.subscriber(mailbox)
    let isEnlisted = try attempt(operation, place) { () throws(Errno) in
      // A subscriber that died may have made what is there, and not synced it (CrashSafety I10).
      for folder in [MailboxLayout(mailbox).root, layout.root, layout.subscribers] {
        try office.root.directory(folder).sync()
      }
      return try office.root.exists(link)
    }
    if isEnlisted { return false }
    let mark = try office.attemptWrite(operation, place, in: layout.root) { () throws(Errno) in
      try makeMark(mailbox)
    }
    do throws(Errno) {
      try mark.write("Since: \(since)\n")
      try mark.sync()
      let folder = try office.root.directory(layout.subscribers)
      // Before the symlink, or a power cut could leave that without its mark, and the backlog would be forgotten.
      try folder.sync()
      do throws(Errno) {
        try office.root.makeSymlink(link, to: TopicLayout.subscriberTarget(mailbox))
      } catch .exists {}
      try folder.sync()
    } catch {
      let trouble = office.trouble(error, operation, place, in: layout.root)
      // Without a symlink there is no subscription. While the mark is locked, no other process removes it.
      if (try? office.root.exists(link)) == false { try? office.root.remove(layout.backlogMark(mailbox)) }
      _ = consume mark
      throw trouble
    }
    _ = consume mark  // unlocked only now, when the symlink is there
    return true
  }

  /// Makes the mark, locked. Removes the mark of a subscriber that died before it made its symlink.
  private func makeMark(_ mailbox: Name) throws(Errno) -> File {
    let path = layout.backlogMark(mailbox)
    for _ in 0..<Draft.attempts {
      do throws(Errno) {
        let mark = try office.root.open(path, .create(permissions: 0o666))
        if try mark.lockAsWriter() { return mark }
      } catch .exists {
        let old = try office.root.open(path, .read)
        guard try old.tryLock(.shared, byte: LockBytes.writer) else { throw .again }
        try? office.root.remove(path)
      }
    }
    throw .again
  }

  /// Links the rest of the backlog for each subscription whose subscriber died. It waits for no sender. A mailbox that
  /// cannot take its letters keeps its mark, with a warning.
  func finishSubscriptions() throws(PostError) -> Unfinished {
    var rest = Unfinished.nothing
    let isDone = try withLock { () throws(PostError) in
      for mailbox in try roll().unfinished {
        do throws(PostError) {
          if try !finishSubscription(mailbox, isQuiet: false) { rest = max(rest, .inOthersHands) }
        } catch {
          office.warn(error.message)
          rest = .inTrouble
        }
      }
    }
    return isDone ? rest : .inOthersHands
  }

  /// - Parameters:
  ///   - since: for the subscriber itself, from when on letters are due, if the mark is gone: another process may have
  ///     finished the work, or removed the mark with an older subscription. nil: then there is nothing to do.
  ///   - isQuiet: what living senders had in new/ when the symlink was made has been delivered.
  /// - Returns: false if a sender is at work, and the mark stays.
  private func finishSubscription(
    _ mailbox: Name, since: Int64? = nil, isQuiet: Bool
  ) throws(PostError) -> Bool {
    let path = layout.backlogMark(mailbox)
    return try office.attemptWrite(
      "cannot finish the subscription of \(mailbox) to", "\(name)", in: MailboxLayout(mailbox).root
    ) { () throws(Errno) in
      let mark: File
      do throws(Errno) { mark = try office.root.open(path, .read) } catch .noEntry {
        guard let since, since != .max, try office.root.exists(layout.subscriber(mailbox)) else {
          return true
        }
        return try linkBacklog(mailbox, since: since, isQuiet: isQuiet)
      }
      // If it is locked, its subscriber is alive and does it; unless that is this process: a child that is about to
      // exec may still have the mark open that this process has closed.
      guard try mark.tryLock(.shared, byte: LockBytes.writer) || since != nil else { return true }
      if try office.root.exists(layout.subscriber(mailbox)) {
        let text = String(decoding: try mark.readAll(limit: 64), as: UTF8.self)
        let since = text.hasPrefix("Since: ") ? Int64(text.dropFirst(7).filter(\.isNumber)) : nil
        if since != .max {
          guard try linkBacklog(mailbox, since: since ?? 0, isQuiet: isQuiet) else { return false }
        }
      }
      do throws(Errno) {
        // If the mailbox was unsubscribed and subscribed again meanwhile, this is another subscriber's mark.
        if try office.root.status(path).inode == mark.status().inode { try office.root.remove(path) }
      } catch .noEntry {}
      return true
    }
  }

  /// Links the letters that the topic keeps into a mailbox, but for those that it has in any state.
  /// - Returns: false if a sender is at work: then nothing was linked.
  private func linkBacklog(_ mailbox: Name, since: Int64, isQuiet: Bool) throws(Errno) -> Bool {
    if !isQuiet {
      for name in try office.root.directory(layout.new).names() {
        if case .alive = office.writerState(of: layout.new / name) { return false }
      }
    }
    let target = MailboxLayout(mailbox)
    try forEachGroup(of: Topic.backlogGroup, since: since) { letters throws(Errno) in
      let known = try office.known(letters, in: target)
      // The process that linked those that are known may have died before it synced them.
      if !known.isEmpty { try office.syncSealed(target[.new], []) }
      try Delivery(self).placeKept(letters.filter { !known.contains($0.id) }, into: target)
    }
    return true
  }

  /// How many letters of the backlog are compared with the mailbox at once; it is listed as a whole for each group.
  private static let backlogGroup = 1 << 15

  /// Removes a subscription. The mailbox and its letters stay, and it gets what is held for it and fits.
  /// - Throws: not found, if there is no such subscription.
  package func drop(_ mailbox: Name) throws(PostError) {
    // If another process is at work here, that one delivers what is held.
    do throws(PostError) {
      _ = try withLock { () throws(PostError) in try deliverHeld(to: mailbox) }
    } catch {}
    do throws(Errno) {
      try? office.root.remove(layout.backlogMark(mailbox))
      try office.root.remove(layout.subscriber(mailbox))
      try office.root.directory(layout.subscribers).sync()
    } catch .noEntry {
      throw PostError(
        .notFound, "mailbox \(mailbox) is not subscribed to \(name)", remedy: "post status shows who is")
    } catch {
      throw PostError(error, "cannot unsubscribe \(mailbox) from", "\(name)")
    }
    if (try? office.root.exists(MailboxLayout(mailbox).root)) == false { dropHeld(for: mailbox) }
  }

  /// Removes what is held for a mailbox that is gone for good. The topic still keeps these letters.
  private func dropHeld(for mailbox: Name) {
    let held = layout.held(for: mailbox)
    for name in (try? office.root.directory(held).names()) ?? [] { try? office.root.remove(held / name) }
    try? office.root.removeDirectory(held)
  }
}
