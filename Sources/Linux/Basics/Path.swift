// File names are bytes. `String` would repair what is not UTF-8, and then name another file.

import Glibc
import Text

/// A path or file name exactly as the kernel sees it: any bytes but NUL.
package struct Path: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The bytes and one NUL, so that a system call needs no copy.
  private var terminated: [UInt8]

  // Each of these is written out: a generic one would look up conformances at run time, which
  // costs every start of the program more than all its system calls.

  /// - Parameter bytes: the path; what stands behind a NUL is cut off, as the kernel would.
  package init(_ bytes: ArraySlice<UInt8>) { self = bytes.withUnsafeBytes { Path(upToNUL: $0) } }

  package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  package init(_ text: String) {
    var text = text
    self = text.withUTF8 { Path(upToNUL: UnsafeRawBufferPointer($0)) }
  }

  private init(upToNUL bytes: UnsafeRawBufferPointer) {
    guard bytes.has(0) else {
      self.init(bytes)
      return
    }
    self.init(UnsafeRawBufferPointer(rebasing: bytes.prefix { $0 != 0 }))
  }

  package init(stringLiteral text: String) { self.init(text) }

  /// A name that the kernel lends us.
  package init(_ name: UnsafeRawBufferPointer) {
    terminated = []
    terminated.reserveCapacity(name.count + 1)
    terminated += name
    terminated.append(0)
  }

  /// A C string that somebody else owns.
  package init(cString: UnsafePointer<CChar>) {
    self.init(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
  }

  package var bytes: ArraySlice<UInt8> { terminated.dropLast() }
  package var isEmpty: Bool { terminated.count == 1 }
  package var isAbsolute: Bool { terminated[0] == UInt8(ascii: "/") }

  /// For people: what is not UTF-8 or would steer a terminal is shown as `\x1b`.
  package var description: String { visible(Array(bytes)) }

  /// For programs: as it is, if it is UTF-8.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package static func / (folder: Path, name: Path) -> Path {
    var path = folder
    path.terminated.reserveCapacity(folder.terminated.count + name.terminated.count)
    path.terminated[folder.terminated.count - 1] = UInt8(ascii: "/")
    path.terminated += name.terminated
    return path
  }

  package static func / (folder: Path, name: String) -> Path { folder / Path(name) }

  /// Everything before the last slash: the directory that holds this name.
  package var parent: Path {
    let path = withoutTrailingSlash.bytes
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : Path(path[..<slash])
  }

  /// `spool/` is `spool`, as a shell's completion writes it.
  package var withoutTrailingSlash: Path {
    var rest = bytes
    while rest.count > 1, rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
    return Path(rest)
  }

  /// What stands behind the last slash.
  package var name: Path {
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return self }
    return Path(bytes[(slash + 1)...])
  }

  package static func < (left: Path, right: Path) -> Bool {
    left.terminated.withUnsafeBytes { left in right.terminated.withUnsafeBytes { left.precedes($0) } }
  }

  /// The same with a name that the kernel lends us: whether that is before this one.
  package func follows(_ name: UnsafeRawBufferPointer) -> Bool {
    terminated.withUnsafeBytes { name.precedes(UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 1)])) }
  }

  /// Whether it has just these bytes; they need not become a path for that.
  package func isSame(as name: UnsafeRawBufferPointer) -> Bool {
    terminated.withUnsafeBytes { $0.count == name.count + 1 && $0.begins(with: name) }
  }

  /// Lends the NUL-terminated bytes to one system call, run again while signals interrupt it.
  @inline(__always)
  func call<Result: FixedWidthInteger & SignedInteger>(
    _ body: (UnsafePointer<CChar>) -> Result
  ) throws(Errno) -> Result {
    try withCString { name throws(Errno) in try check { body(name) } }
  }

  @inline(__always)
  func withCString<Result>(
    _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try terminated.withUnsafeBufferPointer { bytes throws(Errno) in
      try bytes.withMemoryRebound(to: CChar.self) { name throws(Errno) in
        guard let start = name.baseAddress else { throw .invalid }
        return try body(start)
      }
    }
  }
}

/// Names that the kernel lends us by the thousand: the C library compares them quicker than a loop does.
extension UnsafeRawBufferPointer {
  /// Whether it comes first, byte by byte; of two that begin alike, the shorter.
  package func precedes(_ other: UnsafeRawBufferPointer) -> Bool {
    let order = compare(other, Swift.min(count, other.count))
    return order == 0 ? count < other.count : order < 0
  }

  package func begins(with other: UnsafeRawBufferPointer) -> Bool {
    count >= other.count && compare(other, other.count) == 0
  }

  package func has(_ byte: UInt8) -> Bool {
    guard let baseAddress else { return false }
    return memchr(baseAddress, Int32(byte), count) != nil
  }

  private func compare(_ other: UnsafeRawBufferPointer, _ length: Int) -> Int32 {
    guard length > 0, let here = baseAddress, let there = other.baseAddress else { return 0 }
    return memcmp(here, there, length)
  }
}
