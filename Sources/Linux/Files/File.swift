// An open file. It has one owner and is closed once, when the owner goes: on Linux a failed close(2) has closed the
// file. Every descriptor closes on exec. A failed read is never taken for the end of the file, and a write is whole or
// an error.

import CLinux
import Glibc

/// A descriptor with one owner.
package struct File: ~Copyable {
  package let descriptor: Int32

  /// Takes over a descriptor that nothing else closes.
  package init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Opens a path, absolute or from the current directory.
  package init(_ path: Path, _ mode: OpenMode) throws(Errno) {
    descriptor = try path.call { open($0, mode.flags, mode.permissions) }
  }

  /// An unnamed file in memory, memfd_create(2), gone with its last descriptor.
  package static func inMemory() throws(Errno) -> File { File(owning: try check { clinux_memfd("post") }) }

  /// Makes a file in memory immutable for all that have it open, fcntl(2).
  package borrowing func seal() throws(Errno) {
    _ = try check { fcntl(descriptor, Int32(clinux_add_seals), Int32(clinux_seal_all)) }
  }

  /// Frees the memory or blocks of a part, which then reads as zeros, fallocate(2).
  package borrowing func punchHole(from offset: Int64, length: Int64) throws(Errno) {
    _ = try check { fallocate(descriptor, Int32(clinux_punch_hole), off_t(offset), off_t(length)) }
  }

  /// Reads up to the buffer's size. 0 is the end.
  /// - Parameter offset: nil: the position, which then moves.
  package borrowing func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64? = nil
  ) throws(Errno) -> Int {
    guard let offset else { return try check { Glibc.read(descriptor, buffer.baseAddress, buffer.count) } }
    return try check { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
  }

  /// Writes all bytes, in as many calls as that takes.
  /// - Parameter offset: nil: the position, which then moves.
  package borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64? = nil) throws(Errno) {
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      written += try check {
        guard let offset else { return Glibc.write(descriptor, rest.baseAddress, rest.count) }
        return pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(written))
      }
    }
  }

  package borrowing func write(_ bytes: [UInt8], at offset: Int64? = nil) throws(Errno) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(Errno) in
      try write(UnsafeRawBufferPointer(bytes), at: offset)
    }
  }

  package borrowing func write(_ text: String) throws(Errno) { try write(Array(text.utf8)) }

  /// Writes what can be written without waiting.
  /// - Returns: how many bytes.
  /// - Throws: EAGAIN, if nothing can be written now.
  package borrowing func writeSome(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    try bytes.withUnsafeBufferPointer { (bytes) throws(Errno) in
      try check { Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }
  }

  /// Writes the whole content of another file, at the position.
  package borrowing func write(contentOf source: borrowing File) throws(Errno) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while true {
      let count = try source.read(into: buffer, at: offset)
      if count == 0 { return }
      try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// Everything from the position on.
  /// - Parameter limit: the most bytes that are read; a longer file is cut there.
  package borrowing func readAll(limit: Int) throws(Errno) -> [UInt8] {
    var content = [UInt8]()
    // Not filled with zeros: memory that no read reaches is never touched.
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: min(limit, 64 << 10), alignment: 16)
    defer { chunk.deallocate() }
    while content.count < limit {
      let count = try read(into: chunk)
      if count == 0 { break }
      content += UnsafeRawBufferPointer(rebasing: chunk[..<min(count, limit - content.count)])
    }
    return content
  }

  /// Moves the position, which all copies of this descriptor share.
  package borrowing func seek(to offset: Int64) throws(Errno) {
    _ = try check { lseek(descriptor, off_t(offset), SEEK_SET) }
  }

  /// From now on reading and writing never wait, also through copies of this descriptor.
  package borrowing func setNonBlocking() throws(Errno) {
    _ = try check { fcntl(descriptor, F_SETFL, O_NONBLOCK) }
  }

  /// From now on every write goes to the end of the file, also through copies of this descriptor.
  package borrowing func setAppending() throws(Errno) {
    _ = try check { fcntl(descriptor, F_SETFL, O_APPEND) }
  }

  /// Reserves blocks, posix_fallocate(3): later writes there cannot meet a full disk.
  package borrowing func allocate(_ size: Int64) throws(Errno) {
    let code = posix_fallocate(descriptor, 0, off_t(size))
    if code != 0 { throw Errno(code) }
  }

  /// fsync(2). A failure is final for this file: a second call would succeed and prove nothing (CrashSafety I16).
  package borrowing func sync() throws(Errno) { _ = try check { fsync(descriptor) } }

  /// Starts writing what will be synced soon, so that the kernel writes several files at once.
  package borrowing func startWriting() { _ = clinux_start_writing(descriptor) }

  /// syncfs(2): makes everything on the file's file system durable. It reports the errors since this file was opened
  /// (Linux 5.8), also those of other files.
  package borrowing func syncFileSystem() throws(Errno) { _ = try check { clinux_syncfs(descriptor) } }

  /// How much of the file's file system is free, fstatvfs(3).
  package borrowing func space() throws(Errno) -> Space {
    var buffer = statvfs()
    _ = try check { fstatvfs(descriptor, &buffer) }
    let block = Int64(clamping: buffer.f_frsize)
    func bytes(_ blocks: fsblkcnt_t) -> Int64 {
      let (bytes, isTooLarge) = Int64(clamping: blocks).multipliedReportingOverflow(by: block)
      return isTooLarge ? .max : bytes
    }
    return Space(
      free: bytes(buffer.f_bavail), size: bytes(buffer.f_blocks),
      freeInodes: Int64(clamping: buffer.f_favail),
      inodes: Int64(clamping: buffer.f_files))
  }

  /// What a path leads to, symlinks followed. Opens nothing, so it wakes no process at the other end of a FIFO.
  package static func status(of path: Path) throws(Errno) -> Status {
    var buffer = stat()
    _ = try path.call { stat($0, &buffer) }
    return Status(buffer)
  }

  package borrowing func status() throws(Errno) -> Status {
    var buffer = stat()
    _ = try check { fstat(descriptor, &buffer) }
    return Status(buffer)
  }

  /// fchmod(2): for the owner and root only.
  package borrowing func setPermissions(_ permissions: UInt32) throws(Errno) {
    _ = try check { fchmod(descriptor, mode_t(permissions)) }
  }

  /// fchown(2): only root may give a file to another user.
  package borrowing func setOwner(_ owner: UInt32, group: UInt32) throws(Errno) {
    _ = try check { fchown(descriptor, owner, group) }
  }

  /// An extended attribute, xattr(7); nil if there is none, or the file system knows none.
  borrowing func attribute(_ name: String) -> [UInt8]? {
    let size = fgetxattr(descriptor, name, nil, 0)
    guard size > 0 else { return nil }
    var value = [UInt8](repeating: 0, count: size)
    let count = fgetxattr(descriptor, name, &value, size)
    return count > 0 ? Array(value.prefix(count)) : nil
  }

  borrowing func setAttribute(_ name: String, _ value: [UInt8]) throws(Errno) {
    _ = try check { fsetxattr(descriptor, name, value, value.count, 0) }
  }
}

