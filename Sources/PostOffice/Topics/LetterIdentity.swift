// Identifying: a letter that nobody sorts is known again in its mailboxes, or gets its ID.
//
// An ID names one letter of its topic for as long as anything of it is kept. What a foreign program delivered keeps its
// name if that can be an ID (`mayStay`) and nothing else bears it, or if somebody has got the letter under it already;
// else the finisher renames it in new/, and syncs new/, before anybody gets it. So however often finishers die, it has
// one ID. And it has a file of its own: one that another letter shares (a program that links one file into two topics,
// or twice into one) is written anew, for inodes tell foreign letters apart.

import Linux

extension Topic {

  /// What is known of letters before they are sorted.
  struct Sighting {
    /// Which subscribers have them already, in any state.
    fileprivate(set) var having = [LetterID: Set<Name>]()
    /// Subscribers into whose mailboxes one cannot look now.
    fileprivate(set) var blind = Set<Name>()
    /// Those whose file is another letter's, too.
    fileprivate var shared = Set<LetterID>()
    /// Those under whose name a subscriber has another letter.
    fileprivate var taken = Set<LetterID>()
    /// What bears a mail reader's flags in cur/, by its ID.
    fileprivate var flagged = [LetterID: (name: Path, inode: UInt64)]()

    func owners(of letter: ListedLetter) -> Set<Name> {
      // Written anew, it is nobody's yet.
      shared.contains(letter.id) ? [] : having[letter.id] ?? []
    }
  }

  /// Looks who has these letters already, and what else is in their way.
  func look(for letters: [ListedLetter]) throws(PostError) -> Sighting {
    var sighting = Sighting()
    for subscriber in try subscribers() {
      do throws(Errno) {
        let target = MailboxLayout(throughSymlink: layout.subscriber(subscriber))
        let seen = try office.look(for: letters, in: target)
        for id in seen.met { sighting.having[id, default: []].insert(subscriber) }
        sighting.shared.formUnion(seen.shared)
        sighting.taken.formUnion(seen.taken)
      } catch {
        let trouble = PostError(error, "cannot look into mailbox \(subscriber)")
        if trouble.kind == .tryAgain { throw trouble }  // ours, not the mailbox's
        office.warn("\(trouble.message); its letters are held until one can")
        sighting.blind.insert(subscriber)
      }
    }
    try attempt("cannot list \(layout.cur)") { () throws(Errno) in
      try office.root.forEachEntry(in: layout.cur) { bytes, inode in
        let name = Path(bytes)
        if !EntryName.flags(of: name).isEmpty { sighting.flagged[EntryName(name).id] = (name, inode) }
      }
    }
    try lookForSharers(of: letters, &sighting.shared)
    return sighting
  }

  /// Looks which foreign letters with several links share their file with another letter of a topic.
  private func lookForSharers(of letters: [ListedLetter], _ shared: inout Set<LetterID>) throws(PostError) {
    var suspects = [UInt64: LetterID]()
    for letter in letters where !letter.id.isOurs && letter.status.links > 1 {
      if let other = suspects.updateValue(letter.id, forKey: letter.status.inode) { shared.insert(other) }
    }
    if suspects.isEmpty { return }
    for topic in try office.topicNames() {
      let other = TopicLayout(topic)
      for folder in [other.new, other.cur] {
        // A topic that is not for us to see has no letter of ours.
        try? office.forEachLetter(of: folder) { _, bytes, inode in
          guard let id = suspects[inode] else { return }
          let name = Path(bytes)
          if topic != self.name || name != id.path && EntryName(name).id != id { shared.insert(id) }
        }
      }
    }
  }

