// The standard input of an exec handler: a private file that holds the letter's body and nothing else, at offset 0.
//
// - However the handler reads it (cat /dev/stdin, pread(2), mmap(2)), it sees the whole body and only the body, also
//   when the watcher has died meanwhile, as it would not with a pipe; and it can change nothing that others see.
// - A letter is verified while it is copied (CrashSafety I23), one slice at a time: the watcher does other work
//   between two slices, so a letter of gigabytes delays no other mailbox.
// - A small body goes into a sealed file in memory, a large one into a file on the mailbox's file system, whose name
//   is removed before anything is written. Where that has no room, up to 64 MiB go into memory. Beyond it the handler
//   gets the letter's own open file, positioned at the body: it reads the same bytes, but sees the headers if it
//   opens the file again.

import Linux
import PostOffice

/// Makes the file that a handler reads, and verifies the letter.
final class BodyCopy {
  let claim: Claim
  private var medium: Medium
  private var verification: Letter.Verification?
  /// What is written; and what the handler reads, if that is another open file.
  private var writing: File?
  private var reading: File?
  private var offset: Int64 = 0
  /// Why there is no better medium.
  private var trouble: Errno?

  private enum Medium {
    case disk, memory
    /// The letter's own file; or nothing, if the letter is only verified.
    case none
  }

  /// How much is read, verified and written at a time; a body up to this length is small. Bytes.
  static let slice: Int64 = 1 << 20
  /// The longest body that goes into memory where the disk has no room. Bytes.
  private static let memoryLimit: Int64 = 64 << 20

  /// - Parameter copies: makes the file; else the letter is only verified.
  /// - Throws: corrupt, if the header shows it.
  init(_ claim: Claim, copies: Bool) throws(Letter.Flaw) {
    self.claim = claim
    medium = !copies ? .none : claim.letter.bodyLength <= BodyCopy.slice ? .memory : .disk
    try begin()
  }

  private var office: Office { claim.mailbox.office }
  private var length: Int64 { claim.letter.bodyLength }

  /// Whether the whole body has been verified and copied.
  var isComplete: Bool { offset >= length }

  /// Verifies and copies the next slice.
  /// - Throws: corrupt, if the body is not what was sent.
  func copySlice() throws(Letter.Flaw) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(length - offset, BodyCopy.slice)), alignment: 16)
    defer { buffer.deallocate() }
    let count: Int
    do throws(Errno) {
      count = try claim.letter.readBody(into: buffer, at: offset)
    } catch { throw .errno(error) }
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    do throws(Errno) { try writing?.write(bytes, at: offset) } catch { return try fallBack(error) }
    verification?.update(bytes)
    offset += Int64(count)
    guard isComplete else { return }
    try verification?.finish()
    claim.isVerified = true
  }

  /// Gives the file to the handler.
  func takeFile() throws(Letter.Flaw) -> File {
    do throws(Errno) {
      if let file = reading.take() { return file }
      if let file = writing.take() {
        try file.seal()
        // Before Linux 6.7 a sealed file that is open for writing cannot be mapped as one that is shared.
        let readable = try? File(Path("/proc/self/fd/\(file.descriptor)"), .readFollowing)
        switch consume readable {
        case .some(let readable): return readable
        case nil: return file
        }
      }
      office.tellOnce(
        "cannot copy a large body (\(trouble?.description ?? "")): a handler that opens /dev/stdin again sees the "
          + "headers, too"
      )
      let file = try office.root.open(claim.mailbox.layout[.cur] / claim.entry.path, .read)
      try file.seek(to: claim.letter.bodyOffset)
      return file
    } catch { throw .errno(error) }
  }

  // MARK: The file

  private func begin() throws(Letter.Flaw) {
    writing = nil
    reading = nil
    offset = 0
    verification = claim.isVerified ? nil : try Letter.Verification(claim.letter)
    do throws(Errno) {
      switch medium {
      case .disk: try makeFile()
      case .memory: writing = try File.inMemory()
      case .none:
        // Nothing is copied, and the letter has been verified or has no digest.
        if verification?.hasDigest != true { (offset, claim.isVerified) = (length, true) }
      }
    } catch { try fallBack(error) }
  }

  /// Begins again where there is room, after the file could not be made or written.
  /// - Throws: an error that has nothing to do with room.
  private func fallBack(_ errno: Errno) throws(Letter.Flaw) {
    if errno == .processFiles || errno == .systemFiles { throw .errno(errno) }
    trouble = errno
    medium = medium == .disk && length <= BodyCopy.memoryLimit ? .memory : .none
    try begin()
  }

  /// Makes a file on the mailbox's file system, and removes its name. If the process dies before that, the file is
  /// debris.
  private func makeFile() throws(Errno) {
    let draft = try Draft(in: claim.mailbox.layout[.tmp], of: office, permissions: 0o400)
    try draft.finish { (_) throws(Errno) in
      reading = try office.root.open(draft.path, .read)
      try reading?.setPermissions(0o444)  // for a handler that becomes another user, whatever the umask
      try office.root.remove(draft.path)
    }
    writing = draft.keepFile()
    // Else it would fill the disk to the brim, and then begin again in memory.
    if let space = try reading?.space(), space.isKnown, space.free < length { throw .noSpace }
  }
}

extension Claim {
  /// The body of a verified letter, as the file that its handler reads.
  package func body() throws(Errno) -> File {
    do throws(Letter.Flaw) {
      let copy = try BodyCopy(self, copies: true)
      while !copy.isComplete { try copy.copySlice() }
      return try copy.takeFile()
    } catch {
      guard case .errno(let errno) = error else { preconditionFailure("it is not verified again") }
      throw errno
    }
  }
}
