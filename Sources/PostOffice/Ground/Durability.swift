// What a sender waits for before a letter counts as accepted.

/// Whether an accepted letter survives a power cut. It survives kill -9 in any case.
public enum Durability: String, Sendable, CaseIterable {
  /// `send` waits until the letter, and its names in all mailboxes, are on the disk.
  case full
  /// `send` makes no fsync(2) and no syncfs(2) for its letters. A power cut, or a crash of the kernel, may lose such a
  /// letter, tear it, or leave it in only some of its mailboxes.
  case none

  /// The valid values, for error messages.
  package static let expected = "full or none"
}
