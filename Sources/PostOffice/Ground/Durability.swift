// Durability: what a sender waits for.

/// Whether an accepted letter survives a power cut. It survives kill -9 in any case.
public enum Durability: String, Sendable, CaseIterable {
  /// `send` waits until the letter, and its names in all mailboxes, are on the disk.
  case full
  /// `send` waits for no disk: the sender makes no fsync(2) and no syncfs(2) for its letters. A power cut, or a crash of the
  /// kernel, may lose the letter, tear it, or leave it in some of its mailboxes alone.
  case none

  /// What a good value looks like, for error messages.
  package static let expected = "full or none"
}
