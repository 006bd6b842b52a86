// How one mailbox gets one letter: as a hard link, or, where the kernel refuses one, as a copy. And how a letter is
// held for a mailbox that cannot take it. The only file that makes hard links (CrashSafety I12).
//
// - A mailbox sees whole letters only: a link has its content at once, and a copy is renamed into place.
// - A letter that a dead process placed before is recognised by its name and inode, or by the name of its copy, and is
//   not placed twice. Two foreign letters of one name both arrive, the second under a new ID.
// - What is placed here is not durable yet, except for copies: the caller syncs the directory.

import Linux

extension Delivery {
  /// Gives a mailbox its link to a letter, or a copy.
  /// - Parameters:
  ///   - source: the directory that has the letter.
  ///   - new: the mailbox's new/.
  /// - Returns: whether the mailbox's new/ must still be made durable.
  func place(
    _ letter: UnsortedLetter, from source: LetterDirectory, into new: LetterDirectory
  ) throws(Errno) -> Bool {
    var id = letter.id
    do throws(Errno) {
      try link(letter, from: source, into: new, as: &id)
      return true
    } catch let error where error == .crossDevice || error == .tooManyLinks || error == .notPermitted {
      try copy(letter, into: new, as: id)
      return false
    }
  }

  /// Gives a letter a further name, unless it has it already.
  /// - Parameter id: the new name. If a foreign letter of that name is there, it becomes another one.
  private func link(
    _ letter: UnsortedLetter, from source: LetterDirectory, into target: LetterDirectory,
    as id: inout LetterID
  ) throws(Errno) {
    while true {
      do throws(Errno) {
        return try source.change(letter.name) { (from, old) throws(Errno) in
          try target.change(id.path) { (to, new) throws(Errno) in try from.link(old, into: to, new) }
        }
      } catch .exists {
        // A process that died came this far. Or a foreign deliverer chose a name twice.
        let other = try target.inode(of: id.path)
        let own = try letter.file.status().inode
        if id.isOurs || other == own { return }
        id = office.ids.next(now: Clock.wall, foreign: true)
      }
    }
  }

  /// Copies a letter through the mailbox's own tmp/, durably.
  private func copy(_ letter: UnsortedLetter, into new: LetterDirectory, as id: LetterID) throws(Errno) {
    let id = id.isIssued ? id : LetterID(copyOf: try letter.file.status(), of: id)
    let mailbox = MailboxLayout(throughSymlink: new.path.parent)
    let draft = try Draft(in: mailbox[.tmp], of: office, permissions: 0o444)
    try draft.finish { (file) throws(Errno) in
      // Each command on the topic tries a held letter again: that must not fill a disk to the brim each time.
      let space = try file.space()
      if space.isKnown, try space.free < letter.file.status().size { throw .noSpace }
      try file.write(contentOf: letter.file)
      if durability == .full { try file.sync() }
      let isNamedDurably = new.isOpen || durability == .none
      let new = isNamedDurably ? new : try LetterDirectory(openingOrDropBox: new.path, of: office)
      do throws(Errno) { try new.take(draft.path, as: id.path) } catch .exists {
        try office.root.remove(draft.path)  // a process that died came this far
      }
      if durability == .full { if new.isOpen { try new.directory.sync() } else { try file.sync() } }
    }
  }

  /// Keeps letters for a mailbox that cannot take them now.
  func hold(_ letters: ArraySlice<UnsortedLetter>, from new: LetterDirectory, for mailbox: Name)
    throws(PostError)
  {
    let what = Delivery.counted(letters, verb: ("for", "for"))
    try office.attemptWrite("cannot hold \(what)", "mailbox \(mailbox)", in: layout.root) {
      () throws(Errno) in
      let held = LetterDirectory(layout.held(for: mailbox), of: office)
      try makeHeld(held.path)
      for letter in letters {
        var id = letter.id
        do throws(Errno) { try link(letter, from: new, into: held, as: &id) } catch .noEntry {
          guard try isTaken(letter, from: new) else { throw .noEntry }
        }
      }
      if durability == .full { try office.root.directory(held.path).sync() }
    }
  }

  private func makeHeld(_ held: Path) throws(Errno) {
    if durability == .none {
      for folder in [layout.held, held] {
        do throws(Errno) { try office.root.makeDirectory(folder) } catch .exists {}
      }
      return
    }
    // Also if they are there: the process that made them may have died before its syncs. Once is enough.
    if office.sureHeld.contains(held), try office.root.exists(held) { return }
    try office.make([layout.held], in: layout.root)
    try office.make([held], in: layout.held)
    office.sureHeld.insert(held)
  }
}

// MARK: Letters that the topic keeps

extension Delivery {
  /// How many letters come into a mailbox before it is looked at whether it is full.
  private static let letterLimit = 512

  /// Gives a mailbox letters that the topic keeps, durably, and seals it as it fills.
  /// - Parameter placed: gets each of them that has not been pruned meanwhile.
  func placeKept(
    _ letters: [ListedLetter], into mailbox: MailboxLayout, _ placed: (ListedLetter) -> Void = { _ in }
  ) throws(Errno) {
    var rest = letters[...]
    repeat {
      let new = try LetterDirectory(opening: mailbox[.new], of: office)
      for letter in rest.prefix(Delivery.letterLimit) where try placeKept(letter, into: new) {
        placed(letter)
      }
      rest = rest.dropFirst(Delivery.letterLimit)
      try new.directory.sync()
      new.sealIfFull(after: [])
    } while !rest.isEmpty
  }

  /// - Returns: false if the letter has been pruned meanwhile.
  private func placeKept(_ letter: ListedLetter, into new: LetterDirectory) throws(Errno) -> Bool {
    var source = letter.folder / letter.name
    for _ in 0..<2 {
      do throws(Errno) {
        let file = try office.root.open(source, .read)
        let folder = LetterDirectory(source.parent, of: office)
        _ = try place(UnsortedLetter(source.name, letter.id, file: file), from: folder, into: new)
        return true
      } catch .noEntry {
        if try office.root.exists(source) { throw .noEntry }  // it is the mailbox that is missing
        // Pruned; or sealed since it was listed, or named anew by a mail reader.
        guard let path = try topic.keptNow(letter) else { return false }
        source = path
      }
    }
    return false
  }
}
