// An open letter: its headers, its body as a stretch of the file, and whether it is what was sent.

import Linux
import Text

/// A letter, open for reading. Its file stays readable even when the letter moves or is pruned.
public final class Letter {
  public let id: LetterID
  public let headers: Headers
  /// Length of the body in bytes.
  public let bodyLength: Int64
  package private(set) var file: File
  package let bodyOffset: Int64

  /// The trouble with a file that should be a letter.
  package enum Flaw: Error {
    case errno(Errno)
    /// Not what was sent: the words say how.
    case corrupt(String)
  }

  /// Opens a letter. Never blocks on a FIFO, never follows a symlink.
  init(_ path: Path, in root: borrowing Directory, id: LetterID) throws(Flaw) {
    do throws(Errno) {
      let file = try root.open(path, .read)
      let status = try file.status()
      (headers, bodyOffset, bodyLength) = try Letter.read(file, size: status.size)
      self.file = file
      self.id = id
      if status.kind != .regular { throw .isDirectory }
      if status.size == 0 { throw .notEmpty }
    } catch .loop {
      // O_NOFOLLOW says so; but so does a loop further up.
      guard (try? root.status(path))?.kind == .symlink else { throw .errno(.loop) }
      throw .corrupt("is a symlink, not a letter")
    } catch .isDirectory {
      throw .corrupt("is not a regular file, so no letter")
    } catch .noDeviceAddress {
      throw .corrupt("is a socket, not a letter")
    } catch .notEmpty {
      throw .corrupt("is empty: its content was lost")
    } catch {
      throw .errno(error)
    }
  }

  private static func read(_ file: borrowing File, size: Int64) throws(Errno) -> (Headers, Int64, Int64) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(size, Int64(Headers.blockLimit))), alignment: 8)
    defer { buffer.deallocate() }
    var filled = 0
    // Most header blocks end in the first 4 KiB.
    for goal in [min(4096, buffer.count), buffer.count] where filled < goal {
      while filled < goal {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<goal])
        let count = try file.read(into: rest, at: Int64(filled))
        if count == 0 { break }
        filled += count
      }
      let block = UnsafeRawBufferPointer(rebasing: buffer[..<filled])
      if let (headers, offset) = Headers.parse(block) {
        return (headers, Int64(offset), size - Int64(offset))
      }
    }
    return (Headers(), 0, size)
  }

  /// Closes the file. What was read of the letter stays; nothing more can be.
  package func close() { file = File(owning: -1) }

  /// Compares the body with the length and digest in the header.
  /// - Throws: corrupt, saying how it differs.
  func verify() throws(Flaw) {
    var verification = try Verification(self)
    if verification.isOver { return }
    do throws(Errno) { try readBody { verification.update($0) } } catch { throw .errno(error) }
    try verification.finish()
  }

  /// Whether a letter is what was sent: first its header tells, then its body, piece by piece.
  package struct Verification {
    private let digest: String?
    private var crc = CRC32C()

    /// - Throws: corrupt, if the header shows it.
    package init(_ letter: Letter) throws(Flaw) {
      digest = letter.headers["Content-Digest"].flatMap { $0.hasPrefix("crc32c=:") ? $0 : nil }
      if isOver {
        // A foreign program's letter promises nothing; one of ours always does.
        if letter.id.isOurs { throw .corrupt("has lost its header") }
      } else if let length = letter.headers["Content-Length"].flatMap({ Int64($0) }) {
        guard length == letter.bodyLength else {
          throw .corrupt("has a body of \(letter.bodyLength) bytes where \(length) were sent")
        }
      } else if letter.id.isOurs {
        throw .corrupt("has lost its Content-Length")
      }
    }

    /// The body promises nothing.
    package var isOver: Bool { digest == nil }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { if !isOver { crc.update(bytes) } }

    /// - Throws: corrupt, if the body is another.
    package func finish() throws(Flaw) {
      guard isOver || crc.digestField == digest else {
        throw .corrupt("has a body that does not match its digest")
      }
    }
  }

  /// Reads the body from its beginning, piece by piece; the shared position is not moved.
  func readBody(_ take: (UnsafeRawBufferPointer) -> Void) throws(Errno) {
    try read(from: bodyOffset) { (bytes) throws(Errno) in take(bytes) }
  }

  /// ClaimSurvey the body, piece by piece, to a closure.
  package func forEachPiece(
    wholeLetter: Bool = false, _ take: (UnsafeRawBufferPointer) throws(Errno) -> Void
  ) throws(Errno) {
    try read(from: wholeLetter ? 0 : bodyOffset, take)
  }

  private func read(
    from start: Int64, _ take: (UnsafeRawBufferPointer) throws(Errno) -> Void
  ) throws(Errno) {
    let end = bodyOffset + bodyLength
    guard start < end else { return }
    let size = Int(min(end - start, 256 << 10))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
    defer { buffer.deallocate() }
    var offset = start
    while offset < end {
      let count = try file.read(into: buffer, at: offset)
      if count == 0 { throw .io }  // shorter than it was when it was opened
      try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// The largest body that is held in memory as a whole.
  public static let bodyLimit: Int64 = 1 << 30

  /// The whole body.
  /// - Parameter limit: bytes.
  /// - Throws: bad data, if it is longer; I/O errors.
  public func body(limit: Int64 = bodyLimit) throws(PostError) -> [UInt8] {
    guard bodyLength <= limit else { throw Letter.tooLarge(id.path) }
    var bytes = [UInt8]()
    bytes.reserveCapacity(Int(bodyLength))
    try attempt("cannot read letter \(id)") { () throws(Errno) in try readBody { bytes += $0 } }
    return bytes
  }

  package static func tooLarge(_ letter: Path) -> PostError {
    PostError(.badData, "the body of \(letter) is too large to be held in memory; use --format body")
  }

  public var topic: String? { headers["Post-Topic"] }
  public var from: String? { headers["From"] }
  public var subject: String? { headers["Subject"] }
  public var contentType: String? { headers["Content-Type"] }
  /// As its sender wrote it, else from the ID (RFC 5322 section 3.3).
  public var date: String? { headers["Date"] ?? id.sent.map { UTC(seconds: $0).mailDate } }
}

extension Letter {
  /// - Throws: bad data, if the letter is not what was sent.
  public func check() throws(PostError) {
    do throws(Flaw) { try verify() } catch { throw error.asPostError("letter \(id)") }
  }
}

extension Letter.Flaw {
  package func asPostError(_ place: String) -> PostError {
    switch self {
    case .errno(let errno): PostError(errno, "cannot read \(place)")
    case .corrupt(let how): PostError(.badData, "\(place) \(how)")
    }
  }
}