extension File {
  /// What a file of /proc or /sys says; nil if it cannot be read.
  static func text(of path: Path, limit: Int) -> String? {
    (try? File(path, .readFollowing).readAll(limit: limit)).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// A pipe, pipe2(2): what is written at one end is read at the other.
@frozen package struct Pipe: ~Copyable {
  package let reading: File
  package let writing: File

  package init() throws(Errno) {
    var ends: [Int32] = [0, 0]
    _ = try check { pipe2(&ends, O_CLOEXEC) }
    reading = File(owning: ends[0])
    writing = File(owning: ends[1])
  }
}

/// How much of a file system is free.
package struct Space: Hashable, Sendable {
  /// Bytes that are free for users other than root, as df(1) shows them, and all bytes.
  package var free: Int64
  package var size: Int64
  /// Free inodes, and all; 0 of 0 where the file system makes them as needed (btrfs).
  package var freeInodes: Int64
  package var inodes: Int64

  package init(free: Int64, size: Int64, freeInodes: Int64, inodes: Int64) {
    self.free = free
    self.size = size
    self.freeInodes = freeInodes
    self.inodes = inodes
  }
}

/// How a file is opened. Every mode closes on exec and takes no controlling terminal.
package enum OpenMode: Sendable {
  /// For reading. Never follows a symlink in the last part, never blocks on a FIFO.
  case read
  /// For reading: a path that a person typed. Follows symlinks, waits for a FIFO's writer.
  case readFollowing
  /// For reading: a settings file. Follows symlinks, never blocks on a FIFO.
  case readSettings
  /// For writing. Never follows a symlink in the last part, never blocks: a FIFO without a reader is ENXIO.
  case write
  /// Created by this call, or EEXIST; for reading and writing, whatever the permissions say.
  case create(permissions: UInt32)
  /// Created if missing; for adding at the end.
  case append(permissions: UInt32)

  var flags: Int32 {
    let always = O_CLOEXEC | O_NOCTTY
    return switch self {
    case .read: always | O_RDONLY | O_NOFOLLOW | O_NONBLOCK
    case .readFollowing: always | O_RDONLY
    case .readSettings: always | O_RDONLY | O_NONBLOCK
    case .write: always | O_WRONLY | O_NOFOLLOW | O_NONBLOCK
    case .create: always | O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
    case .append: always | O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK
    }
  }

  var permissions: mode_t {
    switch self {
    case .read, .readFollowing, .readSettings, .write: 0
    case .create(let permissions), .append(let permissions): mode_t(permissions)
    }
  }
}

/// The status of a file, stat(2).
package struct Status: Sendable {
  package enum Kind: Sendable { case regular, directory, symlink, fifo, other }

  package let kind: Kind
  package let size: Int64
  package let device: UInt64
  package let inode: UInt64
  package let links: Int
  package let owner: UInt32
  package let group: UInt32
  package let permissions: UInt32
  /// Last change of the content, seconds since 1970; cut off at 2^40 either way, so that sums do not overflow.
  package let modified: Int64
  /// The part of that below a second, in nanoseconds.
  package let modifiedNanoseconds: Int
  /// Last change of the file or its names, seconds since 1970. No user can set it back.
  package let changed: Int64
  /// Last read, as far as the mount records it, seconds since 1970.
  package let accessed: Int64

  init(_ buffer: stat) {
    kind =
      switch buffer.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFLNK: .symlink
      case S_IFIFO: .fifo
      default: .other
      }
    size = Int64(buffer.st_size)
    device = UInt64(buffer.st_dev)
    inode = UInt64(buffer.st_ino)
    links = Int(buffer.st_nlink)
    owner = buffer.st_uid
    group = buffer.st_gid
    permissions = UInt32(buffer.st_mode & 0o7777)
    let far = -(1 << 40)...Int64(1 << 40)
    modified = min(max(Int64(buffer.st_mtim.tv_sec), far.lowerBound), far.upperBound)
    modifiedNanoseconds = min(max(buffer.st_mtim.tv_nsec, 0), 999_999_999)
    changed = min(max(Int64(buffer.st_ctim.tv_sec), far.lowerBound), far.upperBound)
    accessed = min(max(Int64(buffer.st_atim.tv_sec), far.lowerBound), far.upperBound)
  }
}