  /// Sees to it that a letter that nobody sorts is whole, durable, and named as it may be in cur/. The name itself is
  /// not durable yet.
  /// - Returns: nil if there is nothing to sort.
  func prepare(_ orphan: ListedLetter, _ sighting: Sighting) throws(Errno) -> UnsortedLetter? {
    let (name, id) = (orphan.name, orphan.id)
    // The sender may have sorted it between our look and the lock; it moves the name before it lets go.
    let file = try office.root.open(layout.new / name, .read)
    guard try file.tryLock(.shared, byte: sorterByte), try office.root.exists(layout.new / name) else {
      return nil
    }
    // Or another finisher has, and a foreign program chose the name again: that is for the next pass.
    let status = try file.status()
    guard status.inode == orphan.status.inode else { return nil }
    if status.size == 0 {
      setAside(name, from: layout.new, because: "is empty")
      return nil
    }
    // A foreign program's mode. If it is not ours to change, or the file is known elsewhere, post check tells.
    if status.links == 1 { try? file.protect() }
    let isShared = sighting.shared.contains(id)
    // A foreign program may not have made it durable. A sync that fails is not tried again on that file.
    let durable: File
    if !isShared, (try? file.sync()) != nil { durable = file } else { durable = try writeAnew(name, file) }
    let inode = try durable.status().inode
    let kept = try kept(id, inBags: !id.isOurs || status.links > 1, sighting)
    if let kept, id.isOurs, kept.inode != inode {
      setAside(name, from: layout.new, because: "has the ID of another letter, which \(kept.path.parent) has")
      return nil
    }
    let isAnother = kept.map { $0.inode != inode } == true
    let keepsName = isShared || isAnother ? false : try mayKeepName(orphan, sighting)
    if !keepsName {
      let id = office.ids.next(now: Clock.wall, foreign: true)
      try office.root.rename(layout.new / name, to: office.root, layout.new / id.path)
      // A foreign program has just put another letter under the name: that is for the next pass, too.
      guard try office.root.status(layout.new / id.path).inode == inode else { return nil }
      return UnsortedLetter(id.path, id, file: durable)
    }
    let isKept = kept.map { $0.path != layout.cur / id.path } == true
    if isKept, let kept { try office.root.directory(kept.path.parent).sync() }
    return UnsortedLetter(name, id, file: durable, isKept: isKept)
  }

  /// Whether a letter may keep its name as its ID, if the topic keeps no other letter of that name.
  private func mayKeepName(_ letter: ListedLetter, _ sighting: Sighting) throws(Errno) -> Bool {
    if letter.id.isOurs { return true }
    // A finisher gave it, however long it could not be sorted then; the name of another file it is not.
    if letter.id.isIssued, letter.status.links == 1 { return true }
    if letter.id.mayStay(at: Clock.wall / 1_000_000_000), !sighting.taken.contains(letter.id) { return true }
    // Somebody has it under this name: a finisher died, long ago, or it was one of version 0.1.0.
    if !sighting.owners(of: letter).isEmpty { return true }
    guard letter.status.links > 1, try office.root.exists(layout.held) else { return false }
    for mailbox in try office.root.directory(layout.held).names() {
      let held = try? office.root.status(layout.held / mailbox / letter.id.path)
      if held?.inode == letter.status.inode { return true }
    }
    return false
  }

  /// Where the topic keeps a letter of this ID already, if it does, and as which file. It may be one that nobody has
  /// sorted: when a power cut undoes a seal, what was sorted after it is in a bag, and may be in new/ as well.
  private func kept(
    _ id: LetterID, inBags: Bool, _ sighting: Sighting
  ) throws(Errno) -> (path: Path, inode: UInt64)? {
    if let flagged = sighting.flagged[id] { return (layout.cur / flagged.name, flagged.inode) }
    let bags = inBags ? try office.bags(of: layout.cur).map { $0.path(in: Layout.bags(of: layout.cur)) } : []
    for folder in [layout.cur] + bags {
      let path = folder / id.path
      do throws(Errno) { return (path, try office.root.status(path).inode) } catch .noEntry {}
    }
    return nil
  }

  /// Replaces a letter in new/ by a copy that is durable.
  private func writeAnew(_ name: Path, _ file: borrowing File) throws(Errno) -> File {
    let draft = layout.tmp / office.ids.next(now: Clock.wall).path
    let copy = try office.root.open(draft, .create(permissions: 0o444))
    do throws(Errno) {
      guard try copy.tryLock(.exclusive, byte: sorterByte), try copy.status().links > 0 else { throw .again }
      try copy.write(contentOf: file)
      try copy.sync()
      // A foreign program may just have put another letter there.
      guard try office.root.status(layout.new / name).inode == file.status().inode else { throw .again }
      try office.root.replace(layout.new / name, with: draft)
      try office.root.directory(layout.new).sync()
      return copy
    } catch {
      try? office.root.remove(draft)
      throw error
    }
  }
}

extension File {
  /// Takes everybody's right to write away: mailboxes share the inode of a letter.
  borrowing func protect() throws(Errno) {
    let permissions = try status().permissions
    if permissions & 0o222 != 0 { try setPermissions(permissions & ~0o222) }
  }
}
