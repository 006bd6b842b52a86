// Where post send reads bodies from: standard input, a file or the command line; whole, or cut into pieces. A failed read is an
// error, never the end of the input (CrashSafety I17).

import Commands
import Linux
import PostOffice

/// A source of bodies.
final class Input {
  private let name: String
  /// nil: standard input, or a text.
  private var file: File?
  private var descriptor: Int32 = 0
  /// The unread rest of a text from the command line.
  private var rest: Bytes.SubSequence?

  /// Whether ``beforeWaiting`` is to be called before a read that would wait.
  var hasWork: () -> Bool = { false }
  var beforeWaiting: () throws(PostError) -> Void = { () throws(PostError) in }

  /// - Parameter path: a file, or `-` for standard input.
  init(_ path: Path) throws(PostError) {
    name = path == "-" ? "standard input" : "\(path)"
    if path == "-" { return }
    do throws(Errno) {
      let opened = try File(path, .readFollowing)
      descriptor = opened.descriptor
      file = consume opened
    } catch { throw PostError(error, "cannot read", name, kind: .notFound) }
  }

  /// A body from the command line.
  init(text: Bytes) {
    name = "--message"
    rest = text[...]
  }

  /// - Returns: the number of bytes read; 0 is the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(PostError) -> Int {
    if let text = rest {
      let piece = text.prefix(buffer.count)
      buffer.copyBytes(from: piece)
      rest = text.dropFirst(piece.count)
      return piece.count
    }
    if hasWork(), !isReadable(descriptor) { try beforeWaiting() }
    do throws(Errno) {
      switch file {
      case .some(let file): return try file.read(into: buffer)
      case nil: return try Streams.input(into: buffer)
      }
    } catch {
      throw PostError(error, "cannot read", name, kind: error == .isDirectory ? .notFound : .io)
    }
  }
}

/// Cuts an input into pieces of any length; only a buffer of it is in memory.
final class Pieces {
  private let input: Input
  private let end: UInt8
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  private var pending: Range<Int> = 0..<0
  private var isOver = false

  init(of input: Input, endedBy end: UInt8) {
    self.input = input
    self.end = end
  }

  deinit { buffer.deallocate() }

  /// Goes to the next piece.
  /// - Returns: false at the end of the input. An end mark at the very end begins no further piece.
  func next() throws(PostError) -> Bool {
    isOver = false
    return try fill()
  }

  /// Reads from the current piece; 0 is its end.
  func read(into target: UnsafeMutableRawBufferPointer) throws(PostError) -> Int {
    guard !isOver, try fill() else { return 0 }
    let there = UnsafeRawBufferPointer(rebasing: buffer[pending]).prefix(target.count)
    let piece = there.prefix { $0 != end }
    target.copyBytes(from: piece)
    var taken = piece.count
    if taken < there.count {
      taken += 1
      isOver = true
    }
    pending = (pending.lowerBound + taken)..<pending.upperBound
    // An end mark at once reads as 0 bytes, which is the end of the piece.
    return piece.count
  }

  private func fill() throws(PostError) -> Bool {
    if pending.isEmpty { pending = 0..<(try input.read(into: buffer)) }
    return !pending.isEmpty
  }
}
