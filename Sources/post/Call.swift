// What a verb was called with, in the terms of the post office.

import Commands
import Linux
import PostOffice

/// The command line of one verb, with its words checked as they are asked for.
struct Call {
  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func has(_ flag: String) -> Bool { invocation.has(flag) }

  var isQuiet: Bool { has("quiet") }
  var isVerbose: Bool { has("verbose") }

  /// The office that is meant.
  /// - Parameter making: makes what is missing of the spool.
  func office(making: Bool = false) throws(PostError) -> Office {
    let path: Path
    if let given = invocation.value("spool") {
      guard !given.isEmpty else { throw PostError(.usage, "--spool is empty; name a directory") }
      path = Path(given)
    } else {
      path = try Office.defaultPath()
    }
    let office = making ? try Office.open(making: path) : try Office(at: path)
    let isQuiet = isQuiet
    office.warn = { line in if !isQuiet { Streams.error("post: warning: \(line)\n") } }
    return office
  }

  /// Operands from an index on, as names.
  func names(from first: Int, as role: String) throws(PostError) -> [Name] {
    var names = [Name]()
    for word in invocation.operands.dropFirst(first) { names.append(try Name(bytes: word, as: role)) }
    return names
  }

  /// The operand that names the verb's topic or mailbox: the first.
  func name(as role: String) throws(PostError) -> Name {
    try Name(bytes: invocation.operands.first ?? [], as: role)
  }

  /// The value of a flag as text.
  func text(_ flag: String) throws(PostError) -> String? {
    guard let bytes = invocation.value(flag) else { return nil }
    return try Call.text(bytes, "--\(flag)")
  }

  static func text(_ bytes: Bytes, _ what: String) throws(PostError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PostError(.badData, "\(what) is not UTF-8: '\(visible(bytes))'")
    }
    return text
  }

  /// The value of a flag as a whole number of at least 1.
  func count(_ flag: String) throws(PostError) -> Int? {
    guard let text = try text(flag) else { return nil }
    guard let number = Int(text), number >= 1 else {
      throw PostError(
        .usage, "'\(visible(text))' is no value for --\(flag); use a whole number from 1")
    }
    return number
  }

  /// The value of a flag as a duration.
  func duration(_ flag: String) throws(PostError) -> Duration? {
    guard let text = try text(flag) else { return nil }
    return try Call.duration(text, "--\(flag)")
  }

  static func duration(_ text: String, _ flag: String) throws(PostError) -> Duration {
    guard let duration = Duration(postText: text) else {
      throw PostError(
        .usage,
        "'\(visible(text))' is no value for \(flag); use a duration such as 250ms, 30s, 10m, 2h or 7d"
      )
    }
    return duration
  }
}
