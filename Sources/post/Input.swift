// What letters are read from: standard input, files, or the command line; whole, or cut into pieces.

import Commands
import Linux
import PostOffice

/// Where a body comes from.
final class Input {
  private enum Kind { case standard, file, text }

  private let kind: Kind
  private let name: String
  private let file: File?
  private var rest: Bytes.SubSequence = []

  /// Whether somebody has something to do before a read that waits; and what.
  var mayWait: () -> Bool = { false }
  var beforeWaiting: () throws(PostError) -> Void = { () throws(PostError) in }

  /// Standard input.
  init() {
    kind = .standard
    name = "standard input"
    file = nil
  }

  /// - Parameter path: a file, or `-` for standard input.
  convenience init(_ path: Path) throws(PostError) {
    if path == "-" {
      self.init()
    } else {
      try self.init(file: path)
    }
  }

  private init(file path: Path) throws(PostError) {
    kind = .file
    name = "\(path)"
    do throws(Errno) { file = try File(path, .readFollowing) } catch {
      throw PostError(.notFound, PostError(error, "cannot read \(path)").message)
    }
  }

  /// A body from the command line.
  init(text: Bytes) {
    kind = .text
    name = "--message"
    rest = text[...]
    file = nil
  }

  /// - Returns: how many bytes were read; 0 is the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(PostError) -> Int {
    if kind == .text {
      let count = min(buffer.count, rest.count)
      buffer.copyBytes(from: rest.prefix(count))
      rest = rest.dropFirst(count)
      return count
    }
    if mayWait(), !isReadable { try beforeWaiting() }
    do throws(Errno) {
      switch file {
      case .some(let file): return try file.read(into: buffer)
      case nil: return try Streams.input(into: buffer)
      }
    } catch {
      throw PostError(
        error == .isDirectory ? .notFound : .io, PostError(error, "cannot read \(name)").message)
    }
  }
}

extension Input {
  /// Whether a read does not wait: there is something, or the end, or an error.
  private var isReadable: Bool {
    switch file {
    case .some(let file): Linux.isReadable(file.descriptor)
    case nil: Linux.isReadable(0)
    }
  }
}

/// Cuts an input into pieces of any length, in bounded memory.
final class Pieces {
  private let input: Input
  private let end: UInt8
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  private var pending: Range<Int> = 0..<0

  init(of input: Input, endedBy end: UInt8) {
    self.input = input
    self.end = end
  }

  deinit { buffer.deallocate() }

  /// Goes to the next piece.
  /// - Returns: false at the end of the input. An end mark in last place begins no further piece.
  func next() throws(PostError) -> Bool {
    isOver = false
    return try fill()
  }

  private var isOver = false

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
    // An end mark straight away would read as 0 bytes, the end of the piece, and so it is.
    return piece.count
  }

  private func fill() throws(PostError) -> Bool {
    if pending.isEmpty { pending = 0..<(try input.read(into: buffer)) }
    return !pending.isEmpty
  }
}
