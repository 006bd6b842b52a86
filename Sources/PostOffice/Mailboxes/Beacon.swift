// A beacon shows that letters in cur/ are claimed: a shared lock on one byte of their mailbox's own directory, at a
// random offset that their names tell (`,B=<16 hex digits>`). It lasts while the holder lives, or a handler that
// inherited the open directory, and the kernel clears it when both are gone: no pid files, no time-outs, no clocks.
//
// - The lock is taken before the rename to cur/: a process that sees the name there sees the lock (CrashSafety I21).
// - Each holder opens the directory anew. If two shared an open description, a daemon that one handler leaves behind
//   would keep the other's letters claimed.
// - The directory itself is never sealed or replaced, as new/ and cur/ may be, and no letter is locked: mailboxes share
//   its inode, and a user who may read a letter must not be able to pin it in another's mailbox.
// - One byte serves all letters that one holder has claimed: one letter, a batch, a stream's letters, a reader's.

import Linux

/// Shows that letters are claimed, for as long as anything refers to it, or a handler lives that inherited it.
package final class Beacon {
  private let office: Office
  private let root: Path
  /// The byte, 62 bits: offset and length of a lock must fit into off_t.
  private(set) var byte: UInt64 = 0
  private var directory: Directory?

  package init(_ mailbox: Mailbox) {
    office = mailbox.office
    root = mailbox.layout.root
  }

  /// How often another byte is tried, if another process has an exclusive lock on one.
  private static let attempts = 16

  /// Takes the lock, if that has not been done.
  /// - Throws: again, if another process locks every byte that is tried.
  func lock() throws(Errno) {
    if directory != nil { return }
    let own = try office.root.directory(root)
    for attempt in 1...Beacon.attempts {
      byte = Host.random64 % LockBytes.beaconLimit
      if try own.file.tryLock(.shared, byte: byte) { break }
      if attempt == Beacon.attempts { throw .again }
    }
    directory = consume own
  }

  /// What a handler inherits; nil: nothing was claimed.
  package var descriptor: Int32? { directory?.file.descriptor }
}
