// Subscribing: a mailbox, a symlink to it among the topic's subscribers, and the letters that the
// topic still keeps.

import Linux
import Text

/// Which of a topic's letters a new subscriber gets.
public enum Backlog: Hashable, Sendable {
  /// All that the topic still keeps: a letter waits for its reader.
  case start
  /// Only those sent from now on.
  case now
  /// Those sent within this time.
  case since(Duration)
}

extension Topic {
  /// How long a new subscriber waits for a living sender to sort a letter, before it leaves the rest to
  /// those who pass by. Nanoseconds.
  private static let patience: Int64 = 10_000_000_000

  /// Adds a subscriber and links what the topic has.
  ///
  /// A mark (`.stock`, beside the symlink `stock`) exists from before the symlink until the backlog
  /// is linked. If we die on the way, whoever finds the mark unlocked goes on.
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
        throw PostError(error.kind, "\(error.message); what is missing comes as soon as it can")
      }
    }
  }

  /// Waits until the letters that are in living senders' hands now are sorted; those that come later find the
  /// symlink. Nobody else has to wait for us meanwhile: no lock is held.
  /// - Returns: false if it took too long.
  private func waitForSenders() -> Bool {
    let deadline = Clock.monotonic + Topic.patience
    guard let names = try? office.root.directory(layout.new).names() else { return false }
    for name in names {
      while case .inHands = office.isAbandoned(layout.new / name) {
        if Clock.monotonic > deadline { return false }
        _ = try? waitReadable([], atMost: 2_000_000)
      }
    }
    return true
  }

  /// Makes mark and symlink, durably. A subscriber that is there already keeps what it has; what an earlier one
  /// left undone is finished later.
  /// - Returns: whether it is new.
  private func enlist(_ mailbox: Name, _ since: Int64) throws(PostError) -> Bool {
    let what = "cannot subscribe \(mailbox) to \(name)"
    let link = layout.subscriber(mailbox)
    let isEnlisted = try attempt(what) { () throws(Errno) in
      // What is there already may be the work of a subscriber that died before it was durable.
      for folder in [MailboxLayout(mailbox).root, layout.root, layout.subscribers] {
        try office.root.directory(folder).sync()
      }
      return try office.root.exists(link)
    }
    if isEnlisted { return false }
    let mark = try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try makeMark(mailbox) }
    do throws(Errno) {
      try mark.write("Since: \(since)\n")
      try mark.sync()
      let folder = try office.root.directory(layout.subscribers)
      try folder.sync()  // the mark before the symlink, or a power cut could forget that letters are due
      do throws(Errno) {
        try office.root.makeSymlink(link, to: TopicLayout.subscriberTarget(mailbox))
      } catch .exists {}
      try folder.sync()
    } catch {
      let trouble = office.trouble(error, what, in: layout.root)
      // A mark without a symlink has subscribed nobody. While we hold its lock it is ours to remove.
      if (try? office.root.exists(link)) == false { try? office.root.remove(layout.backlogMark(mailbox)) }
      _ = consume mark
      throw trouble
    }
    _ = consume mark  // its lock kept others away until the symlink was there
    return true
  }

  /// Makes the mark, locked; removes one of a subscriber that died before its symlink was there: it
  /// has subscribed nobody.
  private func makeMark(_ mailbox: Name) throws(Errno) -> File {
    while true {
      let path = layout.backlogMark(mailbox)
      do throws(Errno) {
        let mark = try office.root.open(path, .create(permissions: 0o666))
        guard try mark.tryLock(.exclusive, byte: sorterByte), try mark.status().links > 0 else { continue }
        return mark
      } catch .exists {
        let old = try office.root.open(path, .read)
        if try old.tryLock(.shared, byte: sorterByte) { try? office.root.remove(path) } else { throw .again }
      }
    }
  }

  /// Links the backlog for every marked subscriber whose own process is gone. One that is in trouble
  /// is told of, and keeps its mark.
  /// Nobody who passes by waits for a sender: what one holds is left for the next.
  func finishSubscriptions() throws(PostError) -> Remainder {
    var rest = Remainder.nothing
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
  ///   - since: from when on the letters are due, if the mark is gone: somebody else may have finished with it,
  ///     or may have taken it away with an older subscription. nil: then there is nothing to do.
  ///   - isQuiet: what was in living senders' hands when the symlink was made has been sorted.
  /// - Returns: false if that was too short; the mark stays.
  private func finishSubscription(
    _ mailbox: Name, since: Int64? = nil, isQuiet: Bool
  ) throws(PostError) -> Bool {
    let path = layout.backlogMark(mailbox)
    let what = "cannot finish the subscription of \(mailbox) to \(name)"
    return try office.attemptWrite(what, in: MailboxLayout(mailbox).root) { () throws(Errno) in
      let mark: File
      do throws(Errno) { mark = try office.root.open(path, .read) } catch .noEntry {
        guard let since, since != .max, try office.root.exists(layout.subscriber(mailbox)) else {
          return true
        }
        return try linkBacklog(mailbox, since: since, isQuiet: isQuiet)
      }
      // Locked, its subscriber lives and will do it; unless that is us, and a child of this process, which is about to
      // exec, still has the mark that we have closed.
      guard try mark.tryLock(.shared, byte: sorterByte) || since != nil else { return true }
      if try office.root.exists(layout.subscriber(mailbox)) {
        let text = String(decoding: try mark.readAll(limit: 64), as: UTF8.self)
        let since = text.hasPrefix("Since: ") ? Int64(text.dropFirst(7).filter(\.isNumber)) : nil
        if since != .max {
          guard try linkBacklog(mailbox, since: since ?? 0, isQuiet: isQuiet) else { return false }
        }
      }
      do throws(Errno) {
        // Unsubscribed meanwhile, and perhaps subscribed again: then that is another's mark.
        if try office.root.status(path).inode == mark.status().inode { try office.root.remove(path) }
      } catch .noEntry {}
      return true
    }
  }

  /// Links what the topic keeps into a mailbox that does not have it yet, in any state.
  ///
  /// new/ is looked at before cur/, so that no letter falls between. While one is in a living sender's hands
  /// nothing is done: it may deliver to this mailbox itself, and afterwards we can see whether it did.
  /// - Returns: false if a sender is at work; the mark stays for the next who passes by.
  private func linkBacklog(_ mailbox: Name, since: Int64, isQuiet: Bool) throws(Errno) -> Bool {
    if !isQuiet {
      for name in try office.root.directory(layout.new).names() {
        if case .inHands = office.isAbandoned(layout.new / name) { return false }
      }
    }
    let target = MailboxLayout(mailbox)
    try forEachGroup(of: Topic.backlogGroup, since: since) { letters throws(Errno) in
      let known = try office.known(letters, in: target)
      // Whether the one who linked what is known came to sync it, we cannot know.
      if !known.isEmpty { try office.syncSealed(target[.new], []) }
      try Delivery(self).placeKept(letters.filter { !known.contains($0.id) }, into: target)
    }
    return true
  }

  /// So many letters of the backlog are compared with the mailbox in one go, for which it is listed as a whole.
  private static let backlogGroup = 1 << 15

  package func drop(_ mailbox: Name) throws(PostError) {
    // What it can still take; if another process is at it, that one delivers.
    do throws(PostError) {
      _ = try withLock { () throws(PostError) in try deliverHeld(to: mailbox) }
    } catch {}
    do throws(Errno) {
      try? office.root.remove(layout.backlogMark(mailbox))
      try office.root.remove(layout.subscriber(mailbox))
      try office.root.directory(layout.subscribers).sync()
    } catch .noEntry {
      throw PostError(.notFound, "mailbox \(mailbox) is not subscribed to \(name)")
    } catch {
      throw PostError(error, "cannot unsubscribe \(mailbox) from \(name)")
    }
    if (try? office.root.exists(MailboxLayout(mailbox).root)) == false { dropHeld(for: mailbox) }
  }

  /// What is held for a mailbox that is gone for good waits for nobody. The topic still keeps it.
  private func dropHeld(for mailbox: Name) {
    let held = layout.held(for: mailbox)
    for name in (try? office.root.directory(held).names()) ?? [] { try? office.root.remove(held / name) }
    try? office.root.removeDirectory(held)
  }
}
