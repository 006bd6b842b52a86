// Subscribing: a mailbox, a symlink to it among the topic's subscribers, and the letters that the
// topic still keeps.

import Linux

/// Which of a topic's letters a new subscriber gets.
public enum Backlog: Hashable, Sendable {
  /// All that the topic still keeps: a letter waits for its reader.
  case start
  /// Only those sent from now on.
  case now
  /// Those sent within this time.
  case since(Duration)
}

extension Office {
  /// Subscribes a mailbox to a topic; makes either if it is missing. A second time changes nothing.
  public func subscribe(_ mailbox: Name, to topic: Name, from backlog: Backlog = .start) throws(PostError) {
    let topic = try makeTopic(topic)
    try makeMailbox(mailbox)
    try topic.add(mailbox, backlog)
  }

  /// Ends a subscription. The mailbox and its letters stay.
  /// - Throws: not found, if there is no such subscription.
  public func unsubscribe(_ mailbox: Name, from topic: Name) throws(PostError) {
    try self.topic(topic).drop(mailbox)
  }

  /// The topics that a mailbox is subscribed to, in order.
  public func topics(of mailbox: Name) throws(PostError) -> [Topic] {
    var found = [Topic]()
    for name in try topicNames() {
      let isSubscribed = try attempt("cannot look into topic \(name)") { () throws(Errno) in
        try root.exists(TopicLayout(name).subscriber(mailbox))
      }
      if isSubscribed { found.append(try topic(name)) }
    }
    return found
  }
}

extension Topic {
  /// How long a living sender may take to sort a letter before the rest is left to those who pass by.
  private static let patience: Int64 = 10_000_000_000

  /// Adds a subscriber and links what the topic has.
  ///
  /// A mark (`.stock`, beside the symlink `stock`) exists from before the symlink until the backlog
  /// is linked. If we die on the way, whoever finds the mark unlocked goes on.
  fileprivate func add(_ mailbox: Name, _ backlog: Backlog) throws(PostError) {
    try attempt("cannot subscribe \(mailbox) to \(name)") { () throws(Errno) in
      let link = layout.subscriber(mailbox)
      let folder = try office.root.directory(layout.subscribers)
      if try office.root.exists(link) { return }  // what an earlier subscriber left undone is finished below
      guard let mark = try makeMark(mailbox, backlog) else {
        try office.root.makeSymlink(link, to: TopicLayout.subscriberTarget(mailbox))
        return try folder.sync()
      }
      try folder.sync()  // the mark before the symlink, or a power cut could forget that letters are due
      do throws(Errno) {
        try office.root.makeSymlink(link, to: TopicLayout.subscriberTarget(mailbox))
      } catch .exists {}
      try folder.sync()
      _ = consume mark  // its lock kept others away until the symlink was there
    }
    try withLock(waiting: true) { () throws(PostError) in try finishMarked() }
  }

  /// - Returns: the mark, locked; nil if no old letters are wanted.
  private func makeMark(_ mailbox: Name, _ backlog: Backlog) throws(Errno) -> File? {
    let now = Clock.wall / 1_000_000_000
    let since: Int64
    switch backlog {
    case .now: return nil
    case .start: since = 0
    case .since(let age): since = now - age.components.seconds
    }
    while true {
      let path = layout.backlogMark(mailbox)
      do throws(Errno) {
        let mark = try office.root.open(path, .create(permissions: 0o666))
        guard try mark.tryLock(.exclusive, byte: sorterByte), try mark.status().links > 0 else { continue }
        try mark.write("Since: \(since)\n")
        try mark.sync()
        return mark
      } catch .exists {
        // A subscriber that died before its symlink was there has subscribed nobody.
        let old = try office.root.open(path, .read)
        if try old.tryLock(.shared, byte: sorterByte) { try? office.root.remove(path) } else { throw .again }
      }
    }
  }

  /// Links the backlog for every marked subscriber whose own process is gone (or is this one).
  func finishSubscriptions() throws(PostError) {
    try withLock { () throws(PostError) in try finishMarked() }
  }

  private func finishMarked() throws(PostError) {
    for mailbox in try roll().unfinished { try finishSubscription(mailbox) }
  }

  private func finishSubscription(_ mailbox: Name) throws(PostError) {
    let path = layout.backlogMark(mailbox)
    try attempt("cannot finish the subscription of \(mailbox) to \(name)") { () throws(Errno) in
      let mark: File
      do throws(Errno) { mark = try office.root.open(path, .read) } catch .noEntry { return }
      guard try mark.tryLock(.shared, byte: sorterByte) else { return }
      if try office.root.exists(layout.subscriber(mailbox)) {
        let text = String(decoding: try mark.readAll(limit: 64), as: UTF8.self)
        let since = text.hasPrefix("Since: ") ? Int64(text.dropFirst(7).filter(\.isNumber)) : nil
        guard try linkBacklog(mailbox, since: since ?? 0) else { return }
      }
      try office.root.remove(path)
    }
  }

  /// Links what the topic keeps into a mailbox that does not have it yet, in any state.
  ///
  /// new/ is listed before cur/, so that no letter falls between. A letter in a living sender's hands
  /// is waited for: it may deliver to this mailbox itself, and afterwards we can see whether it did.
  /// - Returns: false if a sender took too long; the mark stays for the next who passes by.
  private func linkBacklog(_ mailbox: Name, since: Int64) throws(Errno) -> Bool {
    let names = try office.root.directory(layout.new).names()
    let deadline = Clock.monotonic + Topic.patience
    for name in names {
      while case .inHands = office.isAbandoned(layout.new / name) {
        if Clock.monotonic > deadline { return false }
        _ = try waitReadable([], atMost: 2_000_000)
      }
    }
    let sorted = try office.root.directory(layout.cur).names()
    let kept = sorted.filter { (EntryName($0).id.sent ?? since) >= since }
    let target = MailboxLayout(mailbox)
    let known = try office.known(Set(kept.map { EntryName($0).id }), in: target)
    let delivery = Delivery(self)
    for name in kept {
      let id = EntryName(name).id
      if known.contains(id) { continue }
      do throws(Errno) {
        let file = try office.root.open(layout.cur / name, .read)
        _ = try delivery.place(layout.cur / name, id, file: file, into: target)
      } catch .noEntry {} catch .loop {}  // pruned meanwhile; no letter
    }
    try office.root.directory(target[.new]).sync()
    return true
  }

  fileprivate func drop(_ mailbox: Name) throws(PostError) {
    do throws(Errno) {
      try? office.root.remove(layout.backlogMark(mailbox))
      try office.root.remove(layout.subscriber(mailbox))
      try office.root.directory(layout.subscribers).sync()
    } catch .noEntry {
      throw PostError(.notFound, "mailbox \(mailbox) is not subscribed to \(name)")
    } catch {
      throw PostError(error, "cannot unsubscribe \(mailbox) from \(name)")
    }
  }
}
