// Parses arguments by the GNU conventions: options and operands in any order, `--long value`, `--long=value`, `-n5`, `-n 5`,
// `-qv`; `-` is an operand, `--` ends the options. One pass from left to right: the first mistake is reported, unless help was
// asked for before it. Pure: no I/O.

import Text

extension Grammar {
  /// Parses a command line, without the program's own name.
  package func parse(_ arguments: [Bytes]) throws(UsageError) -> Parsed {
    try Parser(grammar: self, arguments: arguments).parse()
  }
}

final class Parser {
  let grammar: Grammar
  let arguments: [Bytes]
  /// The arguments before this one are parsed.
  var position = 0
  var command: Command?
  /// The flags that are accepted here: more once the command is known.
  var flags: [Flag]
  var given: [Invocation.Given] = []
  var operands: [Bytes] = []
  var trailing: [Bytes]?
  /// `--wait=5` if `--wait 5` was typed: the 5 is an operand, and perhaps not meant as one.
  var perhapsMeant: String?

  static let dash = UInt8(ascii: "-")
  static let equals = UInt8(ascii: "=")

  init(grammar: Grammar, arguments: [Bytes]) {
    self.grammar = grammar
    self.arguments = arguments
    flags = grammar.flags(of: nil)
  }

  func parse() throws(UsageError) -> Parsed {
    var optionsEnded = false
    while let argument = next() {
      if optionsEnded || argument.first != Self.dash || argument.count == 1 {
        if command == nil {
          command = try find(argument)
          flags = grammar.flags(of: command)
          optionsEnded = false  // a `--` before the command ended the global options only
        } else {
          operands.append(argument)
        }
      } else if argument == [Self.dash, Self.dash] {
        if let label = command?.trailing {
          try takeTrailing(label)
        } else {
          optionsEnded = true
        }
      } else if let answer = argument[1] == Self.dash ? try long(argument) : try bundle(argument) {
        return answer
      }
    }
    return try finish()
  }

  private func next() -> Bytes? {
    guard position < arguments.count else { return nil }
    position += 1
    return arguments[position - 1]
  }

  private func find(_ word: Bytes) throws(UsageError) -> Command {
    if let found = grammar.command(named: word) { return found }
    let near = Suggestion.names(near: word, among: (grammar.commands + [.help]).map(\.name))
    throw failure("unknown command \(shownWord(word))", remedy(near))
  }

  /// - Returns: an answer, if it asks for help or the version.
  private func long(_ argument: Bytes) throws(UsageError) -> Parsed? {
    let name = argument.dropFirst(2).prefix { $0 != Self.equals }
    guard let flag = flags.first(where: { $0.isNamed(name) }) else {
      throw unknownLong(name, argument)
    }
    var value: Bytes?
    if name.endIndex < argument.endIndex { value = Bytes(argument[(name.endIndex + 1)...]) }
    switch flag.value {
    case .none where value != nil:
      throw failure("option --\(flag.long) takes no value", "write --\(flag.long)")
    case .required(let label) where value == nil:
      value = try nextValue(of: "--\(flag.long)", label)
    case .optional where value == nil:
      noticeSeparateValue(of: flag)
    default: break
    }
    return try record(flag, value)
  }

  /// `-qvn5`: flags without a value, then perhaps one that takes the rest, or else the next argument.
  private func bundle(_ argument: Bytes) throws(UsageError) -> Parsed? {
    for index in 1..<argument.count {
      guard let flag = flags.first(where: { $0.short?.asciiValue == argument[index] }) else {
        throw unknownShort(argument, at: index)
      }
      let short = "-" + shownText([argument[index]])
      let rest = argument[(index + 1)...]
      if case .required(let label) = flag.value {
        return try record(flag, rest.isEmpty ? nextValue(of: short, label) : Bytes(rest))
      }
      if rest.first == Self.equals { throw misplacedValue(flag, short, rest.dropFirst()) }
      if case .optional = flag.value, rest.isEmpty { noticeSeparateValue(of: flag) }
      if let answer = try record(flag, nil) { return answer }
    }
    return nil
  }

  /// The next argument, whatever it begins with.
  private func nextValue(of option: String, _ label: String) throws(UsageError) -> Bytes {
    if let value = next() { return value }
    throw failure("option \(option) needs a value", "write \(option) \(label)")
  }

  private func noticeSeparateValue(of flag: Flag) {
    guard position < arguments.count, arguments[position].first != Self.dash else { return }
    perhapsMeant = "--\(flag.long)=\(shownText(arguments[position]))"
  }

  private func record(_ flag: Flag, _ value: Bytes?) throws(UsageError) -> Parsed? {
    if flag.long == Flag.help.long { return .help(command) }
    if flag.long == Flag.version.long { return .version }
    if !flag.repeats, given.contains(where: { $0.long == flag.long }) {
      throw failure("option --\(flag.long) was given twice", "give it once")
    }
    given.append(.init(long: flag.long, value: value))
    return nil
  }

  /// Takes everything after `--`, dashes or not.
  private func takeTrailing(_ label: String) throws(UsageError) {
    let words = Array(arguments[position...])
    if words.isEmpty { throw missing(String(label.prefix { $0 != " " }), " after --") }
    trailing = words
    position = arguments.count
  }

  private func finish() throws(UsageError) -> Parsed {
    guard let command else {
      throw failure("a COMMAND is missing", "see \(grammar.program) --help")
    }
    try checkOperands(of: command)
    if command.name == Command.help.name { return .help(try operands.first.map(find)) }
    return .run(
      Invocation(
        command: command, operands: operands, trailing: trailing, given: given, declared: flags.map(\.long)))
  }
}
