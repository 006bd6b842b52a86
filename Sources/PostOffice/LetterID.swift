// The names of letters. A letter's ID is its file's name, a Maildir unique name
// (https://cr.yp.to/proto/maildir.html) that sorts by the time of sending. What a mailbox must
// remember of a letter stands behind the ID in the file's name, since all mailboxes share one inode.

import Linux

/// Names one letter, the same in its topic and in every mailbox.
public struct LetterID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let path: Path

  package init(_ path: Path) { self.path = path }

  public var description: String { path.description }

  public static func < (left: LetterID, right: LetterID) -> Bool { left.path < right.path }

  /// The longest ID, in bytes: room is left for the state, for file names end at 255.
  static let limit = 200

  /// When the letter was sent, seconds since 1970; nil if a foreign program's name does not tell.
  public var sent: Int64? {
    let digits = path.bytes.prefix { $0.isDigit }
    // Nine to eleven digits and a dot: 1973 to 5138. What else begins with digits is no time.
    guard (9...11).contains(digits.count), path.bytes.dropFirst(digits.count).first == UInt8(ascii: ".")
    else { return nil }
    return Int64(String(decoding: digits, as: UTF8.self))
  }

  /// Whether it can be told in a line of text among other words: UTF-8 without blanks and controls.
  var isOneWord: Bool {
    let bytes = path.bytes
    if bytes.allSatisfy({ (0x21...0x7e).contains($0) }) { return true }  // nearly always
    guard let text = String(validating: bytes, as: UTF8.self) else { return false }
    return text.unicodeScalars.allSatisfy {
      $0.properties.generalCategory != .control && !$0.properties.isWhitespace
    }
  }

  /// Names a copy of a foreign letter, where it can have no second link: whoever comes after a sorter that
  /// died knows by it that the copy was made. Our own letters have a name that nobody else chooses.
  /// - Parameter id: the letter's, for an inode may be another letter's later, and a foreign file's time any. nil: as
  ///   version 0.1.0 did.
  package init(copyOf letter: Status, of id: LetterID?) {
    let micros = String(letter.modifiedNanoseconds / 1000)
    var sum = CRC32C()
    id?.path.bytes.withUnsafeBytes { sum.update($0) }
    path = Path(
      "\(max(0, letter.modified)).F" + String(repeating: "0", count: 6 - micros.count)
        + "\(micros)R\(hexadecimal(UInt64(sum.value), digits: 8))P\(letter.inode)"
        + "Q\(letter.modifiedNanoseconds % 1000).copy")
  }

  /// The inode of the letter of which it names a copy; nil: of none.
  var copied: UInt64? {
    let words = path.description.split { $0 == "P" || $0 == "Q" }
    return words.count == 3 && words[2].hasSuffix(".copy") ? UInt64(words[1]) : nil
  }

  /// Whether an office made the name for a letter of its own: `SECONDS.M<6 digits>R<8 hex>P<pid>Q<n>.HOST`. Such a
  /// letter has our header; one without has lost it.
  package var isOurs: Bool { isMade(with: "M") }

  /// Whether an office made the name, also for a foreign letter: then it has an F instead of the M. Nobody else chooses
  /// such a name, and it tells when the letter was accepted.
  var isIssued: Bool { isOurs || isMade(with: "F") }

  /// Whether a foreign letter that is accepted at this moment, seconds since 1970, may keep its name as its ID: a unique
  /// name as Maildir has it, `SECONDS.DELIVERY.HOST`, one word, no older than a delivery may be, nor made in the future,
  /// that does not end as if it bore a mailbox's marks.
  func mayStay(at now: Int64) -> Bool {
    let parts = path.bytes.split(separator: UInt8(ascii: "."), maxSplits: 2, omittingEmptySubsequences: false)
    guard let sent, parts.count == 3, parts.allSatisfy({ !$0.isEmpty }), path.bytes.count <= LetterID.limit,
      sent >= now - LetterID.deliveryLimit, sent <= now + LetterID.clockSlack,
      !path.bytes.contains(UInt8(ascii: ":")), EntryName(path).id == self
    else { return false }
    return isOneWord
  }

  /// So long may a foreign program take to deliver a letter, as Maildir says. Seconds.
  static let deliveryLimit: Int64 = 36 * 3600
  /// The whole second of a name, and of a clock beside ours, may be so far ahead.
  private static let clockSlack: Int64 = 2

  /// The latest moment at which a letter of a topic can have been accepted, seconds since 1970. A foreign name tells
  /// when its delivery began, if it is true; links and renames move the file's last change on, never back.
  func acceptedAtLatest(_ status: Status) -> Int64 {
    guard let sent else { return status.changed }
    return isIssued ? sent : min(status.changed, sent + LetterID.deliveryLimit)
  }

  private func isMade(with letter: Character) -> Bool {
    var rest = path.bytes
    func skip(_ count: ClosedRange<Int>, _ accepts: (UInt8) -> Bool) -> Bool {
      let run = rest.prefix(while: accepts)
      guard count.contains(run.count) else { return false }
      rest = rest.dropFirst(run.count)
      return true
    }
    func skip(_ mark: Character) -> Bool {
      guard rest.first == mark.asciiValue else { return false }
      rest = rest.dropFirst()
      return true
    }
    let isHex: (UInt8) -> Bool = { $0.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
    return skip(9...11, \.isDigit) && skip(".") && skip(letter) && skip(6...6, \.isDigit)
      && skip("R") && skip(8...8, isHex) && skip("P") && skip(1...10, \.isDigit)
      && skip("Q") && skip(1...19, \.isDigit) && skip(".") && !rest.isEmpty
  }
}

