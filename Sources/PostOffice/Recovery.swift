// Recovery: whoever passes by finishes what others began and could not end. Four kinds of remains:
// a letter in a topic's new/ that nobody sorts, debris in tmp/, letters held for a mailbox, and a
// subscription whose backlog was not linked to the end. A fifth, dead claims, is in Reclaiming.swift.

import Linux

/// What is left in a topic after somebody tidied up.
enum Rest: Comparable {
  case nothing
  /// Living senders or other finishers are at work: there may be something to come back for soon.
  case inOthersHands
  /// What could not be done now: the disk is full, a mailbox is gone.
  case inTrouble
}

extension Topic {
  /// How many letters one pass takes up.
  static let passLimit = 1024
  /// How many letters whose sender is dead are sorted at once; each is open meanwhile.
  private static let finishGroup = 128
  /// How many held letters are delivered at once; each is open meanwhile.
  private static let heldGroup = 128
  /// How many passes are made before others get their turn.
  static let passes = 64

  /// Finishes what was left in this topic. One subscriber's trouble is told, and stops nobody else.
  /// - Returns: what there is still to come back for.
  @discardableResult
  func tidy() throws(PostError) -> Rest {
    office.clearDebris(in: layout.tmp)
    var rest = try finishSorting()
    if try !roll().unfinished.isEmpty { rest = max(rest, try finishSubscriptions()) }
    return max(rest, try deliverHeld())
  }

  /// What a sender does for the office in passing. Its own letters are accepted: trouble is only told.
  package func tidyAfterSending() {
    do throws(PostError) { try tidy() } catch { office.warn(error.message) }
    Ballast(office).lay()
  }

  /// Sorts letters in new/ whose sender is dead or was a foreign program.
  private func finishSorting() throws(PostError) -> Rest {
    var rest = Rest.nothing
    var last: Path?
    for _ in 0..<Topic.passes {
      var orphans = [Orphan]()
      let names = try office.firstNames(in: layout.new, limit: Topic.passLimit) { name in
        last.map { name > $0 } ?? true
      }
      for name in names {
        switch office.isAbandoned(layout.new / name) {
        case .abandoned(let status): orphans.append(Orphan(inNew: name, status))
        case .inHands: rest = max(rest, .inOthersHands)
        case .noLetter(let reason): setAside(name, from: layout.new, because: reason)
        case .gone: break
        case .unreadable(let errno): office.warn(PostError(errno, "cannot sort \(layout.new / name)").message)
        }
      }
      last = names.last
      if orphans.isEmpty, names.count < Topic.passLimit { return rest }
      if orphans.isEmpty { continue }
      // One finisher at a time: else two would each see a mailbox without the letter and deliver twice.
      let isDone = try withLock { () throws(PostError) in
        if try !finish(orphans, try look(for: orphans)) { rest = .inTrouble }
      }
      // Another finisher may have listed new/ before our orphans came.
      if !isDone { return max(rest, .inOthersHands) }
      if rest == .inTrouble || names.count < Topic.passLimit { return rest }
    }
    return .inOthersHands
  }

  /// Sorts orphans, those together that the same mailboxes have already.
  /// - Returns: false if some are still to be sorted.
  private func finish(_ orphans: [Orphan], _ sighting: Sighting) throws(PostError) -> Bool {
    var isDone = true
    var rest = orphans[...]
    while let first = rest.first {
      let owners = sighting.owners(of: first)
      var group = [Parcel]()
      while let orphan = rest.first, group.count < Topic.finishGroup, sighting.owners(of: orphan) == owners {
        do throws(Errno) {
          if let letter = try prepare(orphan, sighting) { group.append(letter) }
          rest.removeFirst()
        } catch let error where !group.isEmpty && (error == .processFiles || error == .systemFiles) {
          break  // these first: then they are closed
        } catch .noEntry { rest.removeFirst() } catch {
          rest.removeFirst()
          office.warn(PostError(error, "cannot sort \(layout.new / orphan.name)").message)
          isDone = false
        }
      }
      if group.isEmpty { continue }
      // Whoever put them here may not have come to sync their names, and some have just got new ones. Delivered to
      // some, a letter must not vanish from here, or get yet another ID, before the others have it.
      try attempt("cannot make letters durable in \(layout.new)") { () throws(Errno) in
        try office.root.directory(layout.new).sync()
      }
      let new = Tray(layout.new, of: office)
      if !Delivery(self).sort(group, from: new, having: owners, blind: sighting.blind) { isDone = false }
    }
    return isDone
  }

