// What a command line means. An invocation knows the flags that its grammar declares; asked for any other it traps, because
// that is a typo in our own code.

/// What the arguments ask for.
package enum Parsed: Sendable {
  /// Help was asked for, of the program or of one command.
  case help(Command?)
  /// `--version` or `-V`.
  case version
  /// A well-formed command line.
  case run(Invocation)
}

/// One well-formed command line: its operands fit the synopsis, and its flags are declared.
package final class Invocation: Sendable {
  struct Given: Sendable {
    var long: String
    var value: Bytes?
  }

  /// The command to run.
  package let command: Command
  /// In the order given, as many as the synopsis allows.
  package let operands: [Bytes]
  /// The words after `--`, never empty; nil without `--`, or for a command that takes none.
  package let trailing: [Bytes]?
  let given: [Given]
  let declared: [String]

  init(command: Command, operands: [Bytes], trailing: [Bytes]?, given: [Given], declared: [String]) {
    (self.command, self.operands, self.trailing) = (command, operands, trailing)
    (self.given, self.declared) = (given, declared)
  }

  /// Whether the flag was given.
  package func has(_ long: String) -> Bool {
    !occurrences(of: long).isEmpty
  }

  /// The last value given; nil if there is none, or the flag came without its optional value.
  package func value(_ long: String) -> Bytes? {
    occurrences(of: long).last?.value
  }

  /// All values given, in order.
  package func values(_ long: String) -> [Bytes] {
    occurrences(of: long).compactMap(\.value)
  }

  private func occurrences(of long: String) -> [Given] {
    precondition(declared.contains(long), "\(command.name) declares no flag --\(long)")
    return given.filter { $0.long == long }
  }
}

/// A command line that cannot be understood. Nothing has been done yet.
package struct UsageError: Error {
  /// The command it concerns, when the command line got that far.
  package let command: Command?
  /// What is wrong, printable and without a newline; so is the remedy.
  package let problem: String
  package let remedy: String
}
