// Command lines that run without a shell: only those that a shell would read in the same way.

import TestKit
import Testing

@testable import Text

@Suite struct ShellWordsTests {
  @Test(
    arguments: [
      ("/bin/true", ["/bin/true"]), ("./book", ["./book"]), ("bin/book", ["bin/book"]),
      ("/bin/book --all -n 3", ["/bin/book", "--all", "-n", "3"]),
      ("  /bin/book\t \t a  ", ["/bin/book", "a"]),
      ("/bin/book 'a b' ''", ["/bin/book", "a b", ""]), ("'/opt/my book/run' x", ["/opt/my book/run", "x"]),
      ("/bin/book a'b c'd", ["/bin/book", "ab cd"]), ("/bin/book 'it'\\''s'", ["/bin/book", "it's"]),
      ("/bin/book \\'", ["/bin/book", "'"]), ("/bin/book ''''", ["/bin/book", ""]),
      (
        "/bin/book '$HOME' '*' '~' '#' '>' '\"' '\\'", ["/bin/book", "$HOME", "*", "~", "#", ">", "\"", "\\"]
      ),
      ("/bin/book '\u{e4}' '\n'", ["/bin/book", "\u{e4}", "\n"]),
      ("/bin/a%b+c,d-e.f/g:h@i_j", ["/bin/a%b+c,d-e.f/g:h@i_j"]),
    ] as [(String, [String])])
  func aPlainLineNeedsNoShell(line: String, words: [String]) throws {
    let plain = try #require(ShellWords.plain(line))
    #expect(plain == words.map { Array($0.utf8) })
    #expect(try said(by: "set -- \(line); for word; do printf '%s\\0' \"$word\"; done") == words)
  }

  @Test(arguments: [
    // No word, or no path: builtins, functions, keywords, commands in PATH.
    "", " ", "\t", "true", "exit 1", "cd /", "exec /bin/book", ". /bin/book", ". ./book", ": /bin/x",
    "!/bin/true", "! /bin/true", "{ /bin/true; }", "if /bin/true", "''", "'' /bin/true", "time /bin/true",
    // Assignments.
    "A=/bin/x /bin/true", "A=b /bin/true", "/bin/env A=b", "PATH=/x", "A+=/b",
    // Quotes that are not single, or not closed.
    "/bin/true \"a\"", "/bin/true 'a", "/bin/true a'", "/bin/true a\\ b", "/bin/true \\", "/bin/true \\n",
    "/bin/true $'a'",
    // Expansions, patterns, homes.
    "/bin/true $HOME", "/bin/true ${A}", "/bin/true $(x)", "/bin/true `x`", "/bin/true *", "/bin/true a?",
    "/bin/true [ab]", "~/book", "/bin/true ~", "/bin/true ~root", "/bin/true {a,b}", "/bin/true a^b",
    // Operators, redirections, comments, more lines.
    "/bin/true; x", "/bin/true;", "/bin/true &", "/bin/a && /bin/b", "/bin/a || /bin/b", "/bin/a | /bin/b",
    "/bin/true > x", "/bin/true >x", "/bin/true 2>&1", "/bin/true < x", "/bin/true <<E", "(/bin/true)",
    "/bin/true # x", "#/bin/true", "/bin/true a#b", "/bin/true\n/bin/false", "/bin/true\r", "/bin/true \u{0}",
    // Letters and blanks of other scripts.
    "/bin/b\u{fc}ch", "/bin/true\u{a0}a", "/bin/true \u{2003}", "/bin/true '\u{301}",
    "/bin/true \u{2019}a\u{2019}",
    "/bin/true a'\u{301}",
  ])
  func anythingElseIsForTheShell(line: String) {
    #expect(ShellWords.plain(line) == nil)
  }

