// A program, its commands and their flags, declared once. It knows its usage lines and finds commands by name; running a
// command is the caller's business.

/// A command line to copy, and what it does.
package final class Example: Sendable {
  /// The whole command line, program name included.
  package let line: String
  /// What it does; may be empty.
  package let what: String

  package init(_ line: String, _ what: String = "") {
    (self.line, self.what) = (line, what)
  }
}

/// One command, declared once.
package final class Command: Sendable {
  /// As typed: `read`.
  package let name: String
  /// Its operands, in order.
  package let operands: [Operand]
  /// What may follow `--`, such as `COMMAND [ARG...]`; nil if `--` only ends the options.
  package let trailing: String?
  /// One line, lower-case start, no full stop.
  package let summary: String
  /// Longer help, in paragraphs with an empty line between; may be empty.
  package let discussion: String
  /// Its own flags; the grammar's global ones are accepted as well.
  package let flags: [Flag]
  /// Command lines worth copying.
  package let examples: [Example]

  package init(
    _ name: String, operands: [Operand] = [], trailing: String? = nil, summary: String,
    discussion: String = "", flags: [Flag] = [], examples: [Example] = []
  ) {
    (self.name, self.operands, self.trailing, self.flags) = (name, operands, trailing, flags)
    (self.summary, self.discussion, self.examples) = (summary, discussion, examples)
  }

  /// `help [COMMAND]`: every grammar has it, and the parser answers it itself.
  package static let help = Command(
    "help", operands: [Operand("COMMAND", .optional)], summary: "show help, or the help of one command")
}

/// The whole command line of a program.
package struct Grammar: Sendable {
  /// The program's name, as errors and usage lines show it.
  package var program: String
  /// What the caller prints for `--version`.
  package var version: String
  /// One line, lower-case start, no full stop.
  package var summary: String
  /// Global flags, accepted before and after the command name.
  package var flags: [Flag]
  /// In the order help shows them.
  package var commands: [Command]
  /// The end of the top-level help: exit codes, environment; may be empty.
  package var footer: String

  package init(
    program: String, version: String, summary: String, flags: [Flag] = [], commands: [Command],
    footer: String = ""
  ) {
    (self.program, self.version, self.flags, self.commands) = (program, version, flags, commands)
    (self.summary, self.footer) = (summary, footer)
  }

  /// The flags that are accepted after that command, or before any: its own, the global ones, `--help` and `--version`.
  package func flags(of command: Command?) -> [Flag] {
    (command?.flags ?? []) + flags + [.help, .version]
  }

  /// The command of exactly that name (`help` included), or nil.
  package func command(named name: Bytes) -> Command? {
    commands.first { $0.name.utf8.elementsEqual(name) }
      ?? (Command.help.name.utf8.elementsEqual(name) ? .help : nil)
  }

  /// One line without "Usage:": `post read [OPTION...] MAILBOX [-- COMMAND [ARG...]]`.
  package func usage(of command: Command?) -> String {
    guard let command else { return "\(program) [OPTION...] COMMAND [ARG...]" }
    var words = [program, command.name, "[OPTION...]"]
    words += command.operands.map(\.spelling)
    if let trailing = command.trailing { words.append("[-- \(trailing)]") }
    return words.joined(separator: " ")
  }
}
