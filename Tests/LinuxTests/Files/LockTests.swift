// Locks of open files: which processes see them, and when they go.

import Linux
import TestKit
import Testing

@Suite struct LockTests {
  let box: Sandbox
  let path: Path

  init() throws {
    box = try Sandbox()
    path = try box.write("letter", "content")
  }

  /// Opened for reading and writing, as only a new file is.
  private func makeWritable(_ name: Path) throws -> File {
    try Directory(box.root).open(name, .create(permissions: 0o644))
  }

  /// A child that has nothing but our locked open file.
  private func sleeperWithLock(_ byte: UInt64) throws -> Child {
    let file = try File(path, .read)
    #expect(try file.tryLock(.shared, byte: byte))
    return try Child(["sleep", "600"], environment: ["PATH=/usr/bin:/bin"], input: file.descriptor)
  }

  @Test func sharedLocksGoTogetherAndKeepAnExclusiveOneOut() throws {
    let writer = try makeWritable("other")
    let one = try File(box.root / "other", .read)
    let two = try File(box.root / "other", .read)
    #expect(try one.tryLock(.shared, byte: 7))
    #expect(try two.tryLock(.shared, byte: 7))
    #expect(try !writer.tryLock(.exclusive, byte: 7))
    #expect(try writer.tryLock(.exclusive, byte: 8))
    #expect(try !one.tryLock(.shared, byte: 8))
  }

  @Test func othersSeeALockAndItsHolderDoesNot() throws {
    let one = try File(path, .read)
    let two = try File(path, .read)
    #expect(try !two.isLocked(byte: 7))
    #expect(try one.tryLock(.shared, byte: 7))
    #expect(try two.isLocked(byte: 7))
    #expect(try !one.isLocked(byte: 7))
    #expect(try !two.isLocked(byte: 6) && !two.isLocked(byte: 8))
  }

  @Test(arguments: [0, 1, 1 << 40, UInt64(Int64.max), .max] as [UInt64])
  func anyInodeNumberIsAByte(byte: UInt64) throws {
    let one = try File(path, .read)
    let two = try File(path, .read)
    #expect(try one.tryLock(.shared, byte: byte))
    #expect(try two.isLocked(byte: byte))
  }

  @Test func aLockEndsWithItsFile() throws {
    let two = try File(path, .read)
    do {
      let one = try File(path, .read)
      #expect(try one.tryLock(.shared, byte: 7))
      #expect(try two.isLocked(byte: 7))
    }
    #expect(try !two.isLocked(byte: 7))
  }

  @Test func aLockThatAChildInheritsLastsUntilTheChildEnds() throws {
    let two = try File(path, .read)
    let child = try sleeperWithLock(7)
    #expect(try two.isLocked(byte: 7))
    child.signal(.kill)
    #expect(try child.reap() == .signal(9))
    #expect(try eventually { try !two.isLocked(byte: 7) })
  }

  @Test func aDirectorysLockIsTakenOnce() throws {
    let one = try Directory(box.root)
    let two = try Directory(box.root)
    #expect(try one.tryLock())
    #expect(try !two.tryLock())
    _ = consume one
    #expect(try two.tryLock())
  }
}