  /// Gives held letters to their mailboxes, as far as they can take them now.
  private func deliverHeld() throws(PostError) -> Rest {
    let waiting = try office.names(in: layout.held)
    if waiting.isEmpty { return .nothing }
    var rest = Rest.nothing
    let isDone = try withLock { () throws(PostError) in
      for mailbox in waiting {
        // A mailbox that still cannot take them is no news: post status tells how many are held.
        do throws(PostError) { try deliverHeld(to: mailbox) } catch { rest = .inTrouble }
      }
    }
    return isDone ? rest : .inOthersHands
  }

  func deliverHeld(to mailbox: Name) throws(PostError) {
    for _ in 0..<Topic.passes { if try deliverSomeHeld(to: mailbox) < Topic.heldGroup { return } }
  }

  /// - Returns: how many there were, of those that it takes up at once.
  private func deliverSomeHeld(to mailbox: Name) throws(PostError) -> Int {
    let held = layout.held(for: mailbox)
    let link = layout.subscriber(mailbox)
    let names = try office.firstNames(in: held, limit: Topic.heldGroup)
    try attempt("cannot deliver what is held for \(mailbox)") { () throws(Errno) in
      let isSubscribed = try office.root.exists(link)
      let target = isSubscribed ? MailboxLayout(throughSymlink: link) : MailboxLayout(mailbox)
      var letters = [Orphan]()
      for name in names {
        letters.append(Orphan(name: name, id: LetterID(name), status: try office.root.status(held / name)))
      }
      let new = try Tray(opening: target[.new], of: office)
      let known = try office.known(letters, in: target)
      let delivery = Delivery(self)
      var parcels = [Parcel]()
      // What does not fit keeps back no other.
      var trouble: Errno?
      var left = Set<Path>()
      for letter in letters {
        do throws(Errno) {
          let parcel = Parcel(letter.name, letter.id, file: try office.root.open(held / letter.name, .read))
          if !known.contains(letter.id) {
            _ = try delivery.place(held / letter.name, letter.id, file: parcel.file, into: target, new)
          }
          parcels.append(parcel)
        } catch .noSpace {
          trouble = .noSpace
          left.insert(letter.name)
        }
      }
      try new.sync(for: parcels)
      // Whether the one who placed them before us came to sync them, we cannot know.
      if !known.isEmpty { try office.syncSealed(target[.new], parcels) }
      for letter in letters where !left.contains(letter.name) { try office.root.remove(held / letter.name) }
      new.sealIfFull(after: parcels)
      if let trouble { throw trouble }
      do throws(Errno) { try office.root.removeDirectory(held) } catch .notEmpty {} catch .exists {}
    }
    return names.count
  }

  /// Runs `work` while no other process finishes anything in this topic. If one does, there is
  /// nothing for us to do, unless the caller must know it done and waits.
  /// - Returns: whether the work was done.
  func withLock(waiting: Bool = false, _ work: () throws(PostError) -> Void) throws(PostError) -> Bool {
    let folder = try attempt("cannot open \(layout.root)") { () throws(Errno) in
      try office.root.directory(layout.root)
    }
    let isLocked = try attempt("cannot lock \(layout.root)") { () throws(Errno) in
      guard waiting else { return try folder.tryLock() }
      try folder.lock()
      return true
    }
    if isLocked { try work() }
    return isLocked
  }
}

extension File {
  /// Takes everybody's right to write away: mailboxes share the inode of a letter.
  borrowing func protect() throws(Errno) {
    let permissions = try status().permissions
    if permissions & 0o222 != 0 { try setPermissions(permissions & ~0o222) }
  }
}

