// Byte-range locks of the open file description, fcntl_locking(2). One lasts as long as any descriptor of that open
// file in any process: a handler that inherits the descriptor keeps the lock, and the kernel clears it at the last
// close, however the processes ended. No pid, no time-out, no clock. An open file is not shown its own locks.

import CLinux
import Glibc

extension File {
  package enum LockKind: Sendable {
    /// Many may hold it; needs a file open for reading.
    case shared
    /// One may hold it; needs a file open for writing.
    case exclusive
  }

  /// Takes the lock on one byte, which the file need not have.
  /// - Returns: false if a lock of another open file forbids it.
  package borrowing func tryLock(_ kind: LockKind, byte: UInt64) throws(Errno) -> Bool {
    var range = lockRange(kind == .shared ? F_RDLCK : F_WRLCK, byte)
    do throws(Errno) {
      _ = try check { fcntl(descriptor, Int32(clinux_ofd_setlk), &range) }
      return true
    } catch .again { return false } catch .denied { return false }
  }

  /// Whether another open file has a lock, of either kind, on one of `count` bytes.
  package borrowing func isLocked(byte: UInt64, count: Int = 1) throws(Errno) -> Bool {
    var range = lockRange(F_WRLCK, byte)
    range.l_len = off_t(count)
    _ = try check { fcntl(descriptor, Int32(clinux_ofd_getlk), &range) }
    return range.l_type != Int16(F_UNLCK)
  }
}

private func lockRange(_ type: Int32, _ byte: UInt64) -> flock {
  var range = flock()
  range.l_type = Int16(type)
  range.l_whence = Int16(SEEK_SET)
  range.l_start = off_t(byte % UInt64(off_t.max))  // start and length together must fit into off_t
  range.l_len = 1
  return range
}
