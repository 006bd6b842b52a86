// A letter that its sender or a finisher delivers.

import Linux

/// A letter on its way into mailboxes, open. The lock of the process that delivers it lasts as long as the file is open
/// (CrashSafety I4).
final class UnsortedLetter {
  /// Its file name in the directory that it is delivered from: the topic's `tmp/` and `new/`, a `held/`, a bag.
  let name: Path
  let id: LetterID
  let file: File
  /// The topic keeps it already, under another path than that in its `cur/`: in a bag, or with a mail reader's flags.
  let isKept: Bool

  init(_ name: Path, _ id: LetterID, file: consuming File, isKept: Bool = false) {
    self.name = name
    self.id = id
    self.file = file
    self.isKept = isKept
  }
}
