// Recovery: whoever passes by finishes what others began and could not end. Four kinds of remains:
// a letter in a topic's new/ that nobody sorts, debris in tmp/, letters held for a mailbox, and a
// subscription whose backlog was not linked to the end. A fifth, dead claims, is in Reclaiming.swift.

import Linux

extension Topic {
  /// How many letters one pass takes up; the rest is for the next.
  static let passLimit = 1024

  /// Finishes what was left in this topic.
  /// - Returns: whether living senders are still at work in new/.
  @discardableResult
  package func tidy() throws(PostError) -> Bool {
    office.clearDebris(in: layout.tmp)
    let isBusy = try finishSorting()
    if try !roll().unfinished.isEmpty { try finishSubscriptions() }
    try deliverHeld()
    return isBusy
  }

  /// What a sender does for the office in passing. Its own letters are accepted: trouble is only told.
  package func tidyAfterSending() {
    do throws(PostError) { try tidy() } catch { office.warn(error.message) }
    Ballast(office).lay()
  }

  /// Sorts letters in new/ whose sender is dead or was a foreign program.
  func finishSorting() throws(PostError) -> Bool {
    var isBusy = false
    var orphans = [Path]()
    for name in try office.firstNames(in: layout.new, limit: Topic.passLimit) {
      switch office.isAbandoned(layout.new / name) {
      case .abandoned: orphans.append(name)
      case .inHands: isBusy = true
      case .noLetter(let reason): setAside(name, from: layout.new, because: reason)
      case .gone: break
      }
    }
    guard !orphans.isEmpty else { return isBusy }
    // One finisher at a time: else two would each see a mailbox without the letter and deliver twice.
    try withLock { () throws(PostError) in
      let having = try mailboxesHaving(Set(orphans.map { EntryName($0).id }))
      for name in orphans { finish(name, having: having) }
    }
    return isBusy
  }

  private func finish(_ name: Path, having: [LetterID: Set<Name>]) {
    var name = name
    do throws(Errno) {
      // The sender may have sorted it between our look and the lock; it moves the name before it lets go.
      let file = try office.root.open(layout.new / name, .read)
      guard try file.tryLock(.shared, byte: sorterByte), try office.root.exists(layout.new / name) else {
        return
      }
      if try file.status().size == 0 { return setAside(name, from: layout.new, because: "is empty") }
      try file.sync()  // a foreign program may not have
      var id = EntryName(name).id
      if id.path.bytes.count > LetterID.limit {
        let short = office.ids.next(now: Clock.wall)
        try office.root.rename(layout.new / name, to: office.root, layout.new / short.path)
        (name, id) = (short.path, short)
      }
      Delivery(self).sort(name, id, file: file, having: having[id] ?? [])
    } catch .noEntry {
      return
    } catch {
      office.warn(PostError(error, "cannot sort \(layout.new / name)").message)
    }
  }

  /// Which subscribers have which of these letters already, in any state.
  private func mailboxesHaving(_ ids: Set<LetterID>) throws(PostError) -> [LetterID: Set<Name>] {
    var having = [LetterID: Set<Name>]()
    for subscriber in try subscribers() {
      let mailbox = MailboxLayout(throughSymlink: layout.subscriber(subscriber))
      let known = try attempt("cannot look into mailbox \(subscriber)") { () throws(Errno) in
        try office.known(ids, in: mailbox)
      }
      for id in known { having[id, default: []].insert(subscriber) }
    }
    return having
  }

  /// Gives held letters to their mailboxes, as far as they can take them now.
  private func deliverHeld() throws(PostError) {
    for mailbox in try office.names(in: layout.held) {
      try withLock { () throws(PostError) in
        // A mailbox that still cannot take them is no news: post status tells how many are held.
        do throws(PostError) { try deliverHeld(to: mailbox) } catch {}
      }
    }
  }

