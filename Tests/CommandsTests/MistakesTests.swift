// `Mistakes` finds the mistakes in a table of commands.

import TestKit
import Testing

@testable import Commands

struct MistakesTests {
  @Test func theSampleIsSound() {
    #expect(sample.mistakes() == [])
  }

  @Test(arguments: [
    (Command("list", summary: "again"), "command list is declared twice"),
    (Command("help", summary: "ours"), "command help is declared twice"),
    (Command("Bad", summary: "x"), "command name Bad is not a-z, 0-9 and -"),
    (Command("x", summary: "Ends."), "x: the summary is not one line without a full stop"),
    (
      Command("x", operands: [Operand("A", .zeroOrMore), Operand("B")], summary: "x"),
      "x: B behind [A...] is ambiguous"
    ),
    (
      Command("x", operands: [Operand("A", .optional), Operand("B")], summary: "x"),
      "x: B behind [A] is ambiguous"
    ),
    (Command("x", summary: "x", flags: [Flag("quiet", help: "")]), "x: --quiet is declared twice"),
    (Command("x", summary: "x", flags: [Flag("hush", short: "q", help: "")]), "x: -q is declared twice"),
    (Command("x", summary: "x", flags: [Flag("help", help: "")]), "x: --help is declared twice"),
    (Command("x", summary: "x", flags: [Flag("a=b", help: "")]), "x: --a=b is not a-z, 0-9 and -"),
    (
      Command("x", summary: "x", flags: [Flag("a", short: "é", help: "")]),
      "x: the short name of --a is not an ASCII letter or digit"
    ),
    (
      Command("x", summary: "x", examples: [Example(String(repeating: "x", count: 78))]),
      "x: help has a line over 79 columns:   " + String(repeating: "x", count: 78)
    ),
  ])
  func areFound(command: Command, mistake: String) {
    var grammar = sample
    grammar.commands.append(command)
    #expect(grammar.mistakes() == [mistake])
  }
}
