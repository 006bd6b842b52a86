// Bags: directories slow down as they fill, and ext4 never shrinks one. A full one is sealed: an empty
// directory takes its place, and the full one becomes `bags/new.0000000042`.

import Linux

enum Bags {
  /// A directory is full when it is larger than this: bytes, as stat(2) tells them. On ext4 some 900 letters.
  static let limit: Int64 = 64 << 10
}

extension Office {
  /// Seals a directory of a topic or mailbox if it is full. Whoever has it open goes on in the bag that it becomes:
  /// names that must be made durable are therefore made, and synced, through one and the same open directory.
  /// - Parameters:
  ///   - folder: its path, such as `mailboxes/stock/new`.
  ///   - size: its size, as stat(2) tells it.
  func sealIfFull(_ folder: Path, size: Int64) {}
}
