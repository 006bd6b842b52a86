// The two pipes of a streaming handler. Neither ever makes the watcher wait: what the handler does not take yet is
// kept for the next poll, and so is a line that is not complete yet.

import Linux
import PostOffice

/// The pipe to a handler's standard input.
final class StreamInput {
  /// nil: closed, and the handler reads the end.
  private var writing: File?
  /// The handler's end. It stays open with us, so that no write fails before the handler's own end shows what became
  /// of it.
  private let reading: File
  private var unsent: ArraySlice<UInt8> = []

  init() throws(Errno) {
    let ends = try Pipe()
    reading = ends.reading
    writing = consume ends.writing
    try writing?.setNonBlocking()
  }

  var handlersEnd: Int32 { reading.descriptor }

  /// To be polled for writing; nil if there is nothing to write.
  var descriptor: Int32? { unsent.isEmpty ? nil : writing?.descriptor }

  func append(_ line: [UInt8]) { unsent += line }

  /// Writes what the handler takes without waiting.
  /// - Parameter closes: closes the pipe behind it.
  /// - Throws: what made a write fail. The rest is dropped.
  func flush(closes: Bool) throws(Errno) {
    while !unsent.isEmpty {
      do throws(Errno) {
        guard let count = try writing?.writeSome(unsent) else { break }
        unsent = unsent.dropFirst(count)
      } catch .again { return } catch {
        unsent = []
        throw error
      }
    }
    unsent = []
    if closes { writing = nil }
  }
}

/// The pipe from a handler's standard output.
final class StreamOutput {
  /// nil: at its end, or after an error.
  private var reading: File?
  private var writing: File?
  /// The beginning of a line.
  private var unread: [UInt8] = []

  struct OutputLine {
    let bytes: ArraySlice<UInt8>
    /// It was too long: this is only its beginning.
    var isCut = false
  }

  /// The longest line, bytes.
  private static let lineLimit = 64 << 10

  init() throws(Errno) {
    let ends = try Pipe()
    reading = consume ends.reading
    writing = consume ends.writing
    try reading?.setNonBlocking()
  }

  /// nil after ``closeHandlersEnd()``.
  var handlersEnd: Int32? { writing?.descriptor }

  /// Closes our copy of the handler's end: with it, the pipe would never end.
  func closeHandlersEnd() { writing = nil }

  /// To be polled for reading; nil if nothing more will come.
  var descriptor: Int32? { reading?.descriptor }

  /// Reads what has been written.
  /// - Throws: what made the read fail. Nothing more is read then, or the poll would report it again and again.
  func readLines() throws(Errno) -> [OutputLine] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { buffer.deallocate() }
    do throws(Errno) {
      guard let count = try reading?.read(into: buffer), count > 0 else {
        reading = nil  // the handler has closed its standard output
        return []
      }
      unread += UnsafeRawBufferPointer(rebasing: buffer[..<count])
    } catch .again { return [] } catch {
      reading = nil
      throw error
    }
    var lines = [OutputLine]()
    var start = 0
    while let end = unread[start...].firstIndex(of: UInt8(ascii: "\n")) {
      lines.append(OutputLine(bytes: unread[start..<end]))
      start = end + 1
    }
    unread.removeSubrange(..<start)
    if unread.count > StreamOutput.lineLimit {
      lines.append(OutputLine(bytes: unread[...], isCut: true))
      unread = []
    }
    return lines
  }
}
