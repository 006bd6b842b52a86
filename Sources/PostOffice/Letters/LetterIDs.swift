// New IDs: no other process, host or moment makes the same, and each sorts behind the one before, also when the clock
// was set back.

import Linux
import Text

/// Makes the IDs of one process.
package struct LetterIDs {
  let host: String
  private let tail: String
  private var last: Int64 = 0
  private var count = 0

  init() {
    host = LetterIDs.sanitized(Host.name)
    tail = "R\(hexadecimal(UInt64(Host.random), digits: 8))P\(Host.processID)Q"
  }

  /// - Parameters:
  ///   - now: the wall clock, nanoseconds since 1970.
  ///   - foreign: for a letter of another program: the ID has an F instead of the M, for the letter need not have our
  ///     header.
  package mutating func next(now: Int64, foreign: Bool = false) -> LetterID {
    last = max(now / 1000, last + 1)
    count += 1
    // Seven digits without the first: this keeps the zeros in front.
    let micros = String(1_000_000 + last % 1_000_000).utf8.dropFirst()
    var name = [UInt8]()
    name.reserveCapacity(64 + host.utf8.count)
    name.append(contentsOf: String(last / 1_000_000).utf8)
    name.append(contentsOf: (foreign ? ".F" : ".M").utf8)
    name.append(contentsOf: micros)
    name.append(contentsOf: tail.utf8)
    name.append(contentsOf: String(count).utf8)
    name.append(contentsOf: ".".utf8)
    name.append(contentsOf: host.utf8)
    return LetterID(Path(name))
  }

  /// Maildir forbids `/` and `:`, and our marks begin with a comma. At most 63 bytes, as a label has (RFC 1035).
  static func sanitized(_ host: String) -> String {
    let bytes = host.utf8.prefix(63).map { byte in
      byte.isLetterOrDigit || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        ? byte : UInt8(ascii: "_")
    }
    return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
  }
}
