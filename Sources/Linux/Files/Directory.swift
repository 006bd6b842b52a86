// An open directory, and every change of names.
//
// - A path is relative to the directory, so a spool that is renamed meanwhile stays the spool that was opened.
// - A path may have several parts. A symlink as the last part is not followed, unless a parameter or an `OpenMode` says
//   so; a symlink further up is followed.
// - No change of names replaces a name, except `replace` (CrashSafety I13).
// - A change of names is durable after `sync` of the directory, not before.

import CLinux
import Glibc

/// A directory that is open.
package struct Directory: ~Copyable {
  package let file: File

  /// - Parameter path: absolute or from the current directory; symlinks are followed.
  package init(_ path: Path) throws(Errno) {
    file = File(owning: try path.call { Glibc.open($0, Directory.flags) })
  }

  private init(owning descriptor: Int32) { file = File(owning: descriptor) }

  private static let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

  private var fd: Int32 { file.descriptor }

  /// Opens a directory in this one.
  /// - Parameter following: whether it may be a symlink; else a symlink is ENOTDIR.
  package borrowing func directory(_ name: Path, following: Bool = true) throws(Errno) -> Directory {
    let flags = Directory.flags | (following ? 0 : O_NOFOLLOW)
    return Directory(owning: try name.call { openat(fd, $0, flags) })
  }

  package borrowing func open(_ name: Path, _ mode: OpenMode) throws(Errno) -> File {
    File(owning: try name.call { openat(fd, $0, mode.flags, mode.permissions) })
  }

  /// Makes a directory, 0777 less the umask. EEXIST if the name is taken.
  package borrowing func makeDirectory(_ name: Path) throws(Errno) {
    _ = try name.call { mkdirat(fd, $0, 0o777) }
  }

  package borrowing func makeSymlink(_ name: Path, to target: Path) throws(Errno) {
    let fd = fd
    try twoNames(target, name) { symlinkat($0, fd, $1) }
  }

  package borrowing func readSymlink(_ name: Path) throws(Errno) -> Path {
    let target = UnsafeMutablePointer<CChar>.allocate(capacity: Int(PATH_MAX))
    defer { target.deallocate() }
    let count = try name.call { readlinkat(fd, $0, target, Int(PATH_MAX)) }
    return Path(UnsafeRawBufferPointer(start: target, count: count))
  }

  /// Moves a name. EEXIST if the new one is taken, also by another link of the same file (where rename(2) would do
  /// nothing and succeed).
  package borrowing func rename(
    _ name: Path, to target: borrowing Directory, _ newName: Path
  ) throws(Errno) {
    let (from, to) = (fd, target.fd)
    try twoNames(name, newName) { clinux_rename_noreplace(from, $0, to, $1) }
  }

  /// Moves a name, and replaces the new one if it is taken: for settings files, which are replaced as a whole.
  package borrowing func replace(_ newName: Path, with name: Path) throws(Errno) {
    let fd = fd
    try twoNames(name, newName) { renameat(fd, $0, fd, $1) }
  }

  /// Exchanges two names in one step, renameat2(2). EINVAL where the file system cannot.
  package borrowing func exchange(
    _ name: Path, with other: borrowing Directory, _ otherName: Path
  ) throws(Errno) {
    let (one, two) = (fd, other.fd)
    try twoNames(name, otherName) { clinux_exchange(one, $0, two, $1) }
  }

  /// Gives the file a second name. A symlink itself gets one, not what it leads to.
  package borrowing func link(
    _ name: Path, into target: borrowing Directory, _ newName: Path
  ) throws(Errno) {
    let (from, to) = (fd, target.fd)
    try twoNames(name, newName) { linkat(from, $0, to, $1, 0) }
  }

  package borrowing func remove(_ name: Path) throws(Errno) {
    _ = try name.call { unlinkat(fd, $0, 0) }
  }

  /// Removes an empty directory.
  package borrowing func removeDirectory(_ name: Path) throws(Errno) {
    _ = try name.call { unlinkat(fd, $0, AT_REMOVEDIR) }
  }

  /// The status of a name; of a symlink, not of what it leads to.
  package borrowing func status(_ name: Path) throws(Errno) -> Status {
    var buffer = stat()
    _ = try name.call { fstatat(fd, $0, &buffer, AT_SYMLINK_NOFOLLOW) }
    return Status(buffer)
  }

  package borrowing func exists(_ name: Path) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try status(name)
      return true
    } catch .noEntry { return false } catch .notDirectory { return false }
  }

  /// Makes the names in this directory durable, fsync(2).
  package borrowing func sync() throws(Errno) { try file.sync() }

  /// Makes everything on this directory's file system durable, syncfs(2).
  package borrowing func syncFileSystem() throws(Errno) { try file.syncFileSystem() }

  /// Gives this directory the owner, the mode and the access control lists, acl(5), of another.
  package borrowing func copyAccess(of other: borrowing Directory) throws(Errno) {
    let (own, wanted) = (try file.status(), try other.file.status())
    if (own.owner, own.group) != (wanted.owner, wanted.group) {
      try file.setOwner(wanted.owner, group: wanted.group)
    }
    if own.permissions != wanted.permissions || own.owner != wanted.owner {
      try file.setPermissions(wanted.permissions)
    }
    for list in ["system.posix_acl_access", "system.posix_acl_default"] {
      if let value = other.file.attribute(list) { try file.setAttribute(list, value) }
    }
  }

  /// Whether it has no names, not even hidden ones.
  package borrowing func isEmpty() throws(Errno) -> Bool {
    var isEmpty = true
    _ = try check { lseek(fd, 0, SEEK_SET) }
    try walk { _, _ in
      isEmpty = false
      return false
    }
    return isEmpty
  }

  /// How much of this directory's file system is free.
  package borrowing func space() throws(Errno) -> Space { try file.space() }

  /// Takes the directory's own lock, flock(2), for as long as it stays open.
  /// - Returns: false if another open directory has it.
  package borrowing func tryLock() throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try check { flock(fd, LOCK_EX | LOCK_NB) }
      return true
    } catch .again { return false }
  }

  /// Takes the directory's own lock, and waits until it can.
  package borrowing func lock() throws(Errno) { _ = try check { flock(fd, LOCK_EX) } }

  /// Calls `body` with each name that is not hidden, in the file system's order. It may miss names that appear or
  /// vanish meanwhile, but no other.
  /// - Parameter folder: a directory in this one, which is opened for that; nil: this one.
  package borrowing func forEachName(
    in folder: Path? = nil, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(Errno) {
    try forEachEntry(in: folder) { name, _ in if name.first != UInt8(ascii: ".") { body(name) } }
  }

  /// The same with inode numbers, and with hidden names, except `.` and `..`.
  package borrowing func forEachEntry(
    in folder: Path? = nil, _ body: (UnsafeRawBufferPointer, _ inode: UInt64) -> Void
  ) throws(Errno) {
    func visit(_ name: UnsafeRawBufferPointer, _ inode: UInt64) -> Bool {
      body(name, inode)
      return true
    }
    if let folder { return try directory(folder).walk(visit) }
    _ = try check { lseek(fd, 0, SEEK_SET) }
    try walk(visit)
  }

  /// Calls `body` with each entry from the position on.
  /// - Parameter body: says whether to go on.
  private borrowing func walk(_ body: (UnsafeRawBufferPointer, _ inode: UInt64) -> Bool) throws(Errno) {
    let size = 32 << 10
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    defer { buffer.deallocate() }
    while true {
      let filled: Int
      do throws(Errno) { filled = try check { clinux_getdents64(fd, buffer, UInt(size)) } } catch .noEntry {
        return  // it was removed since it was opened, so it is empty
      }
      if filled == 0 { return }
      var entry = buffer
      while entry < buffer + filled {  // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name
        let name = UnsafeRawBufferPointer(cString: entry + 19)
        if !name.isDots, !body(name, entry.loadUnaligned(as: UInt64.self)) { return }
        entry += Int(entry.loadUnaligned(fromByteOffset: 16, as: UInt16.self))
      }
    }
  }

  /// All names that are not hidden, in byte order. For directories that are known to be small.
  package borrowing func names() throws(Errno) -> [Path] {
    var found = [Path]()
    try forEachName { found.append(Path($0)) }
    return found.sorted()
  }
}

extension UnsafeRawBufferPointer {
  fileprivate init(cString start: UnsafeMutableRawPointer) {
    self.init(start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
  }

  /// `.` and `..` are in every directory.
  fileprivate var isDots: Bool {
    let dot = UInt8(ascii: ".")
    return first == dot && (count == 1 || count == 2 && self[1] == dot)
  }
}

/// Makes a system call that takes two names.
@inline(__always)
private func twoNames(
  _ first: Path, _ second: Path,
  _ body: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32
) throws(Errno) {
  _ = try first.withCString { one throws(Errno) in try second.call { two in body(one, two) } }
}
