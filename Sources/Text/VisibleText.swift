// Foreign bytes as text for a message: decoded as UTF-8, with everything that could move the cursor, or hide or reorder
// text, spelled out. No argument, file name or header can deceive a terminal or its reader.

/// The bytes as one printable line: `\n`, `\t`, `\xff` for a byte that is not UTF-8 or is a control character,
/// `\u{202e}` for other scalars that do not print.
/// - Parameter limit: the most scalars that are shown; the rest becomes "...".
package func visible(_ bytes: [UInt8], limit: Int = .max) -> String {
  // Most texts are plain.
  if bytes.count <= limit, bytes.allSatisfy({ (0x20..<0x7f).contains($0) }) {
    return String(decoding: bytes, as: UTF8.self)
  }
  var iterator = bytes.makeIterator()
  var parser = Unicode.UTF8.ForwardParser()
  var (text, offset, shown) = ("", 0, 0)
  while shown < limit {
    switch parser.parseScalar(from: &iterator) {
    case .valid(let encoded):
      text += spelled(Unicode.UTF8.decode(encoded))
      offset += encoded.count
    case .error(let length):
      text += bytes[offset..<offset + length].map(escaped).joined()
      offset += length
    case .emptyInput: return text
    }
    shown += 1
  }
  return offset < bytes.count ? text + "..." : text
}

/// The same, in quotes if it is empty or has a space: for one word of a sentence.
package func visibleWord(_ bytes: [UInt8], limit: Int = .max) -> String {
  let text = visible(bytes, limit: limit)
  return text.isEmpty || text.contains(" ") ? "'\(text)'" : text
}

/// The same for text.
package func visible(_ text: String) -> String { visible(Array(text.utf8)) }

private func spelled(_ scalar: Unicode.Scalar) -> String {
  switch scalar {
  case "\n": return "\\n"
  case "\t": return "\\t"
  case "\r": return "\\r"
  default:
    switch scalar.properties.generalCategory {
    case .control where scalar.isASCII: return escaped(UInt8(scalar.value))
    case .control, .format, .lineSeparator, .paragraphSeparator:
      return "\\u{\(String(scalar.value, radix: 16))}"
    default: return String(scalar)
    }
  }
}

private func escaped(_ byte: UInt8) -> String { (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16) }
