// Letters in hands, for tests: the names that they have in `cur/`, and the locks that show that a holder lives, read
// and taken by code that is independent of the program's own.

import Glibc
import Linux

extension String {
  /// A file name in `cur/` without the number of its beacon, which a test cannot know in advance.
  package var withoutBeacon: String {
    guard let mark = firstRange(of: ",B="), beacon != nil else { return self }
    let end = index(mark.upperBound, offsetBy: 16)
    return String(self[..<mark.lowerBound] + self[end...])
  }

  /// The byte of the mailbox's directory that the holder of a letter has locked, as its file name in `cur/` says.
  package var beacon: UInt64? {
    guard let mark = firstRange(of: ",B=") else { return nil }
    let digits = self[mark.upperBound...].prefix(16)
    let isNumber = digits.allSatisfy { $0.isHexDigit && !$0.isUppercase }
    guard digits.count == 16, isNumber else { return nil }
    return UInt64(digits, radix: 16)
  }
}

/// A lock on one byte of an open file of its own, fcntl_locking(2), as the holder of a letter has it.
package final class ByteLock {
  private let file: File

  /// - Parameter isShared: else no other process can lock it, too; then the file is opened for writing.
  /// - Throws: the file cannot be opened, or another has locked the byte.
  package init(_ path: Path, byte: UInt64, isShared: Bool = true) throws {
    file = try File(path, isShared ? .read : .write)
    var range = flock(of: byte, isShared ? F_RDLCK : F_WRLCK)
    guard fcntl(file.descriptor, setLock, &range) == 0 else { throw Errno(errno) }
  }

  /// Whether any process has locked a byte of a file.
  package static func isHeld(_ path: Path, byte: UInt64) throws -> Bool {
    let file = try File(path, .read)
    var range = flock(of: byte, F_WRLCK)
    guard fcntl(file.descriptor, getLock, &range) == 0 else { throw Errno(errno) }
    return range.l_type != Int16(F_UNLCK)
  }
}

/// F_OFD_SETLK and F_OFD_GETLK, which Glibc's module leaves out.
private let (setLock, getLock): (Int32, Int32) = (37, 36)

private func flock(of byte: UInt64, _ type: Int32) -> flock {
  var range = Glibc.flock()
  range.l_type = Int16(type)
  range.l_whence = Int16(SEEK_SET)
  range.l_start = off_t(byte % UInt64(off_t.max))
  range.l_len = 1
  return range
}

extension Sandbox {
  /// The letters in a mailbox's hands, by their file names without the number of the beacon.
  package func inHands(of mailbox: String = "stock") -> [String] {
    entries("cur", of: mailbox).map(\.withoutBeacon)
  }

  /// Whether the beacon that a name in `cur/` refers to is locked.
  package func shines(_ name: String, of mailbox: String = "stock") throws -> Bool {
    guard let beacon = name.beacon else { return false }
    return try ByteLock.isHeld(spool / "mailboxes/\(mailbox)", byte: beacon)
  }
}
