// The identity of a letter that has no living sender, before it is delivered: its ID, and a file of its own.
//
// - An ID names one letter of its topic for as long as anything of the letter is kept. A foreign letter keeps its name
//   as its ID if that may be one (`LetterID.mayStay`) and no other letter has it, or if a mailbox has got the letter
//   under it already. Else the finisher renames it in new/, and new/ is synced before any mailbox has the letter
//   (CrashSafety I11). So it has one ID, however often finishers die.
// - No two letters share a file, for foreign letters are told apart by inode. A letter whose file is another letter's,
//   too (a program linked one file into two topics, or twice into one), is written to a new file.
// - Its content is durable before it is delivered. A sync that failed is not repeated on the file: the letter is
//   written to a new one (CrashSafety I1, I16).
// - What is empty, or has the ID of another letter of ours, is no letter: it is set aside.

import Linux

/// What is known of letters before a finisher delivers them.
struct LetterSurvey {
  /// Which subscribers have a letter already, in any state.
  fileprivate var owners = [LetterID: Set<Name>]()
  /// Subscribers whose mailboxes cannot be looked into now.
  fileprivate(set) var unreadable = Set<Name>()
  /// Letters whose file is another letter's, too.
  fileprivate var shared = Set<LetterID>()
  /// Letters under whose name a subscriber has another letter.
  fileprivate var taken = Set<LetterID>()
  /// Entries of cur/ with a mail reader's flags, by their ID.
  fileprivate var flagged = [LetterID: (name: Path, inode: UInt64)]()

  /// The subscribers that have a letter. One that is written to a new file, none has yet.
  func owners(of letter: ListedLetter) -> Set<Name> {
    shared.contains(letter.id) ? [] : owners[letter.id] ?? []
  }
}

extension Topic {
  /// Looks which subscribers have these letters already, and what else may bear their names or share their files.
  func survey(_ letters: [ListedLetter]) throws(PostError) -> LetterSurvey {
    var survey = LetterSurvey()
    for subscriber in try subscribers() {
      do throws(Errno) {
        let mailbox = MailboxLayout(throughSymlink: layout.subscriber(subscriber))
        let matches = try office.match(letters, in: mailbox)
        for id in matches.found { survey.owners[id, default: []].insert(subscriber) }
        survey.shared.formUnion(matches.shared)
        survey.taken.formUnion(matches.taken)
      } catch {
        let trouble = PostError(error, "cannot look into", "mailbox \(subscriber)")
        if trouble.kind == .tryAgain { throw trouble }  // this process's trouble, not the mailbox's
        office.warn(trouble.adding(outcome: "letters for it are held until that is possible").message)
        survey.unreadable.insert(subscriber)
      }
    }
    try attempt("cannot list", "\(layout.cur)") { () throws(Errno) in
      try office.root.forEachEntry(in: layout.cur) { bytes, inode in
        let name = Path(bytes)
        if !EntryName.flags(of: name).isEmpty { survey.flagged[EntryName(name).id] = (name, inode) }
      }
    }
    try lookForSharers(of: letters, &survey.shared)
    return survey
  }

  /// Looks which foreign letters with several links share their file with another letter of this or another topic.
  private func lookForSharers(of letters: [ListedLetter], _ shared: inout Set<LetterID>) throws(PostError) {
    var suspects = [UInt64: LetterID]()
    for letter in letters where !letter.id.isOurs && letter.status.links > 1 {
      if let other = suspects.updateValue(letter.id, forKey: letter.status.inode) { shared.insert(other) }
    }
    if suspects.isEmpty { return }
    for topic in try office.topicNames() {
      let other = TopicLayout(topic)
      for folder in [other.new, other.cur] {
        // A topic that this user may not see has no letter of his.
        try? office.forEachLetter(of: folder) { _, bytes, inode in
          guard let id = suspects[inode] else { return }
          let name = Path(bytes)
          if topic != self.name || name != id.path && EntryName(name).id != id { shared.insert(id) }
        }
      }
    }
  }

