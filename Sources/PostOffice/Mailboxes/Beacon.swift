// A beacon shows that letters in cur/ are held: a shared lock on one byte of their mailbox's own directory, at a random
// offset that their names tell (`,B=<16 hex digits>`). It lasts while the holder lives, or a handler that inherited the
// open directory, and the kernel clears it when both are gone: no pid files, no time-outs, no clocks.
//
// - The lock is taken before the rename to cur/: whoever sees the name there sees the lock.
// - The directory is opened anew for each holder. With an open description that is shared, one handler, or a daemon
//   that it leaves behind, would keep what another has.
// - The directory itself is never sealed or replaced, as new/ and cur/ may be, and no letter is locked: mailboxes share
//   its inode, and nobody who may read a letter shall be able to pin it in another's mailbox.
// - One byte serves all that one holder has in its hands: a letter, a batch, a stream's letters, what a reader took.

import Linux

/// Shows that letters are held, for as long as anything refers to it, or a handler lives that inherited it.
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

  /// How often another byte is tried, if somebody has locked one against us.
  private static let attempts = 16

  /// Takes the lock, if that has not been done.
  /// - Throws: again, if somebody locks whatever byte we choose.
  func light() throws(Errno) {
    if directory != nil { return }
    let own = try office.root.directory(root)
    for attempt in 1...Beacon.attempts {
      byte = Host.random64 % LockBytes.beaconLimit
      if try own.file.tryLock(.shared, byte: byte) { break }
      if attempt == Beacon.attempts { throw .again }
    }
    directory = consume own
  }

  /// What a handler inherits; nil: it has not been lit.
  package var descriptor: Int32? { directory?.file.descriptor }
}
