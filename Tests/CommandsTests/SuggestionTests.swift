// Near names, visible bytes and sound tables.

import TestKit
import Testing

@testable import Commands

struct SuggestionTests {
  @Test(arguments: [
    ("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("", "abc", 3),
    ("abc", "abd", 1), ("abc", "ab", 1), ("abc", "xabc", 1), ("abc", "acb", 1),
    ("kitten", "sitting", 3), ("ca", "abc", 3),
  ])
  func distances(first: String, second: String, expected: Int) {
    #expect(Suggestion.distance(Bytes(first.utf8), Bytes(second.utf8)) == expected)
    #expect(Suggestion.distance(Bytes(second.utf8), Bytes(first.utf8)) == expected)
  }

  @Test(arguments: [
    ("lnies", ["lines"]),
    ("line", ["lines"]),
    ("LINES", ["lines"]),
    ("supscribe", ["subscribe"]),
    ("re", ["retry", "replay", "repair"]),
    ("rety", ["retry"]),
    ("subscribr", ["subscribe"]),
    ("r", []),
    ("x", []),
    ("xx", []),
    ("", []),
    (String(repeating: "x", count: 10_000), []),
  ])
  func nearNames(typed: String, expected: [String]) {
    let names = ["lines", "unsubscribe", "subscribe", "retry", "replay", "repair", "release", "id", "m"]
    #expect(Suggestion.names(near: Bytes(typed.utf8), among: names) == expected)
  }
}

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
