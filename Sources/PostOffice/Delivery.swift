// Delivery: from a topic into its subscribers' mailboxes. The only file that makes hard links.
//
// A letter leaves new/ for cur/ only when every subscriber has it, durably, in the mailbox or in
// held/. If anything else goes wrong it stays in new/, accepted, and the next who passes by goes on.

import Linux

struct Delivery {
  let topic: Topic
  private var office: Office { topic.office }
  private var layout: TopicLayout { topic.layout }

  init(_ topic: Topic) { self.topic = topic }

  /// Up to so many directories are made durable one by one; beyond it, syncfs does all at once.
  static let directorySyncs = 16

  /// Sorts an accepted letter: delivers it to all subscribers that do not have it, then moves it from
  /// new/ to cur/.
  /// - Parameters:
  ///   - name: its file name in new/.
  ///   - file: the letter, open.
  ///   - having: mailboxes known to have it already.
  ///   - blind: mailboxes that may have it: it is held for them until one can see.
  /// - Returns: false if it stays in new/ until somebody else comes.
  @discardableResult
  func sort(
    _ name: Path, _ id: LetterID, file: borrowing File, having: Set<Name> = [], blind: Set<Name> = []
  ) -> Bool {
    do throws(PostError) {
      let subscribers = try topic.subscribers().filter { !having.contains($0) && !blind.contains($0) }
      for mailbox in blind.subtracting(having) { try hold(layout.new / name, id, for: mailbox) }
      try deliver(layout.new / name, id, file: file, to: subscribers, having: having)
      try office.attemptWrite("cannot move letter \(id) to \(layout.cur)", in: layout.root) {
        () throws(Errno) in
        do throws(Errno) {
          try office.root.rename(layout.new / name, to: office.root, layout.cur / id.path)
        } catch .exists {
          let kept = try office.root.status(layout.cur / id.path)
          guard try kept.inode == file.status().inode else { throw .exists }
          try office.root.remove(layout.new / name)  // cur/ has it: sorted once already
        }
      }
      return true
    } catch {
      office.warn(
        "\(error.message); letter \(id) is accepted and stays in \(layout.new) until it can be sorted")
      return false
    }
  }

  /// Links a letter into mailboxes, durably; what a mailbox cannot take is held for it.
  private func deliver(
    _ source: Path, _ id: LetterID, file: borrowing File, to subscribers: [Name], having: Set<Name>
  ) throws(PostError) {
    var linked = having.sorted()  // whether the sorter before us synced these, we cannot know
    var refused = [Name]()
    for name in subscribers {
      do throws(Errno) {
        let mailbox = MailboxLayout(throughSymlink: layout.subscriber(name))
        if try place(source, id, file: file, into: mailbox) { linked.append(name) }
      } catch {
        refused.append(name)
        let hint = "letter \(id) is held for it (gone for good? post unsubscribe \(name) \(topic.name))"
        let folder = layout.subscriber(name)
        office.warn(
          office.trouble(error, "cannot deliver to mailbox \(name)", in: folder, hint: hint).message)
      }
    }
    for name in refused { try hold(source, id, for: name) }
    try attempt("cannot make letter \(id) durable in its mailboxes") { () throws(Errno) in
      try sync(linked, having: having, file: file)
    }
  }

  /// Gives a mailbox its link or, where a hard link is refused, its copy.
  /// - Returns: whether the mailbox's new/ must still be made durable.
  func place(
    _ source: Path, _ id: LetterID, file: borrowing File, into mailbox: MailboxLayout
  ) throws(Errno) -> Bool {
    do throws(Errno) {
      try office.root.link(source, into: office.root, mailbox[.new] / id.path)
      return true
    } catch .exists {
      // An earlier sorter, now dead, came this far. Or a foreign program chose a name twice.
      let other = try office.root.status(mailbox[.new] / id.path)
      let own = try file.status()
      if id.isOurs || other.inode == own.inode { return true }
      return try place(source, office.ids.next(now: Clock.wall, foreign: true), file: file, into: mailbox)
    } catch let error where [.crossDevice, .tooManyLinks, .notPermitted].contains(error) {
      try copy(id, file: file, into: mailbox)
      return false
    }
  }

