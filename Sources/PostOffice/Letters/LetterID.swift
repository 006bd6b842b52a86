// The names of letters. A letter's ID is its file's name, a Maildir unique name
// (https://cr.yp.to/proto/maildir.html) that sorts by the time of sending. What a mailbox must
// remember of a letter stands behind the ID in the file's name, since all mailboxes share one inode.

import Linux
import Text

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
    let zeros = String(repeating: "0", count: 6 - micros.count)
    let digest = hexadecimal(UInt64(sum.value), digits: 8)
    let nanos = letter.modifiedNanoseconds % 1000
    path = Path("\(max(0, letter.modified)).F\(zeros)\(micros)R\(digest)P\(letter.inode)Q\(nanos).copy")
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
  ///   - now: the wall clock, nanoseconds since 1970. If it has gone back, the next ID still follows
  ///     the last.
  ///   - foreign: for a letter that a foreign program delivered, and that cannot keep its name. The ID
  ///     has an F where ours have an M, for the letter need not have our header.
  package mutating func next(now: Int64, foreign: Bool = false) -> LetterID {
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

extension LetterID {
  /// When the letter was sent, as RFC 3339 writes it; nil if the name does not tell.
  package var sentText: String? { sent.map { UTC(seconds: $0).timestamp } }
}
