// Delivery: from a topic into its subscribers' mailboxes. The only file that makes hard links.
//
// A letter leaves new/ for cur/ only when every subscriber has it, durably, in the mailbox or in
// held/. If anything else goes wrong it stays in new/, accepted, and the next who passes by goes on.
// Letters that were accepted together are sorted together: each directory is synced once for all of them.

import Linux

package struct Delivery {
  let topic: Topic
  private let durability: Durability
  private var office: Office { topic.office }
  private var layout: TopicLayout { topic.layout }

  init(_ topic: Topic, _ durability: Durability = .full) {
    self.topic = topic
    self.durability = durability
  }

  /// Up to so many directories are made durable one by one, beyond it all at once.
  package static let directorySyncs = 16
  /// So many mailboxes are looked at, whether they are full, each time letters are sorted.
  private static let sealsAtOnce = 8

  /// Sorts accepted letters: delivers them to all subscribers that do not have them, then moves them from
  /// new/ to cur/.
  /// - Parameters:
  ///   - new: the topic's new/, which has them.
  ///   - having: mailboxes known to have them already.
  ///   - blind: mailboxes that may have them: they are held for them until one can see.
  /// - Returns: false if some stay in new/ until somebody else comes.
  @discardableResult
  func sort(
    _ letters: [UnsortedLetter], from new: LetterDirectory, having: Set<Name> = [], blind: Set<Name> = []
  ) -> Bool {
    if letters.isEmpty { return true }
    var sorted = 0
    do throws(PostError) {
      let subscribers = try topic.subscribers().filter { !having.contains($0) && !blind.contains($0) }
      for mailbox in blind.subtracting(having) { try hold(letters[...], from: new, for: mailbox) }
      let trays = try deliver(letters, from: new, to: subscribers, having: having)
      while sorted < letters.count {
        try keep(letters[sorted], from: new)
        sorted += 1
      }
      // Mailboxes of one topic fill in step: let not one sender seal them all.
      let first = trays.isEmpty ? 0 : Int(Host.random) % trays.count
      for tray in (trays[first...] + trays[..<first]).prefix(Delivery.sealsAtOnce) {
        tray.sealIfFull(after: letters)
      }
      if let size = try? office.root.status(layout.cur / ".").size, size > Bag.limit {
        if office.sealIfFull(layout.cur, size: size) { topic.pruneAfterSealing() }
      }
      return true
    } catch {
      let stay = Delivery.counted(letters[sorted...], verb: ("is", "are"))
      let until =
        letters.count - sorted == 1 ? "stays in \(layout.new) until it" : "stay in \(layout.new) until they"
      office.warn("\(error.message); \(stay) accepted and \(until) can be sorted")
      return false
    }
  }

  /// `letter ID is`, or `3 letters are`.
  private static func counted(_ letters: ArraySlice<UnsortedLetter>, verb: (one: String, many: String))
    -> String
  {
    if letters.count == 1, let letter = letters.first { return "letter \(letter.id) \(verb.one)" }
    return "\(letters.count) letters \(verb.many)"
  }

  /// Moves a letter from new/ to cur/.
  private func keep(_ letter: UnsortedLetter, from new: LetterDirectory) throws(PostError) {
    try office.attemptWrite("cannot move letter \(letter.id) to \(layout.cur)", in: layout.root) {
      () throws(Errno) in
      let cur = layout.cur / letter.id.path
      do throws(Errno) {
        if !letter.isKept {
          do throws(Errno) {
            try new.change(letter.name) { (folder, name) throws(Errno) in
              try folder.rename(name, to: office.root, cur)
            }
            if !letter.id.isOurs { try see(that: cur, is: letter) }
            return
          } catch .exists {
            guard try office.root.status(cur).inode == letter.file.status().inode else { throw .exists }
          }
        }
        // It is kept: sorted once already.
        try new.change(letter.name) { (folder, name) throws(Errno) in try folder.remove(name) }
      } catch .noEntry {
        // All have it, and a mail reader has moved it to cur/.
        guard try isTaken(letter, from: new) else { throw .noEntry }
      }
    }
  }

  /// A foreign program may have put another letter under a name just before that went to cur/: it is not sorted yet.
  private func see(that kept: Path, is letter: UnsortedLetter) throws(Errno) {
    guard try office.root.status(kept).inode != letter.file.status().inode else { return }
    let id = office.ids.next(now: Clock.wall, foreign: true)
    try office.root.rename(kept, to: office.root, layout.new / id.path)
  }

  /// Whether a letter has gone from new/, although none but us may sort it: a mail reader, or somebody by hand.
  private func isTaken(_ letter: UnsortedLetter, from new: LetterDirectory) throws(Errno) -> Bool {
    try new.change(letter.name) { (folder, name) throws(Errno) in try !folder.exists(name) }
  }

  /// Links letters into mailboxes, durably; what a mailbox cannot take is held for it.
  /// - Returns: the new/ of the mailboxes that got some.
  private func deliver(
    _ letters: [UnsortedLetter], from new: LetterDirectory, to subscribers: [Name], having: Set<Name>
  ) throws(PostError) -> [LetterDirectory] {
    var opens = durability == .full && subscribers.count + having.count <= Delivery.directorySyncs
    var trays = [LetterDirectory]()
    var unsynced = [LetterDirectory]()
    var refused = [(mailbox: Name, letters: ArraySlice<UnsortedLetter>)]()
    var lacking = [Name]()
    for name in subscribers {
      let mailbox = MailboxLayout(throughSymlink: layout.subscriber(name))
      var rest = letters[...]
      do throws(Errno) {
        let tray = try tray(mailbox[.new], opening: &opens)
        var isUnsynced = false
        defer {
          if rest.count < letters.count { trays.append(tray) }
          if isUnsynced { unsynced.append(tray) }
        }
        while let letter = rest.first {
          let source = (tray: new, name: letter.name)
          do throws(Errno) {
            if try place(source, letter.id, file: letter.file, into: mailbox, tray) { isUnsynced = true }
          } catch .noEntry {
            guard try isTaken(letter, from: new) else { throw .noEntry }
            lacking.append(name)
          }
          rest.removeFirst()
        }
      } catch {
        refused.append((name, rest))
        let held = Delivery.counted(rest, verb: ("is", "are"))
        let hint = "\(held) held for it (gone for good? post unsubscribe \(name) \(topic.name))"
        let folder = layout.subscriber(name)
        office.warn(
          office.trouble(error, "cannot deliver to mailbox \(name)", in: folder, hint: hint).message)
      }
    }
    for (mailbox, rest) in refused { try hold(rest, from: new, for: mailbox) }
    if let first = lacking.first {
      office.warn(
        "somebody, perhaps a mail reader, took letters from \(layout.new) before mailbox \(first) had them; "
          + Topic.remedy)
    }
    if durability == .full {
      var names: String { Delivery.counted(letters[...], verb: ("durable in its", "durable in their")) }
      try attempt("cannot make \(names) mailboxes") { () throws(Errno) in
        if opens { return try sync(unsynced, letters, having: having) }
        // What was linked is on the letter's file system, and copies were synced by themselves.
        if !unsynced.isEmpty || !having.isEmpty {
          try syncAll(letters, in: unsynced.count, having: having)
        }
        try sync([], letters, having: having.filter { isElsewhere($0, letters[0].file) })
      }
    }
    return trays
  }

  /// Makes names of letters in so many mailboxes durable, all at once. Syncs.md tells how, and why. No descriptor is
  /// needed: there may be none.
  private func syncAll(_ letters: [UnsortedLetter], in mailboxes: Int, having: Set<Name>) throws(Errno) {
    let letter = letters[0]
    // Fewer links than mailboxes: somebody has a copy, made by a sorter that may have died before it was durable.
    if letters.count == 1, having.isEmpty, try letter.file.status().links > mailboxes,
      letter.file.mountID().flatMap({ Mount.numbered($0) })?.commitsLinksWithFile == true
    {
      try letter.file.sync()
    } else {
      try letter.file.syncFileSystem()
    }
  }

  /// A mailbox's new/: open, if names in it are to be synced one by one.
  /// - Parameter opens: becomes false when no more can be opened.
  private func tray(_ path: Path, opening opens: inout Bool) throws(Errno) -> LetterDirectory {
    if opens {
      do throws(Errno) { return try LetterDirectory(opening: path, of: office) } catch .processFiles {
        opens = false
      } catch .systemFiles { opens = false }
    }
    return LetterDirectory(path, of: office)
  }

  /// Whether a mailbox lies on another file system than a letter, or one cannot see.
  private func isElsewhere(_ mailbox: Name, _ letter: borrowing File) -> Bool {
    let here = try? letter.status().device
    return here == nil || (try? office.root.status(layout.subscriber(mailbox) / ".").device) != here
  }

  /// Makes the links in the mailboxes' new/ durable.
  /// - Parameter having: those whose letters an earlier sorter put there, and whether it came to sync them, we
  ///   cannot know. They may be copies, on another file system.
  private func sync(_ trays: [LetterDirectory], _ letters: [UnsortedLetter], having: Set<Name>) throws(Errno)
  {
    for tray in trays where tray.isOpen { try tray.sync(for: letters) }
    // Drop boxes: once for all of them.
    if let tray = trays.first(where: { !$0.isOpen }) { try tray.sync(for: letters) }
    for name in having.sorted() {
      let folder = MailboxLayout(throughSymlink: layout.subscriber(name))[.new]
      // Unsubscribed, or removed, since its link was made?
      do throws(Errno) { try office.syncSealed(folder, letters) } catch .noEntry {}
    }
  }

  /// Gives a mailbox a letter that is not being sorted, by its path, as ``place(_:_:file:into:_:)`` does.
  func place(
    _ source: Path, _ id: LetterID, file: borrowing File, into mailbox: MailboxLayout,
    _ tray: LetterDirectory? = nil
  ) throws(Errno) -> Bool {
    let source = (tray: LetterDirectory(source.parent, of: office), name: source.name)
    return try place(
      source, id, file: file, into: mailbox, tray ?? LetterDirectory(mailbox[.new], of: office))
  }

  /// Gives a mailbox its link or, where a hard link is refused, its copy.
  /// - Parameter tray: the mailbox's new/.
  /// - Returns: whether the mailbox's new/ must still be made durable.
  private func place(
    _ source: (tray: LetterDirectory, name: Path), _ id: LetterID, file: borrowing File,
    into mailbox: MailboxLayout,
    _ tray: LetterDirectory
  ) throws(Errno) -> Bool {
    do throws(Errno) {
      try source.tray.change(source.name) { (from, old) throws(Errno) in
        try tray.change(id.path) { (to, new) throws(Errno) in try from.link(old, into: to, new) }
      }
      return true
    } catch .exists {
      // An earlier sorter, now dead, came this far. Or a foreign program chose a name twice.
      let other = try tray.change(id.path) { (folder, name) throws(Errno) in try folder.status(name) }
      let own = try file.status()
      if id.isOurs || other.inode == own.inode { return true }
      let id = office.ids.next(now: Clock.wall, foreign: true)
      return try place(source, id, file: file, into: mailbox, tray)
    } catch let error where [.crossDevice, .tooManyLinks, .notPermitted].contains(error) {
      try copy(id, file: file, into: mailbox, tray)
      return false
    }
  }

  /// Gives a mailbox a letter that the topic keeps, as ``place(_:_:file:into:)`` does.
  /// - Returns: whether the mailbox's new/ must still be made durable; nil: the letter has just been pruned.
  private func placeKept(
    _ letter: ListedLetter, into mailbox: MailboxLayout, _ tray: LetterDirectory
  ) throws(Errno) -> Bool? {
    var source = letter.folder / letter.name
    for _ in 0..<2 {
      do throws(Errno) {
        let file = try office.root.open(source, .read)
        return try place(source, letter.id, file: file, into: mailbox, tray)
      } catch .noEntry {
        if try office.root.exists(source) { throw .noEntry }  // the mailbox is what is missing
        // Pruned; or sealed since it was seen, or flagged by a mail reader.
        guard let path = try topic.keptNow(letter) else { return nil }
        source = path
      }
    }
    return nil
  }

  /// Gives a mailbox letters that the topic keeps, durably. It is sealed as it fills.
  /// - Parameter placed: gets each of them that has not just been pruned.
  func placeKept(
    _ letters: [ListedLetter], into mailbox: MailboxLayout, _ placed: (ListedLetter) -> Void = { _ in }
  ) throws(Errno) {
    var rest = letters[...]
    repeat {
      let tray = try LetterDirectory(opening: mailbox[.new], of: office)
      if !tray.isOpen { throw .denied }
      for letter in rest.prefix(Delivery.trayLoad) where try placeKept(letter, into: mailbox, tray) != nil {
        placed(letter)
      }
      rest = rest.dropFirst(Delivery.trayLoad)
      try tray.sync(for: [])
      tray.sealIfFull(after: [])
    } while !rest.isEmpty
  }

  /// So many letters come into a mailbox before it is seen whether it is full.
  private static let trayLoad = 512

  /// Copies through the mailbox's own tmp/, as a sender would.
  private func copy(
    _ id: LetterID, file: borrowing File, into mailbox: MailboxLayout, _ tray: LetterDirectory
  ) throws(Errno) {
    let id = id.isIssued ? id : LetterID(copyOf: try file.status(), of: id)
    // A name of ours for the draft: if we die, whoever comes next knows that it is debris.
    let draft = mailbox[.tmp] / office.ids.next(now: Clock.wall).path
    let copy = UnsortedLetter(id.path, id, file: try office.root.open(draft, .create(permissions: 0o444)))
    do throws(Errno) {
      guard try copy.file.tryLock(.exclusive, byte: sorterByte), try copy.file.status().links > 0 else {
        throw .again
      }
      // Whoever passes by tries a held letter again: that shall not fill a disk to the brim each time.
      let space = try copy.file.space()
      if space.isKnown, try space.free < file.status().size { throw .noSpace }
      try copy.file.write(contentOf: file)
      if durability == .full { try copy.file.sync() }
      let tray =
        tray.isOpen || durability == .none ? tray : try LetterDirectory(opening: tray.path, of: office)
      do throws(Errno) {
        try tray.change(id.path) { (folder, name) throws(Errno) in
          try office.root.rename(draft, to: folder, name)
        }
      } catch .exists {
        try office.root.remove(draft)  // an earlier sorter, now dead, came this far
      }
      if durability == .full { try tray.sync(for: [copy]) }
    } catch {
      try? office.root.remove(draft)
      throw error
    }
  }

  /// Keeps letters for a mailbox that cannot take them now.
  private func hold(_ letters: ArraySlice<UnsortedLetter>, from new: LetterDirectory, for mailbox: Name)
    throws(PostError)
  {
    let what = Delivery.counted(letters, verb: ("for", "for"))
    try office.attemptWrite("cannot hold \(what) mailbox \(mailbox)", in: layout.root) {
      () throws(Errno) in
      let held = layout.held(for: mailbox)
      try makeHeld(held)
      for letter in letters {
        func link(as id: LetterID) throws(Errno) {
          try new.change(letter.name) { (folder, name) throws(Errno) in
            try folder.link(name, into: office.root, held / id.path)
          }
        }
        do throws(Errno) { try link(as: letter.id) } catch .noEntry {
          guard try isTaken(letter, from: new) else { throw .noEntry }
        } catch .exists {
          // An earlier sorter came this far. Or a foreign program chose a name twice.
          let other = try office.root.status(held / letter.id.path).inode
          if try other != letter.file.status().inode {
            try link(as: office.ids.next(now: Clock.wall, foreign: true))
          }
        }
      }
      if durability == .full { try office.root.directory(held).sync() }
    }
  }

  private func makeHeld(_ held: Path) throws(Errno) {
    if durability == .none {
      for folder in [layout.held, held] {
        do throws(Errno) { try office.root.makeDirectory(folder) } catch .exists {}
      }
      return
    }
    // Also if they are there: whoever made them may have died before their names were durable.
    // Once is enough.
    var isSure = office.sureHeld.contains(held)
    if isSure { isSure = try office.root.exists(held) }
    if isSure { return }
    try office.make([layout.held], in: layout.root)
    try office.make([held], in: layout.held)
    office.sureHeld.insert(held)
  }
}
