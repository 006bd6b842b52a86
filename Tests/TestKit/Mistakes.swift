// The table of a command line is data, so a test can find its mistakes by inspection, and the parser need not
// check anything at run time.

import Commands

/// No line of the help is longer than this.
private let width = 79

extension Grammar {
  /// What is wrong with the table itself, a line for each mistake; empty when it is sound.
  package func mistakes() -> [String] {
    var found: [String] = []
    let names = commands.map(\.name) + [Command.help.name]
    found += repeated(names).map { "command \($0) is declared twice" }
    found += longLines(footer).map { "the footer has a line over \(width) columns: \($0)" }
    found += mistakes(in: flags(of: nil), of: program)
    for command in commands {
      if !isWord(command.name) { found.append("command name \(command.name) is not a-z, 0-9 and -") }
      found += mistakes(in: command)
    }
    return found
  }

  private func mistakes(in command: Command) -> [String] {
    var found = mistakes(in: flags(of: command), of: command.name)
    if command.summary.isEmpty || command.summary.hasSuffix(".") || command.summary.contains("\n") {
      found.append("\(command.name): the summary is not one line without a full stop")
    }
    // Operands are distinguished by their position alone.
    for (operand, next) in zip(command.operands, command.operands.dropFirst())
    where [.zeroOrMore, .oneOrMore].contains(operand.arity)
      || operand.arity == .optional && [.one, .oneOrMore].contains(next.arity)
    {
      found.append("\(command.name): \(next.spelling) behind \(operand.spelling) is ambiguous")
    }
    found += longLines(help(for: command)).map {
      "\(command.name): help has a line over \(width) columns: \($0)"
    }
    return found
  }

  private func mistakes(in flags: [Flag], of place: String) -> [String] {
    var found = repeated(flags.map(\.long)).map { "\(place): --\($0) is declared twice" }
    found += repeated(flags.compactMap(\.short)).map { "\(place): -\($0) is declared twice" }
    for flag in flags where !isWord(flag.long) {
      found.append("\(place): --\(flag.long) is not a-z, 0-9 and -")
    }
    for flag in flags where flag.short.map({ isLetterOrDigit($0) }) == false {
      found.append("\(place): the short name of --\(flag.long) is not an ASCII letter or digit")
    }
    return found
  }

  private func repeated<Name: Hashable>(_ names: [Name]) -> [Name] {
    var seen: Set<Name> = []
    return names.filter { !seen.insert($0).inserted }
  }

  private func longLines(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { $0.count > width }
  }

  private func isWord(_ name: String) -> Bool {
    guard let first = name.first, first != "-" else { return false }
    return name.allSatisfy { $0 == "-" || $0.isASCII && ($0.isLowercase || $0.isNumber) }
  }

  private func isLetterOrDigit(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber)
  }
}