  /// Sees to it that a letter in new/ is whole and durable, has a file of its own, and is named by its ID. The name is
  /// not durable yet.
  /// - Returns: nil if there is nothing to deliver.
  func prepare(_ letter: ListedLetter, _ survey: LetterSurvey) throws(Errno) -> UnsortedLetter? {
    let (name, id) = (letter.name, letter.id)
    // Since it was listed, its sender may have sorted it: a sender moves the name before it unlocks the file.
    let file = try office.root.open(layout.new / name, .read)
    guard try file.tryLock(.shared, byte: LockBytes.writer), try office.root.exists(layout.new / name) else {
      return nil
    }
    // Or a finisher sorted it, and a foreign deliverer chose the name again: that letter is for the next pass.
    let status = try file.status()
    guard status.inode == letter.status.inode else { return nil }
    if status.size == 0 {
      setAside(name, from: layout.new, because: "is empty")
      return nil
    }
    // Its mode may be a foreign program's. If it cannot be changed, or another program has the file, post check reports
    // it.
    if status.links == 1 { try? file.protect() }
    let isShared = survey.shared.contains(id)
    // A foreign deliverer may not have synced it.
    let durable: File
    if !isShared, (try? file.sync()) != nil { durable = file } else { durable = try rewrite(name, file) }
    let inode = try durable.status().inode
    let kept = try kept(id, inBags: !id.isOurs || status.links > 1, survey)
    if let kept, id.isOurs, kept.inode != inode {
      setAside(name, from: layout.new, because: "has the ID of another letter, which \(kept.path.parent) has")
      return nil
    }
    let isAnother = kept.map { $0.inode != inode } == true
    let keepsName = isShared || isAnother ? false : try mayKeepName(letter, survey)
    if !keepsName {
      let id = office.ids.next(now: Clock.wall, foreign: true)
      try office.root.rename(layout.new / name, to: office.root, layout.new / id.path)
      // If a foreign deliverer has just put another letter under the name, that is for the next pass, too.
      guard try office.root.status(layout.new / id.path).inode == inode else { return nil }
      return UnsortedLetter(id.path, id, file: durable)
    }
    guard let kept, kept.path != layout.cur / id.path else { return UnsortedLetter(name, id, file: durable) }
    try office.root.directory(kept.path.parent).sync()
    return UnsortedLetter(name, id, file: durable, isKept: true)
  }

  /// Whether a letter may keep its name as its ID, if the topic keeps no other letter of that name.
  private func mayKeepName(_ letter: ListedLetter, _ survey: LetterSurvey) throws(Errno) -> Bool {
    if letter.id.isOurs { return true }
    // A finisher gave it this name, however long ago; and it is not another letter's name for this file.
    if letter.id.isIssued, letter.status.links == 1 { return true }
    if letter.id.mayStay(at: Clock.wall / 1_000_000_000), !survey.taken.contains(letter.id) { return true }
    // A mailbox has it under this name: from a finisher that died long ago, or from one of version 0.1.0.
    if !survey.owners(of: letter).isEmpty { return true }
    guard letter.status.links > 1, try office.root.exists(layout.held) else { return false }
    for mailbox in try office.root.directory(layout.held).names() {
      let held = try? office.root.status(layout.held / mailbox / letter.id.path)
      if held?.inode == letter.status.inode { return true }
    }
    return false
  }

  /// Where the topic keeps a letter of this ID, and as which file; nil: nowhere. When a power cut undid a seal, what
  /// was sorted after it is in a bag, and may be in new/ as well.
  private func kept(
    _ id: LetterID, inBags: Bool, _ survey: LetterSurvey
  ) throws(Errno) -> (path: Path, inode: UInt64)? {
    if let flagged = survey.flagged[id] { return (layout.cur / flagged.name, flagged.inode) }
    let bags = inBags ? try office.bags(of: layout.cur).map { $0.path(in: Layout.bags(of: layout.cur)) } : []
    for folder in [layout.cur] + bags {
      let path = folder / id.path
      do throws(Errno) { return (path, try office.root.status(path).inode) } catch .noEntry {}
    }
    return nil
  }

  /// Replaces the file of a letter in new/ by a new one that is durable.
  private func rewrite(_ name: Path, _ file: borrowing File) throws(Errno) -> File {
    let draft = try Draft(in: layout.tmp, of: office, permissions: 0o444)
    try draft.finish { (copy) throws(Errno) in
      try copy.write(contentOf: file)
      try copy.sync()
      // A foreign deliverer may just have put another letter there.
      guard try office.root.status(layout.new / name).inode == file.status().inode else { throw .again }
      try office.root.replace(layout.new / name, with: draft.path)
      try office.root.directory(layout.new).sync()
    }
    return draft.keepFile()
  }
}

extension File {
  /// Takes away all rights to write: mailboxes share the inode of a letter.
  borrowing func protect() throws(Errno) {
    let permissions = try status().permissions
    if permissions & 0o222 != 0 { try setPermissions(permissions & ~0o222) }
  }
}
