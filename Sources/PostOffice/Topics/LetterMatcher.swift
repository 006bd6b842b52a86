// Recognising letters of a topic among the entries of a mailbox, whatever their names are by now.
//
// - An ID that an office issued names one letter in the world, so the name is enough.
// - A name that a foreign program chose may come twice. Such letters are distinguished by inode (a finisher sees to it
//   that no two letters share one), and their copies by the ID that follows from it.
// - A search in all states misses no letter that moves meanwhile (``Place/searchOrder``). Bags that were last changed
//   before the oldest of the letters was sent are left out. A place that is missing or may not be read has none of
//   them.

import Linux

/// Matches entries of a mailbox with some letters of a topic.
struct LetterMatcher {
  private var names = [LetterID: LetterID]()
  private var inodes = [UInt64: LetterID]()
  private var foreign = Set<LetterID>()
  /// The letters that were found.
  private(set) var found = Set<LetterID>()
  /// Those whose file was found under another ID: it is another letter's, too, or was renamed in the mailbox.
  private(set) var shared = Set<LetterID>()
  /// IDs under which another letter was found.
  private(set) var taken = Set<LetterID>()
  /// A bag that was last changed before this time, seconds since 1970, has none of the letters.
  private(set) var since: Int64
  /// The clock may have been set back so far since. Seconds.
  private static let clockSlack: Int64 = 2 * 3600

  init(_ letters: [ListedLetter], in mailbox: MailboxLayout, of office: Office) throws(Errno) {
    let here = try office.root.status(".").device
    let there = try? office.root.status(mailbox.root / ".").device
    let now = Clock.wall / 1_000_000_000
    since = now - LetterMatcher.clockSlack
    for letter in letters {
      // The last modification, not the last change: every link moves that on, and the mailbox may have got it before.
      let sent = letter.id.sent ?? max(0, letter.status.modified)
      // A time to come: its sender's clock was wrong, or this one was, so it is unknown when the mailbox got it.
      since = sent > now ? .min : min(since, sent - LetterMatcher.clockSlack)
      if letter.id.isIssued {
        names[letter.id] = letter.id
        continue
      }
      for id in [letter.id, nil] { names[LetterID(copyOf: letter.status, of: id)] = letter.id }
      foreign.insert(letter.id)
      if here == there { inodes[letter.status.inode] = letter.id }
    }
  }

  /// The letter that an entry of the mailbox is; nil: none of these.
  func letter(_ id: LetterID, inode: UInt64) -> LetterID? { names[id] ?? inodes[inode] }

  /// Notes an entry of the mailbox.
  mutating func match(_ name: UnsafeRawBufferPointer, inode: UInt64) {
    let id = EntryName(Path(name)).id
    guard let letter = letter(id, inode: inode) else {
      if foreign.contains(id) { taken.insert(id) }
      return
    }
    found.insert(letter)
    if letter != id, names[id] == nil { shared.insert(letter) }
  }
}

extension Office {
  /// Which of these letters a mailbox has, in any state.
  func known(_ letters: [ListedLetter], in mailbox: MailboxLayout) throws(Errno) -> Set<LetterID> {
    try match(letters, in: mailbox).found
  }

  /// Looks for letters in these places of a mailbox.
  func match(
    _ letters: [ListedLetter], in mailbox: MailboxLayout, _ places: [Place] = Place.searchOrder
  ) throws(Errno) -> LetterMatcher {
    var matcher = try LetterMatcher(letters, in: mailbox, of: self)
    for place in places {
      do throws(Errno) {
        try forEachFolder(of: mailbox[place]) { path, directory throws(Errno) in
          if path != mailbox[place], try directory.file.status().modified < matcher.since { return true }
          try directory.forEachEntry { name, inode in matcher.match(name, inode: inode) }
          return true
        }
      } catch .noEntry {} catch .notDirectory {} catch .loop {} catch .denied {}
    }
    return matcher
  }
}
