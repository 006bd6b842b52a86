// The envelope: the headers that a publisher gives. Those that post writes itself are refused.

import Linux

/// What a publisher says about a letter.
public struct Envelope: Sendable {
  /// The headers, in order.
  public var headers: [Headers.Field] = []

  public init() {}

  /// - Throws: bad data, for a text that cannot be a header.
  public init(subject: String?, contentType: String? = nil) throws(PostError) {
    if let subject { headers.append(try Headers.Field("Subject", subject)) }
    if let contentType { headers.append(try Headers.Field("Content-Type", contentType)) }
  }

  /// The headers that post writes.
  package static let reserved = [
    "Message-ID", "Date", "From", "Post-Topic", "Content-Length", "Content-Digest",
  ]

  /// The headers, checked.
  /// - Throws: bad data, naming a reserved header; or if they are too long together.
  func fields() throws(PostError) -> [Headers.Field] {
    for field in headers {
      if let name = Envelope.reserved.first(where: { $0.lowercased() == field.name.lowercased() }) {
        throw PostError(.badData, "header \(name) is written by the post office", remedy: "leave it out")
      }
    }
    let size = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 3 }
    guard size <= Headers.blockLimit / 2 else {
      throw PostError(
        .badData, "the headers take more than \(Headers.blockLimit / 2) bytes",
        remedy: "put them into the body")
    }
    return headers
  }
}