/// Makes IDs that no other process, host or moment makes; each is greater than the one before.
struct LetterIDs {
  let host: String
  private let tail: String
  private var last: Int64 = 0
  private var count = 0

  init() {
    host = LetterIDs.sanitized(Host.name)
    tail = "R\(hexadecimal(UInt64(Host.random), digits: 8))P\(Host.processID)Q"
  }

  /// - Parameters:
  ///   - now: the wall clock, nanoseconds since 1970. If it has gone back, the next ID still follows
  ///     the last.
  ///   - foreign: for a letter that a foreign program delivered, and that cannot keep its name. The ID
  ///     has an F where ours have an M, for the letter need not have our header.
  mutating func next(now: Int64, foreign: Bool = false) -> LetterID {
    last = max(now / 1000, last + 1)
    count += 1
    // Seven digits, of which the first makes way: the zeros in front are kept.
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

  /// Maildir forbids `/` and `:`; a comma or a space would be no better. At most 63 bytes, as a
  /// host's label (RFC 1035).
  static func sanitized(_ host: String) -> String {
    let bytes = host.utf8.prefix(63).map { byte in
      byte.isLetterOrDigit || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        ? byte : UInt8(ascii: "_")
    }
    return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
  }
}

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
        guard let byte = hexadecimal(value), byte < 1 << 62 else { break marks }
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

/// In lower case. (String's own way, for any integer and radix, looks up at run time what an integer is.)
private func hexadecimal(_ bits: UInt64, digits count: Int) -> String {
  let digits: StaticString = "0123456789abcdef"
  return String(unsafeUninitializedCapacity: count) { text in
    for place in 0..<count {
      text[place] = digits.utf8Start[Int(bits >> (4 * UInt64(count - 1 - place)) & 15)]
    }
    return count
  }
}

/// 16 digits in lower case.
private func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
  var value: UInt64 = 0
  for digit in digits {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
    default: return nil
    }
  }
  return digits.count == 16 ? value : nil
}

private func decimal<Digits: Collection>(_ digits: Digits) -> Int64? where Digits.Element == UInt8 {
  guard !digits.isEmpty, digits.count <= 15, digits.allSatisfy(\.isDigit) else { return nil }
  return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
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
