// Every byte that a process locks, fcntl_locking(2), in which file, who locks it, and what the lock says.
//
// A lock belongs to the open file description: it lasts while any process has that description open, and the kernel
// clears it when the last of them closes it or dies. So a lock needs no process ID, no time-out and no clock. No lock
// is waited for. (Directories are also locked as a whole, flock(2): by finishers a topic, by sealers a `bags/`, by a
// process that reclaims letters its mailbox, by claimers in strict order a `cur/`.)

package enum LockBytes {
  /// Of a file in a `tmp/`, a letter in a topic's `new/`, a backlog mark.
  ///
  /// Exclusive: the process that writes it, or delivers it, is alive. A finisher takes it shared before it delivers or
  /// removes the file: a writer that has just made the file fails to lock it, and starts again (CrashSafety I4, I5).
  package static let writer: UInt64 = 0

  /// Of `.watcher`. Exclusive: a watcher works on this office. Another one that is started says so.
  package static let watcher: UInt64 = 0

  /// Of a mailbox's directory: a random byte below this limit, whose offset the names of claimed letters tell (`,B=`).
  /// Offset and length of a lock must fit into off_t.
  ///
  /// Shared: the reader, watcher or handler that holds these letters is alive (CrashSafety I21).
  package static let beaconLimit: UInt64 = 1 << 62

  /// Of a file in `holders/`: two bytes, that of a watcher of version 0.1.0 and that of its handler. Version 0.1.0 also
  /// locked, in a claimed letter, the byte at the inode number of the mailbox's directory.
  static let formerWatcher: UInt64 = 0
  static let formerHandler: UInt64 = 1
}
