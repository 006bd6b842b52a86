// The name of a letter's file in a mailbox: its ID and its marks, such as `,A=2`. They hold what the mailbox knows of
// the letter, because the file itself belongs to all mailboxes. Any bytes are a name: what is no mark belongs to the
// ID.

import Linux
import Text

/// A letter's ID and its marks.
package struct EntryName: Hashable, Sendable {
  package let id: LetterID
  /// `,A=2`: the attempt that is being made, or how many were made. nil: none, or a foreign program moved the letter.
  package var attempt: Int?
  /// `,L=1795766000`: in cur/ leased, in later/ due, at that time; milliseconds since 1970.
  package var until: Int64?
  /// `,D=1795766000`: done at that time; milliseconds since 1970. `Keep-Done` counts from it.
  package var doneAt: Int64?
  /// `,B=1f3a5c1e02b7d640`: the byte of the mailbox's directory that its holder has locked.
  package var beacon: UInt64?
  /// `,H=9f3a5c1e02b7d640`: a holder of version 0.1.0 with several letters: the name of a file in `holders/`.
  package private(set) var formerHolder: String?

  package init(
    _ id: LetterID, attempt: Int? = nil, until: Int64? = nil, doneAt: Int64? = nil, beacon: UInt64? = nil
  ) {
    self.id = id
    self.attempt = attempt
    self.until = until
    self.doneAt = doneAt
    self.beacon = beacon
  }

  /// A mail reader's flags at the end of a name, such as `:2,S`; empty: none.
  static func flags(of name: Path) -> ArraySlice<UInt8> {
    let bytes = name.bytes
    guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")), colon > bytes.startIndex else { return [] }
    let flags = bytes[colon...]
    return flags.starts(with: ":2,".utf8) || flags.starts(with: ":1,".utf8) ? flags : []
  }

  /// Reads a file name. A mail reader's flags are not part of the ID; foreign marks (Dovecot's `,S=1234`) are.
  package init(_ name: Path) {
    var rest = name.bytes.dropLast(EntryName.flags(of: name).count)
    marks: while let comma = rest.lastIndex(of: UInt8(ascii: ",")), comma > rest.startIndex {
      let mark = rest[(comma + 1)...]
      guard mark.dropFirst().first == UInt8(ascii: "=") else { break }
      let value = mark.dropFirst(2)
      switch mark.first {
      case UInt8(ascii: "A"):
        // No setting allows more.
        guard let number = decimal(value), number <= 1_000_000_000 else { break marks }
        attempt = Int(number)
      case UInt8(ascii: "L"):
        guard let moment = instant(value) else { break marks }
        until = moment
      case UInt8(ascii: "D"):
        guard let moment = instant(value) else { break marks }
        doneAt = moment
      case UInt8(ascii: "B"):
        guard let byte = hexadecimal(value), byte < LockBytes.beaconLimit else { break marks }
        beacon = byte
      case UInt8(ascii: "H"):
        guard hexadecimal(value) != nil else { break marks }
        formerHolder = String(decoding: value, as: UTF8.self)
      default: break marks
      }
      rest = rest[..<comma]
    }
    id = LetterID(Path(rest))
  }

  package var path: Path {
    var name = [UInt8]()
    name.reserveCapacity(id.path.bytes.count + 40)
    name.append(contentsOf: id.path.bytes)
    func add(_ mark: StaticString, _ value: String) {
      name.append(contentsOf: UnsafeBufferPointer(start: mark.utf8Start, count: mark.utf8CodeUnitCount))
      name.append(contentsOf: value.utf8)
    }
    if let attempt, attempt > 0 { add(",A=", String(attempt)) }
    if let beacon { add(",B=", hexadecimal(beacon, digits: 16)) }
    if let formerHolder { add(",H=", formerHolder) }
    if let until { add(",L=", written(until)) }
    if let doneAt { add(",D=", written(doneAt)) }
    return Path(name)
  }
}

/// Reads `1795766000` or `1795766000.250`, in milliseconds; before the year 2242, so that nanoseconds fit into 64 bits.
private func instant(_ text: ArraySlice<UInt8>) -> Int64? {
  let parts = text.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
  guard let seconds = parts.first.flatMap({ decimal($0) }), seconds < 1 << 33 else { return nil }
  guard parts.count == 2 else { return seconds * 1000 }
  guard parts[1].count == 3, let thousandths = decimal(parts[1]) else { return nil }
  return seconds * 1000 + thousandths
}

private func written(_ milliseconds: Int64) -> String {
  let rest = milliseconds % 1000
  if rest == 0 { return String(milliseconds / 1000) }
  let digits = String(rest)
  return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
}
