// Bytes from outside, fit for a message: decoded as UTF-8, with all that could move the cursor, hide or
// reorder text spelled out, so that no argument can fool the terminal or the reader.

/// Makes foreign bytes printable.
package enum Visible {
  /// Characters shown at most; the rest becomes "...". An argument may be 128 KiB long.
  package static let limit = 100

  /// The bytes as one printable line: `\n`, `\t`, `\\`, `\xff` for a byte that is not UTF-8 or is a
  /// control character, `\u{202e}` for other scalars that do not print.
  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    let bytes = Bytes(bytes)
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var text = ""
    var offset = 0
    for _ in 0..<limit {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        text += spelled(Unicode.UTF8.decode(encoded))
        offset += encoded.count
      case .error(let length):
        text += bytes[offset..<offset + length].map(hex).joined()
        offset += length
      case .emptyInput:
        return text
      }
    }
    return offset < bytes.count ? text + "..." : text
  }

  /// The same as one word of a sentence: in quotes when it is empty or has a space in it.
  package static func word(_ bytes: some Sequence<UInt8>) -> String {
    let text = text(bytes)
    return text.isEmpty || text.contains(" ") ? "'\(text)'" : text
  }

  private static func spelled(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\t": "\\t"
    case "\r": "\\r"
    case "\\": "\\\\"
    case " ": " "
    default:
      switch scalar.properties.generalCategory {
      case .control where scalar.isASCII: hex(UInt8(scalar.value))
      case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator:
        "\\u{\(String(scalar.value, radix: 16))}"
      default: String(scalar)
      }
    }
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
  }
}
