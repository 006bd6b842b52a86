// Recognition: which entry of a mailbox is which letter of a topic. An ID of ours names one letter in
// the world. Foreign programs may choose a name twice; their letters are told apart by inode, as long
// as mailbox and topic are on one file system.

import Linux

/// Knows some letters of a topic again, whatever they are called in a mailbox by now.
struct Recognition {
  private var names = Set<LetterID>()
  private var inodes = [UInt64: LetterID]()

  init(_ letters: [Topic.Orphan], in mailbox: MailboxLayout, of office: Office) throws(Errno) {
    let here = try office.root.status(".").device
    let there = try? office.root.status(mailbox.root / ".").device
    for letter in letters {
      if letter.id.isOurs || here != there {
        names.insert(letter.id)
      } else {
        inodes[letter.inode] = letter.id
      }
    }
  }

  /// The letter that an entry of the mailbox is; nil: none of ours.
  func letter(named name: UnsafeRawBufferPointer, inode: UInt64) -> LetterID? {
    let id = EntryName(Path(name)).id
    return names.contains(id) ? id : inodes[inode]
  }
}
