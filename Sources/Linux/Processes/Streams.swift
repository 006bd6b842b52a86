// Standard input, output and error, without buffers: a write that failed is an error at once. They may be closed, or
// non-blocking: EBADF is an error here, not a bug of ours, and EAGAIN is waited for.

import Glibc

package enum Streams {
  /// Takes those of descriptors 0, 1 and 2 that are closed, so that no letter that is opened becomes one of them.
  /// Reading or writing them still fails with EBADF.
  package static func reserve() {
    // One call for all three. If it fails, none is known to be closed.
    var all = (
      pollfd(fd: 0, events: 0, revents: 0), pollfd(fd: 1, events: 0, revents: 0),
      pollfd(fd: 2, events: 0, revents: 0)
    )
    let closed = withUnsafeMutableBytes(of: &all) { bytes -> [Int32] in
      let set = bytes.bindMemory(to: pollfd.self)
      guard poll(set.baseAddress, nfds_t(set.count), 0) > 0 else { return [] }
      return set.filter { $0.revents & Int16(POLLNVAL) != 0 }.map(\.fd)
    }
    for descriptor in closed {
      // open(2) takes the lowest free number, which is this one. The wrong direction keeps it unusable.
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  /// Reads from standard input. 0 is the end.
  package static func input(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    while true {
      let count = read(0, buffer.baseAddress, buffer.count)
      let code = errno
      if count >= 0 { return count }
      if code == EAGAIN { _ = try waitReadable([0], atMost: nil) } else if code != EINTR { throw Errno(code) }
    }
  }

  /// Writes all of it to standard output.
  package static func output(_ bytes: UnsafeRawBufferPointer) throws(Errno) { try write(bytes, to: 1) }

  package static func output(_ text: String) throws(Errno) {
    try Array(text.utf8).withUnsafeBufferPointer { (bytes) throws(Errno) in
      try write(UnsafeRawBufferPointer(bytes), to: 1)
    }
  }

  /// Writes a message to standard error. If that fails, it is lost.
  package static func error(_ text: String) { error(Array(text.utf8)) }

  /// The same, for what a handler wrote to its own.
  package static func error(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { try? write($0, to: 2) }
  }

  /// The status of standard error.
  package static func errorStatus() throws(Errno) -> Status {
    var buffer = stat()
    if fstat(2, &buffer) < 0 { throw Errno(errno) }
    return Status(buffer)
  }

  /// Whether standard error is a terminal.
  package static var isErrorTerminal: Bool { isatty(2) == 1 }

  private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(Errno) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
      let code = errno
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if code == EAGAIN {
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&ready, 1, -1)
      } else if code != EINTR {
        throw Errno(code)
      }
    }
  }
}

/// Ends the process at once. There is nothing to flush.
package func exitProcess(_ code: Int32) -> Never { _exit(code) }
