// post show: one letter, wherever it is.

import Commands
import Linux
import PostOffice
import Text

enum Show: Verb {
  static let name = "show"
  static let command = Command(
    name, operands: [Operand("ID")],
    summary: "print one letter, wherever it is",
    discussion: """
      Prints the letter, headers and body, and leaves it where it is. The ID may be
      shortened to any beginning that only one letter has.
      """,
    flags: [
      Flag(
        "format", value: .required("body|letter|json"),
        help: "what to print: the body, the whole letter (the default), or one line of JSON")
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    guard let word = call.invocation.operands.first, !word.isEmpty else {
      throw PostError(.usage, "an ID cannot be empty", remedy: "see post list")
    }
    let format = try LetterFormat(call, default: .letter)
    let found = try call.office().find(Path(word))
    guard let letter = found.first?.value else {
      throw PostError(.notFound, "there is no letter \(visible(word))", remedy: "see post list")
    }
    guard found.count == 1 else {
      let some = found.keys.sorted().prefix(5).map(\.description).joined(separator: " ")
      throw PostError(
        .usage, "\(found.count) letters begin with \(visible(word))", remedy: "give more of the ID: \(some)")
    }
    let open = try letter.open()
    try format.print(open, letter.attempt, topic: letter.topic(of: open))
    try open.check()
    return 0
  }
}
