// The header block of a letter, in the syntax of RFC 5322: `Name: value` lines, then an empty line. What is written
// here is valid, so a value cannot begin a header of its own; what is read may be anything, and never traps.

import Linux
import Text

/// The header fields of a letter, in their order.
public struct Headers: Hashable, Sendable {
  public struct Field: Hashable, Sendable {
    public let name: String
    public fileprivate(set) var value: String

    /// - Throws: bad data, for a name or value that would end the line, or is too long.
    public init(_ name: String, _ value: String) throws(PostError) {
      guard !name.isEmpty, name.utf8.allSatisfy(isFieldNameByte) else {
        throw PostError(
          .badData, "invalid header name '\(visible(name))'", cause: "expected printable ASCII without ':'")
      }
      if value.utf8.contains(where: { "\0\r\n".utf8.contains($0) }) {
        throw PostError(
          .badData, "the value of header \(name) contains a line break or NUL", remedy: "a header is one line"
        )
      }
      guard name.utf8.count + value.utf8.count + 2 <= Headers.lineLimit else {
        throw PostError(
          .badData, "header \(name) is longer than \(Headers.lineLimit) bytes (RFC 5322 2.1.1)",
          remedy: "put it into the body")
      }
      self.init(parsed: name, value)
    }

    init(parsed name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public internal(set) var fields: [Field] = []

  /// The longest line that is written, bytes: RFC 5322 section 2.1.1.
  static let lineLimit = 998
  /// The largest header block that is read or written, bytes. A file without one in its first 64 KiB is all body.
  static let blockLimit = 64 << 10

  public init() {}

  /// The value of the first field of this name, in upper or lower case.
  public subscript(_ name: String) -> String? {
    // Names are ASCII: most differ in length, and are not taken apart.
    fields.first { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name.lowercased() }?.value
  }

  /// Reads a header block at the beginning of some bytes.
  /// - Returns: the fields, and where the body begins; nil if there is no header block.
  static func parse(_ bytes: UnsafeRawBufferPointer) -> (headers: Headers, bodyOffset: Int)? {
    var headers = Headers()
    var offset = 0
    while offset < bytes.count {
      guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
      var line = bytes[offset..<end]
      if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
      offset = end + 1
      if line.isEmpty { return headers.fields.isEmpty ? nil : (headers, offset) }
      guard headers.append(line: line) else { return nil }
    }
    return nil
  }

  /// Adds a field, or the next line of a folded one (RFC 5322 section 2.2.3).
  /// - Returns: false if it is neither.
  private mutating func append(line: Slice<UnsafeRawBufferPointer>) -> Bool {
    if line.first?.isBlank == true {
      if fields.isEmpty { return false }
      fields[fields.count - 1].value += " " + trimmed(line)  // in place, for there may be thousands
      return true
    }
    guard let field = Field(line: line) else { return false }
    fields.append(field)
    return true
  }
}

extension Headers.Field {
  /// Reads `Name: value`; nil if the line is not of that form.
  init?(line: Slice<UnsafeRawBufferPointer>) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
      line[..<colon].allSatisfy(isFieldNameByte)
    else { return nil }
    self.init(parsed: String(decoding: line[..<colon], as: UTF8.self), trimmed(line[(colon + 1)...]))
  }
}

/// RFC 5322 section 3.6.8: printable ASCII but the colon.
private func isFieldNameByte(_ byte: UInt8) -> Bool { (33...126).contains(byte) && byte != UInt8(ascii: ":") }

private func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
  var rest = bytes.drop(while: \.isBlank)
  while rest.last?.isBlank == true { rest = rest.dropLast() }
  return String(decoding: rest, as: UTF8.self)
}
