import Linux
import TestKit
import Testing

@testable import post

@Suite struct HelpTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func theTableOfCommandsHasNoMistakes() {
    #expect(Program.grammar.mistakes() == [])
  }

  @Test func everyVerbIsFoundByItsName() {
    for verb in Program.verbs { #expect(Program.verb(verb.name) == verb) }
  }

  @Test func helpNamesEveryCommand() throws {
    let help = try box.must("help")
    #expect(help == (try box.must("--help")))
    for verb in Program.verbs { #expect(help.contains("\n  \(verb.name) ")) }
    #expect(help.contains("Exit codes:"))
  }

  @Test(arguments: Program.verbs.map { $0.name })
  func helpOfACommandIsTheSameByEitherName(verb: String) throws {
    let help = try box.must("help", verb)
    #expect(help == (try box.must(verb, "--help")))
    #expect(help.hasPrefix("Usage: post \(verb) "))
    #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  /// A line of one or two words in the middle of a paragraph was broken twice.
  @Test(arguments: Program.verbs.map { $0.name })
  func theTextOfHelpIsNotRagged(verb: String) throws {
    let lines = try box.must("help", verb).split(separator: "\n", omittingEmptySubsequences: false)
    for (line, next) in zip(lines, lines.dropFirst()) {
      let isProse = line.first?.isWhitespace == false && next.first?.isWhitespace == false
      #expect(!isProse || line.count > 20, "'\(line)' before '\(next)'")
    }
  }

  @Test func withoutAWordPostSaysWhereHelpIs() throws {
    let refused = try box.post()
    #expect(refused.code == 64)
    #expect(refused.text == "")
    #expect(refused.errors.contains("post --help"))
  }

  @Test(arguments: [
    (["sned"], "did you mean send?"), (["sbscribe", "a", "b"], "did you mean subscribe?"),
    (["read", "stock", "--peak"], "did you mean --peek?"), (["help", "staus"], "did you mean status?"),
  ])
  func whatWasPerhapsMeantIsSuggested(words: [String], hint: String) throws {
    let refused = try box.run([Sandbox.binary] + words.map { Path($0) })
    #expect(refused.code == 64)
    #expect(refused.errors.contains(hint))
  }

  @Test(arguments: [[], ["sned"], ["-x"], ["send"], ["read", "a", "b"], ["read", "attic"], ["send", ""]])
  func aMessageNamesTheProgramOnce(words: [String]) throws {
    let refused = try box.run([Sandbox.binary] + words.map { Path($0) })
    #expect(refused.errors.hasPrefix("post: ") || refused.errors.hasPrefix("post "))
    #expect(!refused.errors.contains("post: post"), "\(refused.errors)")
  }

  @Test func versionPrintsOneLine() throws {
    let version = try box.must("--version")
    #expect(version == "\(Program.nameAndVersion)")
    #expect(version == (try box.must("send", "--version")))
  }
}
