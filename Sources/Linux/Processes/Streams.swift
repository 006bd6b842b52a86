// Standard input, output and error, without buffers: a write that failed is an error at once.

import Glibc

package enum Streams {
  /// Sees to it that descriptors 0, 1 and 2 are taken, so that no letter we open becomes one of them.
  /// One that was closed stays unusable: reading or writing it fails with EBADF, as it would have.
  package static func reserve() {
    // One call tells of all three. (If it fails, nothing is known to be closed.)
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
      // The lowest free number is the one just found free. The wrong direction keeps it unusable.
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  /// Reads from standard input. 0 is the end; an error is an error, never an end.
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
    var text = text
    let failure: Errno? = text.withUTF8 { utf8 in
      do throws(Errno) {
        try write(UnsafeRawBufferPointer(utf8), to: 1)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Writes words for people to standard error. If nobody can hear them, they are lost.
  package static func error(_ text: String) {
    var text = text
    text.withUTF8 { try? write(UnsafeRawBufferPointer($0), to: 2) }
  }

  /// What standard error leads to.
  package static func errorStatus() throws(Errno) -> Status {
    var buffer = stat()
    if fstat(2, &buffer) < 0 { throw Errno(errno) }
    return Status(buffer)
  }

  /// Whether people sit at standard error.
  package static var isErrorTerminal: Bool { isatty(2) == 1 }

  /// Writes bytes for people to standard error: a handler's own words.
  package static func error(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { try? write($0, to: 2) }
  }

  /// Unlike ``File/write(_:)``, a bad descriptor is the caller's environment, not our bug; and a
  /// descriptor that somebody made non-blocking is waited for.
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

/// Ends the process now. Nothing is left to flush: every write went straight to the kernel.
package func exitProcess(_ code: Int32) -> Never { _exit(code) }
