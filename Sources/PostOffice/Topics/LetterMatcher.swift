// LetterMatcher: which entry of a mailbox is which letter of a topic. An ID that an office made names one letter in the
// world. A name that a foreign program chose may come twice; such letters are told apart by inode, which the finisher
// sees to that no two letters share, and their copies by the ID that follows from it.

import Linux

/// Knows some letters of a topic again, whatever they are called in a mailbox by now.
struct LetterMatcher {
  private var names = [LetterID: LetterID]()
  private var inodes = [UInt64: LetterID]()
  private var foreign = Set<LetterID>()
  /// Those that were met.
  private(set) var met = Set<LetterID>()
  /// Those whose file was met under another ID: it is another letter's, too, or was renamed in the mailbox.
  private(set) var shared = Set<LetterID>()
  /// IDs under which another letter was met.
  private(set) var taken = Set<LetterID>()
  /// A bag in which nothing has changed since then has none of the letters: none was there yet. The clock may have
  /// been set back meanwhile.
  private(set) var since: Int64
  private static let clockSlack: Int64 = 2 * 3600

  init(_ letters: [ListedLetter], in mailbox: MailboxLayout, of office: Office) throws(Errno) {
    let here = try office.root.status(".").device
    let there = try? office.root.status(mailbox.root / ".").device
    let now = Clock.wall / 1_000_000_000
    since = now - LetterMatcher.clockSlack
    for letter in letters {
      // Not the last change, which every link moves on: what the mailbox got may be older than that.
      let sent = letter.id.sent ?? max(0, letter.status.modified)
      // Its sender's clock was wrong, or ours was: nobody knows when the mailbox got it.
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

  /// The letter that an entry of the mailbox is; nil: none of ours.
  func letter(_ id: LetterID, inode: UInt64) -> LetterID? { names[id] ?? inodes[inode] }

  /// Notes which letter an entry of the mailbox is.
  mutating func meet(_ name: UnsafeRawBufferPointer, inode: UInt64) {
    let id = EntryName(Path(name)).id
    guard let letter = letter(id, inode: inode) else {
      if foreign.contains(id) { taken.insert(id) }
      return
    }
    met.insert(letter)
    if letter != id, names[id] == nil { shared.insert(letter) }
  }
}

extension Office {
  /// Which of these letters a mailbox has, in any state.
  func known(_ letters: [ListedLetter], in mailbox: MailboxLayout) throws(Errno) -> Set<LetterID> {
    try look(for: letters, in: mailbox).met
  }

  /// Which of these letters are in these places of a mailbox.
  func look(
    for letters: [ListedLetter], in mailbox: MailboxLayout, _ places: [Place] = Place.searchOrder
  ) throws(Errno) -> LetterMatcher {
    var recognition = try LetterMatcher(letters, in: mailbox, of: self)
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
}
