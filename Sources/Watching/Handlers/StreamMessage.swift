// The line of JSON that a streaming handler reads for a letter (post-handler(7)).

import Linux
import PostOffice

struct StreamMessage: Encodable {
  let attempt, tries: Int
  /// Where the body begins in the file, and how long it is. Bytes.
  let bodyOffset, size: Int64
  let file, id, topic: String
  let date, from, subject, type: String?
  let headers: [[String]]

  enum CodingKeys: String, CodingKey {
    case attempt, tries, size, file, id, topic, date, from, subject, type, headers
    case bodyOffset = "body_offset"
  }

  init(_ claim: Claim, _ settings: Settings) {
    let letter = claim.letter
    (attempt, tries) = (claim.attempt, settings.tries)
    (bodyOffset, size) = (letter.bodyOffset, letter.bodyLength)
    (file, id, topic) = (claim.path.text, letter.id.description, claim.topic)
    (date, from) = (letter.date, letter.from)
    (subject, type) = (letter.subject, letter.contentType)
    headers = letter.headers.fields.map { [$0.name, $0.value] }
  }

  var bytes: [UInt8] { Array(json(self).utf8) }
}