  private func deliverHeld(to mailbox: Name) throws(PostError) {
    let held = layout.held(for: mailbox)
    let link = layout.subscriber(mailbox)
    let names = try office.firstNames(in: held, limit: Topic.passLimit)
    try attempt("cannot deliver what is held for \(mailbox)") { () throws(Errno) in
      let isSubscribed = try office.root.exists(link)
      let target = isSubscribed ? MailboxLayout(throughSymlink: link) : MailboxLayout(mailbox)
      let known = try office.known(Set(names.map { LetterID($0) }), in: target)
      let delivery = Delivery(self)
      for name in names {
        let id = LetterID(name)
        let file = try office.root.open(held / name, .read)
        if !known.contains(id), try delivery.place(held / name, id, file: file, into: target) {
          try office.syncNames(in: target[.new], of: file)
        }
        try office.root.remove(held / name)
      }
      do throws(Errno) { try office.root.removeDirectory(held) } catch .notEmpty {} catch .exists {}
    }
  }

  /// Runs `work` while no other process finishes anything in this topic. If one does, there is
  /// nothing for us to do, unless the caller must know it done and waits.
  func withLock(waiting: Bool = false, _ work: () throws(PostError) -> Void) throws(PostError) {
    let folder = try attempt("cannot open \(layout.root)") { () throws(Errno) in
      try office.root.directory(layout.root)
    }
    let isOurs = try attempt("cannot lock \(layout.root)") { () throws(Errno) in
      guard waiting else { return try folder.tryLock() }
      try folder.lock()
      return true
    }
    if isOurs { try work() }
  }
}

/// The state of a file that should have a living sender.
enum Abandonment {
  case abandoned
  case inHands
  case gone
  case noLetter(String)
}

extension Office {
  /// A foreign program's file in tmp/ is debris after 36 hours, as Maildir says; ours at once.
  static let foreignDebrisAge: Int64 = 36 * 3600

  /// Whether a file's writer is dead, as far as one can see without meeting it.
  func isAbandoned(_ path: Path) -> Abandonment {
    do throws(Errno) {
      switch try root.status(path).kind {
      case .regular: break
      case .directory: return .noLetter("is a directory, not a letter")
      case .symlink: return .noLetter("is a symlink, not a letter")
      default: return .noLetter("is not a regular file, so no letter")
      }
      return try root.open(path, .read).isLocked(byte: sorterByte) ? .inHands : .abandoned
    } catch .noEntry {
      return .gone
    } catch {
      return .inHands  // not ours to judge: it cannot even be opened
    }
  }

  /// Removes what dead writers left in a tmp/.
  func clearDebris(in folder: Path) {
    guard let names = try? firstNames(in: folder, limit: Topic.passLimit) else { return }
    for name in names {
      do throws(Errno) {
        let path = folder / name
        if EntryName(name).id.isOurs {
          let file = try root.open(path, .read)
          // Our lock stays until the name is gone: its writer, if just born, fails to lock and starts again.
          if try file.tryLock(.shared, byte: sorterByte) { try root.remove(path) }
        } else {
          let age = Clock.wall - (try root.status(path).modified)
          if age > Office.foreignDebrisAge * 1_000_000_000 { try root.remove(path) }
        }
      } catch {}  // gone, or not ours to remove
    }
  }

  /// Which of these letters a mailbox has, in any state.
  func known(_ ids: Set<LetterID>, in mailbox: MailboxLayout) throws(Errno) -> Set<LetterID> {
    var found = Set<LetterID>()
    for place in Place.states {
      do throws(Errno) {
        try root.directory(mailbox[place]).forEachName { bytes in
          let id = EntryName(Path(bytes)).id
          if ids.contains(id) { found.insert(id) }
        }
      } catch .noEntry {} catch .notDirectory {} catch .loop {} catch .denied {}
    }
    return found
  }

  /// The names that come first, in order, whatever the size of the directory; no more than `limit`
  /// are held in memory twice over.
  package func firstNames(in folder: Path, limit: Int) throws(PostError) -> [Path] {
    var names = [Path]()
    do throws(Errno) {
      try root.directory(folder).forEachName { bytes in
        names.append(Path(bytes))
        if names.count >= 2 * limit + 64 {
          names.sort()
          names.removeSubrange(limit...)
        }
      }
    } catch .noEntry {
      return []
    } catch {
      throw PostError(error, "cannot list \(folder)")
    }
    names.sort()
    return Array(names.prefix(limit))
  }
}
