// What a verb was called with: operands and flags, checked and turned into names, numbers and durations. Every error is a
// usage error that names the word and what was expected.

import Commands
import Linux
import PostOffice
import Text

/// The command line of one verb. A word is checked when it is asked for.
struct CommandContext {
  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func has(_ flag: String) -> Bool { invocation.has(flag) }

  var isQuiet: Bool { has("quiet") }
  var isVerbose: Bool { has("verbose") }

  /// The office of this command.
  /// - Parameter making: makes the directories of the spool that are missing.
  func office(making: Bool = false) throws(PostError) -> Office {
    let path: Path
    if let given = invocation.value("spool") {
      guard !given.isEmpty else {
        throw PostError(.usage, "--spool needs a directory", remedy: "write --spool DIR")
      }
      path = Path(given)
    } else {
      path = try Office.defaultPath()
    }
    let office = making ? try Office.open(making: path) : try Office(at: path)
    let isQuiet = isQuiet
    office.warn = { line in if !isQuiet { Streams.error("post: warning: \(line)\n") } }
    return office
  }

  /// The operands from an index on, as names.
  func names(from first: Int, as role: String) throws(PostError) -> [Name] {
    try invocation.operands.dropFirst(first).map { (word) throws(PostError) in try Name(bytes: word, as: role)
    }
  }

  /// The first operand, as the name of a topic or mailbox.
  func name(as role: String) throws(PostError) -> Name {
    try Name(bytes: invocation.operands.first ?? [], as: role)
  }

  /// The value of a flag as text.
  func text(_ flag: String) throws(PostError) -> String? {
    try invocation.value(flag).map { (bytes) throws(PostError) in try CommandContext.text(bytes, "--\(flag)")
    }
  }

  static func text(_ bytes: Bytes, _ what: String) throws(PostError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PostError(.badData, "\(what) is not UTF-8", cause: "'\(visible(bytes))'")
    }
    return text
  }

  /// The value of a flag, read.
  /// - Parameters:
  ///   - expected: what a good value looks like, for the error.
  ///   - read: nil: not a good value.
  func value<Value>(
    _ flag: String, _ expected: String, _ read: (String) -> Value?
  ) throws(PostError) -> Value? {
    guard let text = try text(flag) else { return nil }
    if let value = read(text) { return value }
    throw PostError(.usage, cause: invalidValue(text, for: "--\(flag)", expected: expected))
  }

  /// The value of a flag as a whole number of at least 1.
  func count(_ flag: String) throws(PostError) -> Int? {
    try value(flag, "a number from 1") { Int($0).flatMap { $0 >= 1 ? $0 : nil } }
  }

  /// The value of a flag as a duration.
  func duration(_ flag: String) throws(PostError) -> Duration? {
    try value(flag, "a duration such as 250ms, 30s, 10m, 2h or 7d") { Duration(postText: $0) }
  }

  /// - Parameter operand: an operand that was given and excludes them as well: "a FILE".
  /// - Throws: usage, if more than one was given.
  func exclude(_ flags: [String], _ operand: String? = nil) throws(PostError) {
    let given = flags.filter(has)
    if given.count + (operand == nil ? 0 : 1) < 2 { return }
    let words = given.map { "--" + $0 } + [operand ?? ""]
    throw PostError(
      .usage, nil, "post \(invocation.command.name)", cause: "\(words[0]) cannot be used with \(words[1])",
      remedy: "leave out one of them")
  }
}