  /// Gives a mailbox a letter that the topic keeps, as ``place(_:_:file:into:)`` does.
  /// - Returns: whether the mailbox's new/ must still be made durable; nil: the letter has just been pruned.
  func placeKept(_ letter: Topic.Orphan, into mailbox: MailboxLayout) throws(Errno) -> Bool? {
    var source = letter.folder / letter.name
    for _ in 0..<2 {
      do throws(Errno) {
        let file = try office.root.open(source, .read)
        return try place(source, letter.id, file: file, into: mailbox)
      } catch .noEntry {
        if try office.root.exists(source) { throw .noEntry }  // the mailbox is what is missing
        // Pruned; or sealed since it was seen.
        guard let folder = try office.folder(of: letter, in: layout.cur) else { return nil }
        source = folder / letter.name
      }
    }
    return nil
  }

  /// Copies through the mailbox's own tmp/, as a sender would.
  private func copy(_ id: LetterID, file: borrowing File, into mailbox: MailboxLayout) throws(Errno) {
    let id = id.isOurs ? id : LetterID(copyOf: try file.status())
    // A name of ours for the draft: if we die, whoever comes next knows that it is debris.
    let draft = mailbox[.tmp] / office.ids.next(now: Clock.wall).path
    let copy = try office.root.open(draft, .create(permissions: 0o444))
    do throws(Errno) {
      guard try copy.tryLock(.exclusive, byte: sorterByte), try copy.status().links > 0 else { throw .again }
      // Whoever passes by tries a held letter again: that shall not fill a disk to the brim each time.
      let space = try copy.space()
      if space.isKnown, try space.free < file.status().size { throw .noSpace }
      try copy.write(contentOf: file)
      try copy.sync()
      do throws(Errno) {
        try office.root.rename(draft, to: office.root, mailbox[.new] / id.path)
      } catch .exists {
        try office.root.remove(draft)  // an earlier sorter, now dead, came this far
      }
      try office.syncNames(in: mailbox[.new], of: copy)
    } catch {
      try? office.root.remove(draft)
      throw error
    }
  }

  /// Makes the links in the mailboxes' new/ durable.
  /// - Parameter having: those whose letter an earlier sorter put there: it may be a copy, on another file system.
  private func sync(_ mailboxes: [Name], having: Set<Name>, file: borrowing File) throws(Errno) {
    var rest = mailboxes
    if mailboxes.count > Delivery.directorySyncs {
      try office.root.syncFileSystem()
      rest = having.sorted()
    }
    for name in rest {
      do throws(Errno) {
        try office.syncNames(in: MailboxLayout(throughSymlink: layout.subscriber(name))[.new], of: file)
      } catch .noEntry {
        // Unsubscribed, or removed, since its link was made.
      }
    }
  }

  /// Keeps a letter for a mailbox that cannot take it now.
  private func hold(_ source: Path, _ id: LetterID, for mailbox: Name) throws(PostError) {
    try office.attemptWrite("cannot hold letter \(id) for mailbox \(mailbox)", in: layout.root) {
      () throws(Errno) in
      let held = layout.held(for: mailbox)
      // Also if they are there: whoever made them may have died before their names were durable.
      // Once is enough.
      var isSure = office.sureHeld.contains(held)
      if isSure { isSure = try office.root.exists(held) }
      if !isSure {
        try office.make([layout.held], in: layout.root)
        try office.make([held], in: layout.held)
        office.sureHeld.insert(held)
      }
      do throws(Errno) { try office.root.link(source, into: office.root, held / id.path) } catch .exists {
        // An earlier sorter came this far. Or a foreign program chose a name twice.
        let other = try office.root.status(held / id.path).inode
        if try other != office.root.status(source).inode {
          let id = office.ids.next(now: Clock.wall, foreign: true)
          try office.root.link(source, into: office.root, held / id.path)
        }
      }
      try office.root.directory(held).sync()
    }
  }
}
