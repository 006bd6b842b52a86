// One option and one operand, each declared once: parsing and help read these values and keep no list of their own. They are
// classes, though nothing in them ever changes: an array of a struct of ours needs metadata that the runtime makes at first
// use, and that takes longer than to parse.

/// An argument as the kernel passed it: Linux paths and texts need not be UTF-8.
package typealias Bytes = [UInt8]

/// One option, declared once.
package final class Flag: Sendable {
  /// Whether an option takes a value; the text names it in help (`N`, `DIR`).
  package enum Argument: Sendable, Equatable {
    /// `--all`
    case none
    /// `--retry N`, `--retry=N`, and with a short name `-n N`, `-nN`.
    case required(String)
    /// `--wait` or `--wait=D`, nothing else: a short name, or a next word, never carries the value.
    case optional(String)
  }

  /// The name without its dashes: `retry`.
  package let long: String
  /// One ASCII letter or digit: `n`.
  package let short: Character?
  /// What value it takes.
  package let value: Argument
  /// One line or several; says the default, if there is one. Lines too long for the help column are wrapped.
  package let help: String
  /// May be given more than once. Otherwise a second one is a usage error.
  package let repeats: Bool

  package init(
    _ long: String, short: Character? = nil, value: Argument = .none, repeats: Bool = false, help: String
  ) {
    (self.long, self.short, self.value, self.repeats, self.help) = (long, short, value, repeats, help)
  }

  /// `-h, --help`: every grammar has it.
  package static let help = Flag("help", short: "h", help: "show help and exit")
  /// `-V, --version`: every grammar has it.
  package static let version = Flag("version", short: "V", help: "show the version and exit")

  /// How it is written, with its value: `--count N`, `--wait[=D]`, `--all`.
  package var spelling: String {
    switch value {
    case .none: "--\(long)"
    case .required(let name): "--\(long) \(name)"
    case .optional(let name): "--\(long)[=\(name)]"
    }
  }

  /// Whether the bytes are exactly its long name. Bytes: strings that differ in them may be equal.
  func isNamed(_ name: some Sequence<UInt8>) -> Bool {
    long.utf8.elementsEqual(name)
  }
}

/// One operand of a command's synopsis.
package final class Operand: Sendable {
  /// How many words it stands for.
  package enum Arity: Sendable {
    case one, optional, zeroOrMore, oneOrMore
  }

  /// As help shows it: `TOPIC`.
  package let name: String
  /// How many words it stands for.
  package let arity: Arity
  /// A line for the operands section of the help; empty if the name says enough.
  package let help: String

  package init(_ name: String, _ arity: Arity = .one, help: String = "") {
    (self.name, self.arity, self.help) = (name, arity, help)
  }

  /// As in a usage line: `TOPIC`, `[FILE]`, `[FILE...]`, `ID...`.
  package var spelling: String {
    switch arity {
    case .one: name
    case .optional: "[\(name)]"
    case .zeroOrMore: "[\(name)...]"
    case .oneOrMore: "\(name)..."
    }
  }

  var isRequired: Bool { arity == .one || arity == .oneOrMore }
  var isUnbounded: Bool { arity == .zeroOrMore || arity == .oneOrMore }
}
