// Recognition: which entry of a mailbox is which letter of a topic. An ID of ours names one letter in
// the world. Foreign programs may choose a name twice; their letters are told apart by inode, and their
// copies by the ID that follows from it.

import Linux

/// Knows some letters of a topic again, whatever they are called in a mailbox by now.
struct Recognition {
  private var names = [LetterID: LetterID]()
  private var inodes = [UInt64: LetterID]()
  /// A bag in which nothing has changed since then has none of the letters: none was there yet. The clock may have
  /// been set back meanwhile.
  private(set) var since: Int64
  private static let clockSlack: Int64 = 2 * 3600

  init(_ letters: [Topic.Orphan], in mailbox: MailboxLayout, of office: Office) throws(Errno) {
    let here = try office.root.status(".").device
    let there = try? office.root.status(mailbox.root / ".").device
    let now = Clock.wall / 1_000_000_000
    since = now - Recognition.clockSlack
    for letter in letters {
      let sent = letter.id.sent ?? letter.status.modified
      // Its sender's clock was wrong, or ours was: nobody knows when the mailbox got it.
      since = sent > now ? .min : min(since, sent - Recognition.clockSlack)
      if letter.id.isOurs {
        names[letter.id] = letter.id
      } else {
        names[LetterID(copyOf: letter.status)] = letter.id
        if here == there { inodes[letter.status.inode] = letter.id }
      }
    }
  }

  /// The letter that an entry of the mailbox is; nil: none of ours.
  func letter(named name: UnsafeRawBufferPointer, inode: UInt64) -> LetterID? {
    names[EntryName(Path(name)).id] ?? inodes[inode]
  }
}
