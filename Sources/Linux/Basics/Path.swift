// File names are bytes: `String` would repair what is not UTF-8, and so name another file. No path has a NUL.

import Glibc
import Text

/// A path or file name as the kernel sees it: any bytes but NUL.
package struct Path: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The bytes and one NUL, so that a system call needs no copy.
  private var terminated: [UInt8]

  // Each initializer is written out: a generic one looks up conformances at run time, which costs each start of the
  // program more than all its system calls.

  /// - Parameter bytes: the path, up to the first NUL.
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

  /// A name in a buffer of the kernel; it has no NUL.
  package init(_ name: UnsafeRawBufferPointer) {
    terminated = []
    terminated.reserveCapacity(name.count + 1)
    terminated += name
    terminated.append(0)
  }

  /// A C string, which is copied.
  package init(cString: UnsafePointer<CChar>) {
    self.init(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
  }

  package var bytes: ArraySlice<UInt8> { terminated.dropLast() }
  package var isEmpty: Bool { terminated.count == 1 }
  package var isAbsolute: Bool { terminated[0] == UInt8(ascii: "/") }

  /// For people: what is not UTF-8, or would steer a terminal, is shown as `\x1b`.
  package var description: String { visible(Array(bytes)) }

  /// For programs: unchanged if it is UTF-8, else repaired.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package static func / (folder: Path, name: Path) -> Path {
    var path = folder
    path.terminated.reserveCapacity(folder.terminated.count + name.terminated.count)
    path.terminated[folder.terminated.count - 1] = UInt8(ascii: "/")
    path.terminated += name.terminated
    return path
  }

  package static func / (folder: Path, name: String) -> Path { folder / Path(name) }

  /// What is before the last slash: the directory that has this name.
  package var parent: Path {
    let path = withoutTrailingSlash.bytes
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : Path(path[..<slash])
  }

  /// Without the slash that a shell's completion adds.
  package var withoutTrailingSlash: Path {
    var rest = bytes
    while rest.count > 1, rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
    return Path(rest)
  }

  /// What is behind the last slash.
  package var name: Path {
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return self }
    return Path(bytes[(slash + 1)...])
  }

  package static func < (left: Path, right: Path) -> Bool {
    left.terminated.withUnsafeBytes { left in right.terminated.withUnsafeBytes { left.precedes($0) } }
  }

  /// Whether a name in a buffer of the kernel sorts before this one.
  package func follows(_ name: UnsafeRawBufferPointer) -> Bool {
    terminated.withUnsafeBytes { name.precedes(UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 1)])) }
  }

  /// Whether it has exactly these bytes.
  package func isSame(as name: UnsafeRawBufferPointer) -> Bool {
    terminated.withUnsafeBytes { $0.count == name.count + 1 && $0.begins(with: name) }
  }

  /// Lends the path as a C string to a system call, which is made again if a signal interrupted it.
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

/// Names in buffers of the kernel: there may be thousands, and the C library compares them faster than a loop.
extension UnsafeRawBufferPointer {
  /// Whether it sorts before the other, byte by byte; of two that begin alike, the shorter comes first.
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
