// inotify(7): hints that something changed. The directory is the truth: events may be dropped, and then one says so.

import Glibc

/// A queue of events.
package struct Inotify: ~Copyable {
  package let file: File

  package init() throws(Errno) {
    file = File(owning: try check { inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK)) })
  }

  /// Kinds of events.
  package struct Mask: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A name was made, linked or moved here.
    package static let arrived = Mask(rawValue: UInt32(IN_CREATE) | UInt32(IN_MOVED_TO))
    /// A name was removed or moved away.
    package static let left = Mask(rawValue: UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM))
    /// A file here was written and closed.
    package static let written = Mask(rawValue: UInt32(IN_CLOSE_WRITE))
    /// The watched directory itself was removed or moved.
    package static let selfGone = Mask(rawValue: UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF))
  }

  package struct Event: Sendable {
    /// The watch that saw it; nil: the queue overflowed, and the kernel dropped events.
    package let watch: Int32?
    /// The name inside the watched directory; empty for the directory itself.
    package let name: Path
    package var overflowed: Bool { watch == nil }
    /// The watch does not exist any more.
    package let ended: Bool
    /// The watched directory was removed or moved.
    package let selfGone: Bool
  }

  /// Watches a directory. ENOSPC: the watches of this user are used up (fs.inotify.max_user_watches).
  package borrowing func watch(_ path: Path, _ mask: Mask) throws(Errno) -> Int32 {
    try path.call { inotify_add_watch(file.descriptor, $0, mask.rawValue | UInt32(IN_ONLYDIR)) }
  }

  package borrowing func unwatch(_ watch: Int32) {
    _ = inotify_rm_watch(file.descriptor, watch)  // EINVAL: the kernel was quicker
  }

  /// Takes pending events, one buffer at most; empty if there are none.
  package borrowing func events() throws(Errno) -> [Event] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
    defer { buffer.deallocate() }
    let filled: Int
    do throws(Errno) { filled = try file.read(into: buffer) } catch .again { return [] }
    var events = [Event]()
    var offset = 0
    while offset < filled {  // struct inotify_event: wd 4, mask 4, cookie 4, len 4, name
      let watch = buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)
      let mask = buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
      let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
      let field = buffer[(offset + 16)..<(offset + 16 + length)]
      events.append(
        Event(
          watch: mask & UInt32(IN_Q_OVERFLOW) != 0 ? nil : watch,
          name: Path(Array(field.prefix { $0 != 0 })),
          ended: mask & UInt32(IN_IGNORED) != 0,
          selfGone: Mask(rawValue: mask).intersection(.selfGone) != []))
      offset += 16 + length
    }
    return events
  }
}
