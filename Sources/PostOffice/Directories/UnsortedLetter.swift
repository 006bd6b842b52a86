// A letter on its way into mailboxes.

import Linux

/// A letter that is being sent or sorted, open. The sorter's lock lasts as long as its file is open.
final class UnsortedLetter {
  /// Its file name in the topic's `tmp/` and `new/`.
  let name: Path
  let id: LetterID
  let file: File
  /// The topic keeps it already, under another path than that in its cur/: in a bag, or with a mail reader's flags.
  let isKept: Bool

  init(_ name: Path, _ id: LetterID, file: consuming File, isKept: Bool = false) {
    self.name = name
    self.id = id
    self.file = file
    self.isKept = isKept
  }
}
