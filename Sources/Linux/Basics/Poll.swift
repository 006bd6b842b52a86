// Waiting: one ppoll(2) for everything. A signal may end a wait early; then nothing is ready, and the caller looks at
// its deadlines.

import CLinux
import Glibc

/// Waits until one of the descriptors can be read, or the time is over.
/// - Parameters:
///   - descriptors: nil is never ready.
///   - nanoseconds: the longest wait; nil: however long it takes.
/// - Returns: for each descriptor whether it can be read, or has hung up; all false after a time-out.
package func waitReadable(_ descriptors: [Int32?], atMost nanoseconds: Int64?) throws(Errno) -> [Bool] {
  try wait(readable: descriptors, writable: [], atMost: nanoseconds).readable
}

/// Whether a descriptor can be read without waiting: data, its end, or an error.
package func isReadable(_ descriptor: Int32) -> Bool {
  guard let ready = try? waitReadable([descriptor], atMost: 0) else { return true }
  return ready[0]
}

/// Waits until one of the descriptors can be read, or one written, or the time is over.
package func wait(
  readable: [Int32?], writable: [Int32?], atMost nanoseconds: Int64?
) throws(Errno) -> (readable: [Bool], writable: [Bool]) {
  // poll(2) passes over -1.
  var set = readable.map { pollfd(fd: $0 ?? -1, events: Int16(POLLIN), revents: 0) }
  set += writable.map { pollfd(fd: $0 ?? -1, events: Int16(POLLOUT), revents: 0) }
  var limit = timespec()
  if let nanoseconds {
    let length = max(0, nanoseconds)
    limit = timespec(tv_sec: Int(length / 1_000_000_000), tv_nsec: Int(length % 1_000_000_000))
  }
  let isBounded = nanoseconds != nil
  let (result, code) = withUnsafePointer(to: &limit) { limit in
    let result = ppoll(&set, nfds_t(set.count), isBounded ? limit : nil, nil)
    return (result, errno)
  }
  if result < 0 && code != EINTR { throw Errno(code) }
  let ready = set.map { $0.revents != 0 }
  return (Array(ready.prefix(readable.count)), Array(ready.dropFirst(readable.count)))
}
