// A topic: where letters are accepted and kept, and which mailboxes have subscribed.
//
// - A topic exists when its `subscribers/` exists: that is made last, when the rest is durable (CrashSafety I15).
// - Finishers exclude each other by a lock on the topic's directory (CrashSafety I8). Only a subscriber, a replay and a
//   repair wait for it.
// - The list of subscribers is what their symlinks say; names that are no valid names are left out.

import Linux

/// A topic of an office: what publishers send to.
public struct Topic {
  public let name: Name
  let office: Office
  let layout: TopicLayout

  fileprivate init(_ name: Name, _ office: Office) {
    self.name = name
    self.office = office
    layout = TopicLayout(name)
  }

  /// The mailboxes that have subscribed, in order of their names.
  public func subscribers() throws(PostError) -> [Name] { try roll().subscribers }

  /// The subscribers, and the mailboxes that have a backlog mark.
  func roll() throws(PostError) -> (subscribers: [Name], unfinished: [Name]) {
    var subscribers = [Name]()
    var unfinished = [Name]()
    try attempt("cannot list", "\(layout.subscribers)") { () throws(Errno) in
      try office.root.forEachEntry(in: layout.subscribers) { bytes, _ in
        let bytes = Array(bytes)
        if let name = Name(bytes: bytes[...]) {
          subscribers.append(name)
        } else if bytes.first == UInt8(ascii: "."), let name = Name(bytes: bytes.dropFirst()) {
          unfinished.append(name)
        }
      }
    }
    return (subscribers.sorted(), unfinished)
  }

  /// Sets aside a file that is no letter, with a warning.
  func setAside(_ name: Path, from folder: Path, because reason: String) {
    do throws(Errno) {
      try office.setAside(folder / name, in: layout.corrupt)
      office.warn("\(folder / name) \(reason); set aside in \(layout.corrupt)")
    } catch .noEntry {
      return  // another process has just done so
    } catch {
      office.warn(PostError(error, "\(folder / name) \(reason), and cannot be set aside").message)
    }
  }
}

extension Topic {
  /// Runs `work` while no other process does a finisher's work in this topic.
  /// - Parameter waiting: waits for another finisher; else leaves the work to it.
  /// - Returns: whether the work was done.
  func withLock(waiting: Bool = false, _ work: () throws(PostError) -> Void) throws(PostError) -> Bool {
    let folder = try attempt("cannot open", "\(layout.root)") { () throws(Errno) in
      try office.root.directory(layout.root)
    }
    let isLocked = try attempt("cannot lock", "\(layout.root)") { () throws(Errno) in
      guard waiting else { return try folder.tryLock() }
      try folder.lock()
      return true
    }
    if isLocked { try work() }
    return isLocked
  }
}

extension Topic {
  /// Refuses a new letter if less is free than Min-Free says.
  /// - Parameter draft: the letter's file.
  func checkSpace(_ draft: borrowing File) throws(PostError) {
    let minFree = office.topicSettings(name).minFree
    if minFree.isOff { return }
    let space = try attempt("cannot tell how much space is free in", "\(layout.tmp)") { () throws(Errno) in
      try draft.space()
    }
    guard let shortage = minFree.shortage(space) else { return }
    throw PostError(
      .tryAgain, "cannot send to", "\(name)", cause: shortage,
      remedy: "free some, or change it in \(layout.settings) or \(Layout.settings)")
  }
}

extension Office {
  /// - Throws: not found.
  public func topic(_ name: Name) throws(PostError) -> Topic {
    let topic = Topic(name, self)
    let isThere = try attempt("cannot look into", "\(topic.layout.root)") { () throws(Errno) in
      try root.exists(topic.layout.subscribers)
    }
    guard isThere else {
      throw PostError(
        .notFound, "there is no topic '\(name)' in \(path)", remedy: "post list shows what there is")
    }
    return topic
  }

  /// The topic of this name, made if it is missing.
  public func makeTopic(_ name: Name) throws(PostError) -> Topic {
    let topic = Topic(name, self)
    try attemptMaking("\(path)/\(topic.layout.root)") { (made) throws(Errno) in
      let layout = topic.layout
      // Not in a loop: each sender comes here, and an array of paths would cost more than the calls.
      if try root.exists(layout.subscribers), try root.exists(layout.tmp), try root.exists(layout.new),
        try root.exists(layout.cur)
      {
        return
      }
      try make([layout.root], in: Layout.topics, noting: &made)
      try make([layout.tmp, layout.new, layout.cur], in: layout.root, noting: &made)
      try root.sync()
      // A process that sees `subscribers` relies on the rest: it comes after the syncs.
      try make([layout.subscribers], in: layout.root, noting: &made)
    }
    return topic
  }
}
