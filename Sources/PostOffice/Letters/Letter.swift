// An open letter: its headers, its body as a part of its file, and whether it is what was sent (CrashSafety I23). Its
// file stays readable when the letter moves or is deleted. Opening never blocks on a FIFO and never follows a symlink.

import Linux
import Text

/// A letter that is open for reading.
public final class Letter {
  public let id: LetterID
  public let headers: Headers
  /// Length of the body in bytes.
  public let bodyLength: Int64
  package let bodyOffset: Int64
  /// nil: it was closed.
  private var file: File?

  /// Why a file is no good letter.
  package enum Flaw: Error {
    case errno(Errno)
    /// It is not what was sent; the text continues a sentence that begins with its name.
    case corrupt(String)
    /// Its body is longer than the reader takes.
    case tooLarge
  }

  init(_ path: Path, in root: borrowing Directory, id: LetterID) throws(Flaw) {
    let file = try Letter.open(path, in: root)
    let status: Status
    do throws(Errno) { status = try file.status() } catch { throw .errno(error) }
    guard status.kind == .regular else { throw .corrupt("is not a regular file, so it is no letter") }
    guard status.size > 0 else { throw .corrupt("is empty: its content was lost") }
    do throws(Errno) {
      (headers, bodyOffset, bodyLength) = try Letter.read(file, size: status.size)
    } catch { throw .errno(error) }
    self.file = consume file
    self.id = id
  }

  private static func open(_ path: Path, in root: borrowing Directory) throws(Flaw) -> File {
    do throws(Errno) { return try root.open(path, .read) } catch .loop {
      // Either the letter is a symlink, or there are too many on the way to it.
      guard (try? root.status(path))?.kind == .symlink else { throw .errno(.loop) }
      throw .corrupt("is a symlink, not a letter")
    } catch .noDeviceAddress { throw .corrupt("is a socket, not a letter") } catch { throw .errno(error) }
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

  /// Closes the file: from now on only what was read of the letter can be used.
  package func close() { file = nil }

  /// Compares the body with the length and digest in the header.
  /// - Throws: corrupt, saying how it differs.
  func verify() throws(Flaw) {
    var verification = try Verification(self)
    guard verification.hasDigest else { return }
    do throws(Errno) { try forEachPiece { verification.update($0) } } catch { throw .errno(error) }
    try verification.finish()
  }

  /// Verifies a letter: first its header, then its body, piece by piece.
  package struct Verification {
    private let digest: String?
    private var crc = CRC32C()

    /// - Throws: corrupt, if the header shows it.
    package init(_ letter: Letter) throws(Flaw) {
      digest = letter.headers["Content-Digest"].flatMap { $0.hasPrefix("crc32c=:") ? $0 : nil }
      if !hasDigest {
        // Letters of ours always have a digest; foreign ones need none.
        if letter.id.isOurs { throw .corrupt("has lost its header") }
      } else if let length = letter.headers["Content-Length"].flatMap({ Int64($0) }) {
        guard length == letter.bodyLength else {
          throw .corrupt("has a body of \(letter.bodyLength) bytes where \(length) were sent")
        }
      } else if letter.id.isOurs {
        throw .corrupt("has lost its Content-Length")
      }
    }

    /// Whether there is anything that the body must match.
    package var hasDigest: Bool { digest != nil }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { if hasDigest { crc.update(bytes) } }

    /// - Throws: corrupt, if the body is another.
    package func finish() throws(Flaw) {
      guard !hasDigest || crc.digestField == digest else {
        throw .corrupt("has a body that does not match its digest")
      }
    }
  }

  /// Hands out the body, piece by piece.
  /// - Parameter wholeLetter: hands out the headers as well, as they are in the file.
  package func forEachPiece(
    wholeLetter: Bool = false, _ take: (UnsafeRawBufferPointer) throws(Errno) -> Void
  ) throws(Errno) {
    var offset = wholeLetter ? -bodyOffset : 0  // the headers stand before the body
    guard offset < bodyLength else { return }
    let size = Int(min(bodyLength - offset, 256 << 10))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
    defer { buffer.deallocate() }
    while offset < bodyLength {
      let count = try readBody(into: buffer, at: offset)
      try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// Reads a piece of the body; the position that others may share is not moved.
  /// - Throws: an I/O error also if the file has become shorter than it was when it was opened.
  package func readBody(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(Errno) -> Int {
    guard let count = try file?.read(into: buffer, at: bodyOffset + offset) else {
      preconditionFailure("a letter that was closed is not read")
    }
    if count == 0 { throw .io }
    return count
  }

  /// The largest body that is held in memory as a whole, bytes.
  public static let bodyLimit: Int64 = 1 << 30

  /// The whole body.
  /// - Parameter limit: bytes.
  /// - Throws: bad data, if it is longer; an I/O error.
  public func body(limit: Int64 = bodyLimit) throws(PostError) -> [UInt8] {
    guard bodyLength <= limit else { throw Flaw.tooLarge.asPostError("\(id)") }
    var bytes = [UInt8]()
    bytes.reserveCapacity(Int(bodyLength))
    try attempt("cannot read", "letter \(id)") { () throws(Errno) in try forEachPiece { bytes += $0 } }
    return bytes
  }

  public var topic: String? { headers["Post-Topic"] }
  public var from: String? { headers["From"] }
  public var subject: String? { headers["Subject"] }
  public var contentType: String? { headers["Content-Type"] }
  /// As the sender wrote it, else from the ID (RFC 5322 section 3.3).
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
    case .errno(let errno): PostError(errno, "cannot read", place)
    case .corrupt(let how): PostError(.badData, "\(place) \(how)")
    case .tooLarge:
      PostError(
        .badData, "the body of \(place) is too large to be held in memory", remedy: "use --format body")
    }
  }
}
