// How a letter is printed: its body, the whole file, or one line of JSON. A letter that is printed in several writes may be
// printed in part if a write fails; then the verb reports the error and does not settle the letter.

import FoundationEssentials
import Linux
import PostOffice

enum LetterFormat: String {
  case body, letter, json

  init(_ call: CommandContext, default usual: LetterFormat) throws(PostError) {
    self = try call.value("format", "body, letter or json") { LetterFormat(rawValue: $0) } ?? usual
  }

  /// The largest body that it can print, bytes. Made into JSON, a body is in memory several times.
  var bodyLimit: Int64 { self == .json ? 64 << 20 : .max }

  /// Prints a letter to standard output.
  func print(_ letter: Letter, _ attempt: Int, topic: @autoclosure () -> String?) throws(PostError) {
    if self == .json { return try post.print(try content(letter, attempt, topic())) }
    var failure: PostError?
    do throws(Errno) {
      try letter.forEachPiece(wholeLetter: self == .letter) { (bytes) throws(Errno) in
        do throws(Errno) { try Streams.output(bytes) } catch {
          failure = cannotPrint(error)
          throw error
        }
      }
    } catch {
      throw failure ?? PostError(error, "cannot read", "letter \(letter.id)")
    }
  }

  private struct Content: Encodable {
    let id: String
    let topic, date, from, subject, type: String?
    let attempt: Int
    let headers: [[String]]
    /// The body as text; nil if it is not UTF-8.
    let body: String?
    /// The body in base64, if it is not UTF-8.
    let bodyBase64: String?

    enum CodingKeys: String, CodingKey {
      case id, topic, date, from, subject, type, attempt, headers, body
      case bodyBase64 = "body_base64"
    }
  }

  private func content(_ letter: Letter, _ attempt: Int, _ topic: String?) throws(PostError) -> String {
    let bytes = try letter.body(limit: bodyLimit)
    let text = String(validating: bytes, as: UTF8.self)
    return PostOffice.json(
      Content(
        id: letter.id.description, topic: topic, date: letter.date, from: letter.from,
        subject: letter.subject, type: letter.contentType, attempt: attempt,
        headers: letter.headers.fields.map { [$0.name, $0.value] },
        body: text, bodyBase64: text == nil ? Data(bytes).base64EncodedString() : nil))
  }
}
