// The parser's messages. Each names the place (program and command) and ends with a remedy; what the user typed is shown with
// `visible`, so it cannot confuse a terminal.

import Text

extension Parser {
  /// A usage error at the place the parser has got to.
  func failure(_ problem: String, _ remedy: String) -> UsageError {
    UsageError(command: command, problem: problem, remedy: remedy)
  }

  /// The remedy for an unknown name.
  func remedy(_ near: [String]) -> String {
    near.isEmpty ? "see \(place) --help" : "did you mean \(near.joined(separator: " or "))?"
  }

  private var place: String {
    command.map { "\(grammar.program) \($0.name)" } ?? grammar.program
  }

  /// An operand of the synopsis that is missing; `location` continues the sentence.
  func missing(_ name: String, _ location: String = "") -> UsageError {
    let article = name.first.map("AEIOU".contains) == true ? "an" : "a"
    return failure("\(article) \(name) is missing\(location)", "usage: \(grammar.usage(of: command))")
  }

  func unknownLong(_ name: ArraySlice<UInt8>, _ argument: Bytes) -> UsageError {
    if let elsewhere = flagElsewhere({ $0.isNamed(name) }) { return elsewhere }
    // The value may be long or secret: show the name alone, if there is one.
    let shown = name.isEmpty ? argument[...] : argument[..<name.endIndex]
    let near = Suggestion.names(near: name, among: flags.map(\.long)).map { "--" + $0 }
    return failure("unknown option \(shownWord(shown))", remedy(near))
  }

  /// `-x`, or `-json` with one dash too few.
  func unknownShort(_ argument: Bytes, at index: Int) -> UsageError {
    let unknown = argument[index]
    if let elsewhere = flagElsewhere({ $0.short?.asciiValue == unknown }) { return elsewhere }
    // One letter is near to no name, and a byte that is not ASCII is only a part of a letter.
    let near = argument.count > 3 ? Suggestion.names(near: argument[1...], among: flags.map(\.long)) : []
    let whole = shownWord(argument)
    let letter = unknown < 0x80 && argument.count > 2 ? "-\(shownText([unknown])) in \(whole)" : whole
    return failure("unknown option \(letter)", remedy(near.map { "--" + $0 }))
  }

  /// `-q=5`, or `-w=5` for a flag that takes its value as `--wait=5` alone.
  func misplacedValue(_ flag: Flag, _ short: String, _ value: ArraySlice<UInt8>) -> UsageError {
    if case .optional = flag.value {
      return failure("option \(short) takes no value", "write --\(flag.long)=\(shownText(value))")
    }
    return failure("option \(short) takes no value", "write \(short)")
  }

  func checkOperands(of command: Command) throws(UsageError) {
    let required = command.operands.filter(\.isRequired)
    if operands.count < required.count {
      throw missing(required[operands.count].name)
    }
    let unbounded = command.operands.contains(where: \.isUnbounded)
    if operands.count > command.operands.count, !unbounded {
      let surplus = shownWord(operands[command.operands.count])
      let hint = perhapsMeant.map { "did you mean \($0)? " } ?? ""
      throw failure("unexpected operand \(surplus)", "\(hint)usage: \(grammar.usage(of: command))")
    }
  }

  /// The message for a flag that is before the command it belongs to.
  private func flagElsewhere(_ matches: (Flag) -> Bool) -> UsageError? {
    guard command == nil else { return nil }
    for command in grammar.commands {
      guard let flag = command.flags.first(where: matches) else { continue }
      return failure(
        "option --\(flag.long) belongs after the command name",
        "write \(grammar.program) \(command.name) --\(flag.long)")
    }
    return nil
  }
}

/// The most characters shown of an argument, which may be 128 KiB long.
private let shownLimit = 100

func shownText(_ bytes: some Sequence<UInt8>) -> String { visible(Bytes(bytes), limit: shownLimit) }
func shownWord(_ bytes: some Sequence<UInt8>) -> String { visibleWord(Bytes(bytes), limit: shownLimit) }
