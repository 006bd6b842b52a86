// Delivery: from a topic's new/ into the mailboxes of its subscribers.
//
// - A letter leaves new/ for cur/ only when every subscriber has it durably, in its mailbox or in held/ (CrashSafety
//   I6). If anything else goes wrong it stays in new/, accepted, and a finisher delivers it.
// - The subscribers are listed after the letters were accepted (CrashSafety I7).
// - A mailbox that cannot take a letter delays no other: the letter is held for it, with a warning.
// - Letters that were accepted together are delivered together, and share their syncs. Syncs.md says which, and why.
//
// How one mailbox gets one letter is in Placement.swift.

import Linux

/// Delivers accepted letters of a topic.
package struct Delivery {
  let topic: Topic
  let durability: Durability
  var office: Office { topic.office }
  var layout: TopicLayout { topic.layout }

  init(_ topic: Topic, _ durability: Durability = .full) {
    self.topic = topic
    self.durability = durability
  }

  /// Up to so many directories are synced one by one; more are covered by one sync.
  package static let directorySyncs = 16
  /// How many mailboxes one delivery seals at most, if they are full.
  private static let sealsAtOnce = 8

  /// Sorts accepted letters: gives them to all subscribers that do not have them, then moves them from new/ to cur/.
  /// - Parameters:
  ///   - new: the topic's new/, which has them.
  ///   - owners: mailboxes that are known to have them already.
  ///   - unreadable: mailboxes that may have them. The letters are held for these until it can be seen.
  /// - Returns: false if some stay in new/.
  @discardableResult
  func sort(
    _ letters: [UnsortedLetter], from new: LetterDirectory, owners: Set<Name> = [], unreadable: Set<Name> = []
  ) -> Bool {
    if letters.isEmpty { return true }
    var sorted = 0
    do throws(PostError) {
      let subscribers = try topic.subscribers().filter { !owners.contains($0) && !unreadable.contains($0) }
      for mailbox in unreadable.subtracting(owners) { try hold(letters[...], from: new, for: mailbox) }
      let mailboxes = try deliver(letters, from: new, to: subscribers, owners: owners)
      while sorted < letters.count {
        try keep(letters[sorted], from: new)
        sorted += 1
      }
      sealFullDirectories(mailboxes, after: letters)
      return true
    } catch {
      let stay =
        letters.count - sorted == 1 ? "stays in \(layout.new) until it" : "stay in \(layout.new) until they"
      let rest = Delivery.counted(letters[sorted...], verb: ("is", "are"))
      office.warn(error.adding(outcome: "\(rest) accepted and \(stay) can be sorted").message)
      return false
    }
  }

  /// `letter ID is`, or `3 letters are`.
  static func counted(_ letters: ArraySlice<UnsortedLetter>, verb: (one: String, many: String)) -> String {
    if letters.count == 1, let letter = letters.first { return "letter \(letter.id) \(verb.one)" }
    return "\(letters.count) letters \(verb.many)"
  }

  private func sealFullDirectories(_ mailboxes: [LetterDirectory], after letters: [UnsortedLetter]) {
    // The mailboxes of a topic fill in step. It starts at a random one, so that one sender does not pay for sealing
    // all.
    let first = mailboxes.isEmpty ? 0 : Int(Host.random) % mailboxes.count
    for mailbox in (mailboxes[first...] + mailboxes[..<first]).prefix(Delivery.sealsAtOnce) {
      mailbox.sealIfFull(after: letters)
    }
    if let size = try? office.root.status(layout.cur / ".").size, office.sealIfFull(layout.cur, size: size) {
      topic.pruneAfterSealing()
    }
  }

  // MARK: To cur/

  /// Moves a letter from new/ to cur/.
  private func keep(_ letter: UnsortedLetter, from new: LetterDirectory) throws(PostError) {
    try office.attemptWrite("cannot move letter \(letter.id) to", "\(layout.cur)", in: layout.root) {
      () throws(Errno) in
      let cur = layout.cur / letter.id.path
      do throws(Errno) {
        if !letter.isKept {
          do throws(Errno) {
            try new.move(letter.name, to: cur)
            if !letter.id.isOurs { try giveBack(cur, unlessItIs: letter) }
            return
          } catch .exists {
            guard try office.root.status(cur).inode == letter.file.status().inode else { throw .exists }
          }
        }
        try new.remove(letter.name)  // the topic keeps it already
      } catch .noEntry {
        // All mailboxes have it, and a mail reader has moved it to cur/.
        guard try isTaken(letter, from: new) else { throw .noEntry }
      }
    }
  }

  /// A foreign deliverer may put another letter under a name just before that is moved to cur/. That one goes back to
  /// new/, for it is not delivered yet.
  private func giveBack(_ kept: Path, unlessItIs letter: UnsortedLetter) throws(Errno) {
    guard try office.root.status(kept).inode != letter.file.status().inode else { return }
    let id = office.ids.next(now: Clock.wall, foreign: true)
    try office.root.rename(kept, to: office.root, layout.new / id.path)
  }

  /// Whether a letter has left new/ although only this process may sort it: a mail reader or the operator moved it.
  func isTaken(_ letter: UnsortedLetter, from new: LetterDirectory) throws(Errno) -> Bool {
    try !new.has(letter.name)
  }

  // MARK: To the mailboxes

  /// Links letters into mailboxes, durably; what a mailbox cannot take is held for it.
  /// - Returns: the new/ of each mailbox that got some.
  private func deliver(
    _ letters: [UnsortedLetter], from new: LetterDirectory, to subscribers: [Name], owners: Set<Name>
  ) throws(PostError) -> [LetterDirectory] {
    var opens = durability == .full && subscribers.count + owners.count <= Delivery.directorySyncs
    var (mailboxes, unsynced) = ([LetterDirectory](), [LetterDirectory]())
    var refused = [(mailbox: Name, letters: ArraySlice<UnsortedLetter>)]()
    var lacking: Name?
    for name in subscribers {
      var rest = letters[...]
      do throws(Errno) {
        let mailbox = try newDirectory(of: name, opening: &opens)
        var isUnsynced = false
        defer {
          if rest.count < letters.count { mailboxes.append(mailbox) }
          if isUnsynced { unsynced.append(mailbox) }
        }
        while let letter = rest.first {
          do throws(Errno) {
            if try place(letter, from: new, into: mailbox) { isUnsynced = true }
          } catch .noEntry {
            guard try isTaken(letter, from: new) else { throw .noEntry }
            lacking = lacking ?? name
          }
          rest.removeFirst()
        }
      } catch {
        refused.append((name, rest))
        let held = Delivery.counted(rest, verb: ("is", "are"))
        let remedy = "\(held) held for it (gone for good? post unsubscribe \(name) \(topic.name))"
        let link = layout.subscriber(name)
        let trouble = office.trouble(
          error, "cannot deliver to", "mailbox \(name)", in: link, remedy: remedy)
        office.warn(trouble.message)
      }
    }
    for (mailbox, rest) in refused { try hold(rest, from: new, for: mailbox) }
    if let lacking {
      office.warn(
        "another program, perhaps a mail reader, took letters from \(layout.new) before mailbox \(lacking) had them; "
          + Topic.remedy)
    }
    if durability == .full { try sync(unsynced, letters, owners: owners, oneByOne: opens) }
    return mailboxes
  }

  /// The new/ of a mailbox: open, if names in it are to be synced one by one.
  /// - Parameter opens: becomes false when this process can open no more files.
  private func newDirectory(of mailbox: Name, opening opens: inout Bool) throws(Errno) -> LetterDirectory {
    let path = MailboxLayout(throughSymlink: layout.subscriber(mailbox))[.new]
    if opens {
      do throws(Errno) { return try LetterDirectory(openingOrDropBox: path, of: office) } catch let error
        where error == .processFiles || error == .systemFiles
      { opens = false }
    }
    return LetterDirectory(path, of: office)
  }

  // MARK: Syncs

  /// Makes the names of letters in mailboxes durable.
  /// - Parameters:
  ///   - mailboxes: those that got links.
  ///   - owners: those to which an earlier process gave the letters, perhaps as copies on other file systems. It may
  ///     have died before its syncs (CrashSafety I10).
  ///   - oneByOne: a sync for each directory; else one for all.
  private func sync(
    _ mailboxes: [LetterDirectory], _ letters: [UnsortedLetter], owners: Set<Name>, oneByOne: Bool
  ) throws(PostError) {
    var names: String { Delivery.counted(letters[...], verb: ("durable in its", "durable in their")) }
    try attempt("cannot make \(names) mailboxes") { () throws(Errno) in
      if oneByOne {
        for mailbox in mailboxes where mailbox.isOpen { try mailbox.sync(for: letters) }
        // One sync of the letters covers all drop boxes.
        try mailboxes.first(where: { !$0.isOpen })?.sync(for: letters)
        return try syncOwners(owners, letters)
      }
      // Links are on the letters' file system, and copies were synced when they were made.
      if !mailboxes.isEmpty || !owners.isEmpty { try syncAll(letters, in: mailboxes.count, owners: owners) }
      try syncOwners(owners.filter { isElsewhere($0, letters[0].file) }, letters)
    }
  }

  /// Makes names of letters in so many mailboxes durable with one sync. It needs no descriptor: there may be none left.
  private func syncAll(_ letters: [UnsortedLetter], in mailboxes: Int, owners: Set<Name>) throws(Errno) {
    let letter = letters[0]
    // Fewer links than mailboxes: one has a copy, made by a process that may have died before it was durable.
    if letters.count == 1, owners.isEmpty, try letter.file.status().links > mailboxes,
      letter.file.mountID().flatMap({ Mount.numbered($0) })?.commitsLinksWithFile == true
    {
      try letter.file.sync()
    } else {
      try letter.file.syncFileSystem()
    }
  }

  private func syncOwners(_ owners: Set<Name>, _ letters: [UnsortedLetter]) throws(Errno) {
    for name in owners.sorted() {
      let new = MailboxLayout(throughSymlink: layout.subscriber(name))[.new]
      // The mailbox may have been unsubscribed or removed since.
      do throws(Errno) { try office.syncSealed(new, letters) } catch .noEntry {}
    }
  }

  /// Whether a mailbox lies on another file system than a letter, or it cannot be seen.
  private func isElsewhere(_ mailbox: Name, _ letter: borrowing File) -> Bool {
    let here = try? letter.status().device
    return here == nil || (try? office.root.status(layout.subscriber(mailbox) / ".").device) != here
  }
}
