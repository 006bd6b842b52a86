// Names of foreign letters: whether one may be an ID, when its letter was accepted, and what its copies are called.

import Linux
import Text

extension LetterID {
  /// The longest foreign name that becomes an ID, bytes: file names end at 255, and a mailbox adds its marks.
  private static let limit = 200
  /// The longest time that a foreign program may take to deliver a letter, as Maildir says. Seconds.
  static let deliveryLimit: Int64 = 36 * 3600
  /// A name has whole seconds, perhaps of a clock that is ahead of ours by this much. Seconds.
  private static let clockSlack: Int64 = 2

  /// Whether the name of a foreign letter that is accepted now may be its ID: a Maildir unique name,
  /// `SECONDS.DELIVERY.HOST`, that is one word, not older than a delivery may be, not of the future, and without what
  /// looks like a mailbox's marks.
  /// - Parameter now: seconds since 1970.
  func mayStay(at now: Int64) -> Bool {
    let parts = path.bytes.split(separator: UInt8(ascii: "."), maxSplits: 2, omittingEmptySubsequences: false)
    guard let sent, parts.count == 3, parts.allSatisfy({ !$0.isEmpty }), path.bytes.count <= LetterID.limit,
      sent >= now - LetterID.deliveryLimit, sent <= now + LetterID.clockSlack,
      !path.bytes.contains(UInt8(ascii: ":")), EntryName(path).id == self
    else { return false }
    return isOneWord
  }

  /// The latest moment at which a letter of a topic can have been accepted, seconds since 1970. A foreign name tells
  /// when its delivery began, if it is true; links and renames move the file's last change forward, never back.
  func acceptedAtLatest(_ status: Status) -> Int64 {
    guard let sent else { return status.changed }
    return isIssued ? sent : min(status.changed, sent + LetterID.deliveryLimit)
  }

  /// The name of a copy of a foreign letter, where the letter cannot be linked: the next finisher recognises by it what
  /// a dead finisher has copied.
  /// - Parameter id: the letter's; its inode alone may be another letter's later. nil: version 0.1.0 left it out.
  package init(copyOf letter: Status, of id: LetterID?) {
    let micros = String(letter.modifiedNanoseconds / 1000)
    var sum = CRC32C()
    id?.path.bytes.withUnsafeBytes { sum.update($0) }
    let zeros = String(repeating: "0", count: 6 - micros.count)
    let digest = hexadecimal(UInt64(sum.value), digits: 8)
    let nanos = letter.modifiedNanoseconds % 1000
    self.init(
      Path("\(max(0, letter.modified)).F\(zeros)\(micros)R\(digest)P\(letter.inode)Q\(nanos).copy"))
  }

  /// The inode of the letter of which this names a copy; nil: of none.
  var copiedInode: UInt64? {
    let words = path.description.split { $0 == "P" || $0 == "Q" }
    return words.count == 3 && words[2].hasSuffix(".copy") ? UInt64(words[1]) : nil
  }
}