  private static let hard = [
    "", " ", "a", "a b", "'", "''", "'a'", "it's", "a'\u{301}b", "'\u{301}", "\u{301}'", "\"", "\\", "\\'",
    "'\\''",
    "$HOME", "`x`", "$(x)", "*", "?", "[a]", "~", "#", "a#", "!", "\n", "a\nb", "\n\n", "\t", "\r\n", "a\r",
    "-n", "--",
    "=", "A=b", "{a,b}", "\u{fc}", "\u{1f4ee}", "\u{7f}", "\u{1b}[0m", ";", "&", "|", ">", "<", "(", ")", "^",
    "%+,-./:@_",
  ]

  @Test func whatIsQuotedIsReadBackByTheShellAndByUs() throws {
    let words = ShellWordsTests.hard
    let line = words.map { ShellWords.quoted($0) }.joined(separator: " ")
    #expect(try said(by: "set -- \(line); for word; do printf '%s\\0' \"$word\"; done") == words)
    let plain = try #require(ShellWords.plain("/bin/book \(line)"))
    #expect(Array(plain.dropFirst()) == words.map { Array($0.utf8) })
  }

  @Test func harmlessWordsStayBare() {
    for word in ["a", "/bin/book", "--n", "a:b@c_d,e+f%g.h-i/9"] { #expect(ShellWords.quoted(word) == word) }
    for word in ShellWordsTests.hard where word != "a" && word != "-n" && word != "--" && !word.hasPrefix("%")
    {
      #expect(ShellWords.quoted(word).utf8.first == UInt8(ascii: "'"))
    }
  }

  @Test(arguments: Seeded.seeds(1)) func randomWordsAreReadBackByTheShellAndByUs(seed: UInt64) throws {
    var random = Seeded(seed)
    let marks = Array("ab 'é\"\\$`*?[]~#!\n\t=;&|<>(){}\u{301}-/").map(String.init) + ["\u{301}", "'"]
    let words = (0..<300).map { _ in (0..<random.number(0...8)).map { _ in random.pick(marks) }.joined() }
    let line = words.map { ShellWords.quoted($0) }.joined(separator: " ")
    #expect(
      try said(by: "set -- \(line); for word; do printf '%s\\0' \"$word\"; done") == words, "seed \(seed)")
    #expect(
      ShellWords.plain("/bin/book \(line)")?.dropFirst().elementsEqual(words.map { Array($0.utf8) }) == true,
      "seed \(seed)")
  }

  /// Whatever random line is plain, a shell reads it in the same way.
  @Test(arguments: Seeded.seeds(1)) func whatIsPlainTheShellReadsInTheSameWay(seed: UInt64) throws {
    var random = Seeded(seed)
    let marks = ["a", "b", "/", "'", "' ", " '", "\\'", " ", "\t", "-", ":", "%", "~", "=", "#", "é", ","]
    var script = ""
    var expected = [String]()
    var lines = [String]()
    for _ in 0..<2000 {
      let line = "/" + (0..<random.number(0...9)).map { _ in random.pick(marks) }.joined()
      guard let plain = ShellWords.plain(line) else { continue }
      script += "set -- \(line); for word; do printf '<%s>' \"$word\"; done; printf '\\0'\n"
      expected.append(plain.map { "<\(String(decoding: $0, as: UTF8.self))>" }.joined())
      lines.append(line)
    }
    #expect(expected.count > 100)
    let read = try said(by: script)
    for ((line, plain), shell) in zip(zip(lines, expected), read) where plain != shell {
      Issue.record("\(line): \(plain), and to the shell \(shell); seed \(seed)")
    }
    #expect(read.count == expected.count)
  }

  /// What a script prints, each word with a zero behind it.
  private func said(by script: String) throws -> [String] {
    let box = try Sandbox()
    try box.write("script", script)
    let said = try box.run(["/bin/sh", "script"])
    #expect(said.errors == "")
    // Bytes: in a Swift String an accent may sit on the zero before it.
    return said.output.split(separator: 0, omittingEmptySubsequences: false).dropLast()
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
