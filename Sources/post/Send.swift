// post send: letters into a topic.

import Commands
import Linux
import PostOffice

enum Send: Verb {
  static let name = "send"
  static let command = Command(
    name, operands: [Operand("TOPIC"), Operand("FILE", .zeroOrMore)],
    summary: "send letters to a topic",
    discussion: """
      Sends each FILE (or - for standard input) as a letter, byte for byte; without a
      FILE, standard input. The topic is made if it is missing. With exit code 0 the
      letters survive kill -9 and power loss and will reach every mailbox subscribed
      at that moment. Otherwise the letter that failed reached nobody, and the
      message says how many were accepted before it.
      """,
    flags: [
      Flag(
        "message", short: "m", value: .required("TEXT"),
        help: "the body, instead of a FILE; nothing is added to it"),
      Flag("subject", short: "s", value: .required("TEXT"), help: "the subject"),
      Flag("header", short: "H", value: .required("'Name: value'"), repeats: true, help: "a further header"),
      Flag("type", short: "t", value: .required("TYPE"), help: "the content type, such as application/json"),
      Flag("lines", short: "l", help: "each line is a letter, without its newline"),
      Flag("null", short: "0", help: "each NUL-ended piece is a letter"),
      Flag("id", help: "print the ID of each letter once it is accepted"),
    ],
    examples: [
      Example("post send orders < order.json"),
      Example("post send orders -s 'purchase approved' -t application/json order.json"),
      Example("find . -name '*.pdf' -print0 | post send --null scans", "a letter for each file's name"),
    ])

  static func run(_ call: Call) throws(PostError) -> Int32 {
    let name = try call.name(as: "topic")
    let envelope = try envelope(call)
    let files = call.invocation.operands.dropFirst().map { Path($0) }
    if call.has("message"), !files.isEmpty {
      throw PostError(.usage, "post send: --message and a FILE exclude each other")
    }
    if call.has("lines"), call.has("null") {
      throw PostError(.usage, "post send: --lines and --null exclude each other")
    }
    let office = try call.office(making: true)
    let topic = try office.makeTopic(name)
    var sent = 0
    do throws(PostError) {
      if let message = call.invocation.value("message") {
        try send(Input(text: message), to: topic, envelope, call, &sent)
      } else {
        for file in files.isEmpty ? ["-"] : files {
          try send(try Input(file), to: topic, envelope, call, &sent)
        }
      }
    } catch {
      let before = sent == 1 ? "1 letter was" : "\(sent) letters were"
      throw sent == 0 ? error : PostError(error.kind, "\(error.message); \(before) accepted")
    }
    topic.tidyAfterSending()
    return 0
  }

  private static func envelope(_ call: Call) throws(PostError) -> Envelope {
    var envelope = Envelope(subject: try call.text("subject"), contentType: try call.text("type"))
    for bytes in call.invocation.values("header") {
      guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else {
        throw PostError(.usage, "'\(visible(bytes))' is no header; write it as 'Name: value'")
      }
      let value = bytes[(colon + 1)...].drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      let name = try Call.text(Array(bytes[..<colon]), "--header")
      envelope.headers.append(try Headers.Field(name, try Call.text(Array(value), "--header")))
    }
    return envelope
  }

  private static func tell(_ id: LetterID) throws(PostError) {
    do throws(PostError) { try print("\(id)\n") } catch {
      throw PostError(error.kind, "cannot print the ID \(id): standard output takes no more")
    }
  }

  /// Sends one input, whole or in pieces.
  private static func send(
    _ input: Input, to topic: Topic, _ envelope: Envelope, _ call: Call, _ sent: inout Int
  ) throws(PostError) {
    func sendOne(_ source: BodySource) throws(PostError) {
      let id = try topic.send(envelope, from: source)
      sent += 1
      if call.has("id") { try tell(id) }
    }
    guard call.has("lines") || call.has("null") else {
      return try sendOne { (buffer) throws(PostError) in try input.read(into: buffer) }
    }
    let pieces = Pieces(of: input, endedBy: call.has("null") ? 0 : UInt8(ascii: "\n"))
    while try pieces.next() {
      try sendOne { (buffer) throws(PostError) in try pieces.read(into: buffer) }
    }
  }
}

/// Where a body comes from.
final class Input {
  private enum Kind { case standard, file, text }

  private let kind: Kind
  private let name: String
  private let file: File?
  private var rest: Bytes.SubSequence = []

  /// - Parameter path: a file, or `-` for standard input.
  init(_ path: Path) throws(PostError) {
    kind = path == "-" ? .standard : .file
    name = kind == .standard ? "standard input" : "\(path)"
    do throws(Errno) { file = kind == .standard ? nil : try File(path, .readFollowing) } catch {
      throw PostError(.notFound, PostError(error, "cannot read \(path)").message)
    }
  }

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
