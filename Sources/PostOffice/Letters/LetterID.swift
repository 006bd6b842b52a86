// A letter's ID: its file's name, a Maildir unique name (https://cr.yp.to/proto/maildir.html), the same in its topic
// and in every mailbox. Ours sort by the time of sending, and a name of our form is one that no other program chooses.

import Linux
import Text

/// Names one letter.
public struct LetterID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let path: Path

  package init(_ path: Path) { self.path = path }

  public var description: String { path.description }

  public static func < (left: LetterID, right: LetterID) -> Bool { left.path < right.path }

  /// When the letter was sent, seconds since 1970; nil if a foreign name does not tell.
  public var sent: Int64? {
    let digits = path.bytes.prefix { $0.isDigit }
    // Nine to eleven digits and a dot: 1973 to 5138. Other digits are no time.
    guard (9...11).contains(digits.count), path.bytes.dropFirst(digits.count).first == UInt8(ascii: ".")
    else { return nil }
    return decimal(digits)
  }

  /// The same as RFC 3339 writes it.
  package var sentText: String? { sent.map { UTC(seconds: $0).timestamp } }

  /// Whether it can stand as one word in a line of text: UTF-8 without blanks and controls.
  var isOneWord: Bool {
    let bytes = path.bytes
    if bytes.allSatisfy({ (0x21...0x7e).contains($0) }) { return true }  // nearly always
    guard let text = String(validating: bytes, as: UTF8.self) else { return false }
    return text.unicodeScalars.allSatisfy {
      $0.properties.generalCategory != .control && !$0.properties.isWhitespace
    }
  }

  /// Whether post made the name for a letter that it wrote: `SECONDS.M<6 digits>R<8 hex>P<pid>Q<n>.HOST`. Such a letter
  /// has our header; one without has lost it.
  package var isOurs: Bool { isMade(with: "M") }

  /// Whether post made the name, also for a foreign letter: then it has an F instead of the M. Such a name tells when
  /// the letter was accepted.
  var isIssued: Bool { isOurs || isMade(with: "F") }

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
