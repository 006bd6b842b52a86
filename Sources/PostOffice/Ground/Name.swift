// The names of topics and mailboxes. A name becomes a part of paths, so none exists that was not checked: no path is
// built from a text that is not a valid name.

import Linux
import Text

/// A valid name of a topic or a mailbox: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// A class, because all arrays of classes share one type: each sender makes such arrays, and the runtime would have to
/// make a type for an array of structs.
public final class Name: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let description: String

  /// The longest name, in bytes.
  public static let limit = 128

  /// - Parameters:
  ///   - text: the name as given.
  ///   - role: "topic" or "mailbox", for the error.
  /// - Throws: usage, if the text is not a valid name.
  public convenience init(_ text: String, as role: String) throws(PostError) {
    try self.init(bytes: Array(text.utf8), as: role)
  }

  package init(bytes: [UInt8], as role: String) throws(PostError) {
    guard Name.isValid(bytes[...]) else {
      let shown = bytes.isEmpty ? "an empty text" : "'\(visible(Array(bytes.prefix(40))))'"
      throw PostError(
        .usage, "\(shown) cannot name a \(role)",
        remedy: "use up to \(Name.limit) letters, digits, '.', '_' and '-', and begin with a letter or digit")
    }
    description = String(decoding: bytes, as: UTF8.self)
  }

  /// nil if the bytes are not a valid name.
  package init?(bytes: ArraySlice<UInt8>) {
    guard Name.isValid(bytes) else { return nil }
    description = String(decoding: bytes, as: UTF8.self)
  }

  private static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first, first.isLetterOrDigit, bytes.count <= Name.limit else { return false }
    return bytes.allSatisfy { $0.isLetterOrDigit || "._-".utf8.contains($0) }
  }

  public static func == (left: Name, right: Name) -> Bool { left.description == right.description }
  public static func < (left: Name, right: Name) -> Bool { left.description < right.description }
  public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
