// The name of a letter's file in a mailbox: its ID, and what the mailbox must remember of it.

import Linux
import Text

/// A letter's file name in a mailbox: its ID and what the mailbox must remember of it.
package struct EntryName: Hashable, Sendable {
  package let id: LetterID
  /// `,A=2`: the attempt it is in, or how many were made. nil: a foreign program moved it here, or
  /// nobody has tried yet.
  package var attempt: Int?
  /// `,L=1795766000`: leased, or waiting, until then; milliseconds since 1970.
  package var until: Int64?
  /// `,D=1795766000`: done at; milliseconds since 1970. Retention counts from here, for the file's
  /// own times belong to all mailboxes.
  package var doneAt: Int64?

  /// `,B=1f3a5c1e02b7d640`: which byte of the mailbox's directory is locked while its holder lives.
  package var beacon: UInt64?
  /// `,H=9f3a5c1e02b7d640`: 0.1.0's sign of a holder with several letters, a file in `holders/`.
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

  /// What a mail reader has put behind a name, such as `:2,S`; empty: nothing.
  static func flags(of name: Path) -> ArraySlice<UInt8> {
    let bytes = name.bytes
    guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")), colon > bytes.startIndex else { return [] }
    let flags = bytes[colon...]
    return flags.starts(with: ":2,".utf8) || flags.starts(with: ":1,".utf8) ? flags : []
  }

  /// Reads a file name. A mail reader's flags (`:2,S`) are not part of the ID; a comma that does not
  /// begin one of our marks is (Dovecot's `,S=1234`).
  package init(_ name: Path) {
    var rest = name.bytes.dropLast(EntryName.flags(of: name).count)
    marks: while let comma = rest.lastIndex(of: UInt8(ascii: ",")), comma > rest.startIndex {
      let mark = rest[(comma + 1)...]
      guard mark.dropFirst().first == UInt8(ascii: "=") else { break }
      let value = mark.dropFirst(2)
      switch mark.first {
      case UInt8(ascii: "A"):
        // Nobody tries more often than that.
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

/// `1795766000` or `1795766000.250`, as milliseconds. The year 2242 is the end: nanoseconds must fit
/// into 64 bits.
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
