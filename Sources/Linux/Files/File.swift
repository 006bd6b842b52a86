// An open file: one owner, closed once, never retried (on Linux a failed close(2) has closed).

import CLinux
import Glibc

/// A descriptor with one owner. It closes when the owner goes.
package struct File: ~Copyable {
  package let descriptor: Int32

  /// Takes over a descriptor that nobody else will close.
  package init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Opens a path from the current directory's or the root's point of view.
  package init(_ path: Path, _ mode: OpenMode) throws(Errno) {
    descriptor = try path.call { open($0, mode.flags, mode.permissions) }
  }

  /// An unnamed file in memory, memfd_create(2), gone with its last descriptor.
  package static func inMemory() throws(Errno) -> File { File(owning: try check { clinux_memfd("post") }) }

  /// Nobody can change a file in memory any more, whoever has it open, fcntl(2).
  package borrowing func seal() throws(Errno) {
    _ = try check { fcntl(descriptor, Int32(clinux_add_seals), Int32(clinux_seal_all)) }
  }

  /// Gives the memory or blocks of a stretch back; it reads as zeros.
  package borrowing func punchHole(from offset: Int64, length: Int64) throws(Errno) {
    _ = try check { fallocate(descriptor, Int32(clinux_punch_hole), off_t(offset), off_t(length)) }
  }

  /// Reads up to the buffer's size. 0 is the end; an error is an error, never an end.
  package borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try check { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
  }

  package borrowing func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(Errno) -> Int {
    try check { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
  }

  /// Writes all bytes, however many calls that takes (a short write is followed by the rest).
  package borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      let count = try check { Glibc.write(descriptor, chunk.baseAddress, chunk.count) }
      rest = rest.dropFirst(count)
    }
  }

  /// Writes what can be written at once.
  /// - Returns: how much that was. EAGAIN if nothing can.
  package borrowing func writeSome(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    let outcome: Result<Int, Errno> = bytes.withUnsafeBytes { buffer in
      do throws(Errno) {
        return .success(try check { Glibc.write(descriptor, buffer.baseAddress, buffer.count) })
      } catch { return .failure(error) }
    }
    return try outcome.get()
  }

  package borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
    var rest = bytes[...]
    var position = offset
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      let count = try check { pwrite(descriptor, chunk.baseAddress, chunk.count, off_t(position)) }
      rest = rest.dropFirst(count)
      position += Int64(count)
    }
  }

  /// - Parameter offset: nil: at the position.
  package borrowing func write(_ bytes: [UInt8], at offset: Int64? = nil) throws(Errno) {
    let failure: Errno? = bytes.withUnsafeBytes { buffer in
      do throws(Errno) {
        if let offset { try write(buffer, at: offset) } else { try write(buffer) }
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Writes the whole content of another file at our position.
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

  package borrowing func write(_ text: String) throws(Errno) { try write(Array(text.utf8)) }

  /// Everything from the current position on.
  /// - Parameter limit: the most bytes to hold; a longer file is cut there.
  package borrowing func readAll(limit: Int) throws(Errno) -> [UInt8] {
    var content = [UInt8]()
    // Not filled with zeros first: memory that no read reaches is never touched.
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: min(limit, 64 << 10), alignment: 16)
    defer { chunk.deallocate() }
    while content.count < limit {
      let count = try read(into: chunk)
      if count == 0 { break }
      content += UnsafeRawBufferPointer(rebasing: chunk[..<min(count, limit - content.count)])
    }
    return content
  }

  /// Moves the position that this descriptor shares with every copy of it.
  package borrowing func seek(to offset: Int64) throws(Errno) {
    _ = try check { lseek(descriptor, off_t(offset), SEEK_SET) }
  }

  /// Reading and writing never wait, through every copy of this descriptor.
  package borrowing func setNonBlocking() throws(Errno) {
    _ = try check { fcntl(descriptor, F_SETFL, O_NONBLOCK) }
  }

  /// Every write goes to the end of the file, through every copy of this descriptor.
  package borrowing func setAppending() throws(Errno) {
    _ = try check { fcntl(descriptor, F_SETFL, O_APPEND) }
  }

  /// A pipe, pipe2(2): what is written at one end is read at the other. Each closes on exec.
  package static func pipe() throws(Errno) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    _ = try check { pipe2(&ends, O_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// Reserves blocks, posix_fallocate(3): later writes there cannot meet a full disk.
  package borrowing func allocate(_ size: Int64) throws(Errno) {
    let code = posix_fallocate(descriptor, 0, off_t(size))
    if code != 0 { throw Errno(code) }
  }

  /// fsync(2). A failure is final for this file: a second call would succeed and prove nothing.
  package borrowing func sync() throws(Errno) { _ = try check { fsync(descriptor) } }

  /// Lets the kernel begin to write what is to be synced soon: several files at once, instead of one after another.
  package borrowing func startWriting() { _ = clinux_start_writing(descriptor) }

  /// syncfs(2): everything on the file's file system becomes durable. It reports errors since this file was opened
  /// (Linux 5.8), which may have been met by other files.
  package borrowing func syncFileSystem() throws(Errno) { _ = try check { clinux_syncfs(descriptor) } }

  /// How much of the file's file system is free.
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

  /// What a path leads to, symlinks followed. Nothing is opened, so nobody is woken.
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

  /// fchmod(2): for its owner and root only.
  package borrowing func setPermissions(_ permissions: UInt32) throws(Errno) {
    _ = try check { fchmod(descriptor, mode_t(permissions)) }
  }

  /// fchown(2): for root only, mostly.
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

/// What fstatvfs(3) tells of a file system.
package struct Space: Hashable, Sendable {
  /// Free for unprivileged users, as df(1) shows it, in bytes; and of how many.
  package var free: Int64
  package var size: Int64
  /// Free inodes, and of how many; 0 of 0, where the file system makes them as it needs them (btrfs).
  package var freeInodes: Int64
  package var inodes: Int64

  package init(free: Int64, size: Int64, freeInodes: Int64, inodes: Int64) {
    self.free = free
    self.size = size
    self.freeInodes = freeInodes
    self.inodes = inodes
  }
}

/// How a file is opened. Every mode closes on exec and makes no terminal ours.
package enum OpenMode: Sendable {
  /// To be read. Never follows a symlink at the end, never blocks on a FIFO.
  case read
  /// To be read, following symlinks, waiting for a FIFO's writer: a path that a person typed.
  case readFollowing
  /// To be read, following symlinks, never blocking on a FIFO: a file of settings.
  case readSettings
  /// To be written. Never blocks: a FIFO that nobody has open for reading is ENXIO.
  case write
  /// Made by this call, or EEXIST; open for reading and writing whatever the permissions say.
  case create(permissions: UInt32)
  /// Made if missing, and only ever added to.
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

/// What stat(2) tells of a file.
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
  /// Last change of the content, seconds since 1970. What a file system tells beyond 2^40 is cut off there: so far, one
  /// may reckon with it.
  package let modified: Int64
  /// What that has beyond whole seconds, in nanoseconds.
  package let modifiedNanoseconds: Int
  /// Last change of anything about the file, its names too, seconds since 1970. Nobody can set it back.
  package let changed: Int64
  /// When it was read last, as far as the mount takes note of that, seconds since 1970.
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