/// The state of a file that should have a living sender.
enum Abandonment {
  case abandoned(Status)
  case inHands
  case gone
  case noLetter(String)
  /// Not ours to judge.
  case unreadable(Errno)
}

extension Office {
  /// A foreign program's file in tmp/ is debris after 36 hours, as Maildir says; ours at once. Seconds.
  static let foreignDebrisAge: Int64 = 36 * 3600

  /// Whether a file's writer is dead, as far as one can see without meeting it.
  func isAbandoned(_ path: Path) -> Abandonment {
    do throws(Errno) {
      let status = try root.status(path)
      switch status.kind {
      case .regular: break
      case .directory: return .noLetter("is a directory, not a letter")
      case .symlink: return .noLetter("is a symlink, not a letter")
      default: return .noLetter("is not a regular file, so no letter")
      }
      let isLocked = try root.open(path, .read).isLocked(byte: sorterByte)
      return isLocked ? .inHands : .abandoned(status)
    } catch .noEntry {
      return .gone
    } catch {
      return .unreadable(error)
    }
  }

  /// Removes what dead writers left in a tmp/.
  func clearDebris(in folder: Path) {
    guard let names = try? firstNames(in: folder, limit: Topic.passLimit) else { return }
    for name in names {
      do throws(Errno) { try removeDebris(folder / name) } catch {}  // gone, or not ours to remove
    }
  }

  /// Removes a file from a tmp/, if its writer is dead.
  func removeDebris(_ path: Path) throws(Errno) {
    if EntryName(path.name).id.isOurs {
      let file = try root.open(path, .read)
      // Our lock stays until the name is gone: its writer, if just born, fails to lock and starts again.
      if try file.tryLock(.shared, byte: sorterByte) { try root.remove(path) }
    } else if try isOldDebris(path, noting: true) {
      try root.remove(path)
    }
  }

  /// Whether something in a tmp/ has lain there for so long that no foreign program is still at it: Maildir counts from
  /// when it was last read, and what tar(1) or rsync(1) has just written bears an old time of writing.
  /// - Parameter noting: something is to be deleted by it.
  func isOldDebris(_ path: Path, noting: Bool = false) throws(Errno) -> Bool {
    let status = try root.status(path)
    let end = max(status.modified, status.accessed) + Office.foreignDebrisAge
    // Nearly always the first says no.
    return Clock.wall / 1_000_000_000 > end && timeToDeleteBy(noting: noting) > end
  }

  /// Which of these letters a mailbox has, in any state.
  func known(_ letters: [Topic.Orphan], in mailbox: MailboxLayout) throws(Errno) -> Set<LetterID> {
    try look(for: letters, in: mailbox).met
  }

  /// Which of these letters are in these places of a mailbox.
  func look(
    for letters: [Topic.Orphan], in mailbox: MailboxLayout, _ places: [Place] = Place.searchOrder
  ) throws(Errno) -> Recognition {
    var recognition = try Recognition(letters, in: mailbox, of: self)
    let since = recognition.since
    for place in places {
      do throws(Errno) {
        try forEachFolder(of: mailbox[place]) { path, directory throws(Errno) in
          if path != mailbox[place], try directory.file.status().modified < since { return true }
          try directory.forEachEntry { name, inode in recognition.meet(name, inode: inode) }
          return true
        }
      } catch .noEntry {} catch .notDirectory {} catch .loop {} catch .denied {}
    }
    return recognition
  }

  /// The names that come first, in order, whatever the size of the directory; no more than twice
  /// `limit` are held in memory.
  /// - Parameter isWanted: says which names count.
  package func firstNames(
    in folder: Path, limit: Int, where isWanted: (Path) -> Bool = { _ in true }
  ) throws(PostError) -> [Path] {
    var names = [Path]()
    do throws(Errno) {
      try root.forEachName(in: folder) { bytes in
        let name = Path(bytes)
        guard isWanted(name) else { return }
        names.append(name)
        if names.count / 2 > limit + 32 {
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
