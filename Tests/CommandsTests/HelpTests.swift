// The help texts as reviewed snapshots, and the rules for the help of any table.

import Testing

@testable import Commands

struct HelpTests {
  @Test func programHelp() {
    #expect(
      sample.help() == """
        Usage: box [OPTION...] COMMAND [ARG...]

        Put things into boxes and take them out.

        Commands (more with: box help COMMAND):
          put    put things into a box
          take   take the oldest thing out of a box
          drop   throw things away
          list   show what there is
          check  look for damage

        Options:
              --dir DIR  where the boxes are (default: /var/box)
          -q, --quiet    say less
          -v, --verbose  say more
          -h, --help     show help and exit
          -V, --version  show the version and exit

        Exit codes: 0 done, 1 nothing there, 64 usage.

        """)
  }

  @Test func commandHelp() throws {
    #expect(
      sample.help(for: try command("take")) == """
        Usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]

        Take the oldest thing out of a box.

        The thing goes to standard output, or to the standard input of COMMAND.

        A second paragraph.

        Options:
          -n, --count N   take up to N things (default: 1)
              --all       take all there are
          -w, --wait[=D]  wait for a thing when there is none, for the duration D when
                          it is given, else for ever
              --a-flag-of-great-length N
                          first line
                          second line

        Global options:
              --dir DIR  where the boxes are (default: /var/box)
          -q, --quiet    say less
          -v, --verbose  say more
          -h, --help     show help and exit

        Examples:
          box take tools --wait=30s
              wait half a minute for a tool
          box take tools -- sort -u

        """)
  }

  @Test func operandsAreExplainedWhenThereIsSomethingToSay() throws {
    #expect(
      sample.help(for: try command("put")).contains(
        """

        Operands:
          BOX  made when it is not there

        """))
    #expect(!sample.help(for: try command("drop")).contains("Operands:"))
  }

  @Test func helpOfHelp() throws {
    #expect(sample.help(for: try command("help")).hasPrefix("Usage: box help [OPTION...] [COMMAND]\n"))
  }

  @Test func noLineIsOver79ColumnsNorEndsInSpaces() {
    let texts = [sample.help()] + (sample.commands + [.help]).map { sample.help(for: $0) }
    for text in texts {
      #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n") && !text.contains("\n\n\n"))
      for line in text.split(separator: "\n") {
        #expect(line.count <= 79 && line.last != " ", "\(line)")
      }
    }
  }

  @Test func twentyCommandsFitOnOneScreen() {
    var large = sample
    large.commands = (0..<20).map { Command("command-\($0)", summary: "do a thing that is of use") }
    #expect(large.help().split(separator: "\n", omittingEmptySubsequences: false).count <= 45)
  }

  @Test func emptyPartsLeaveNoGaps() {
    let bare = Grammar(program: "bare", version: "", summary: "", commands: [])
    #expect(
      bare.help() == """
        Usage: bare [OPTION...] COMMAND [ARG...]

        Options:
          -h, --help     show help and exit
          -V, --version  show the version and exit

        """)
  }

  @Test(arguments: [
    ("", 10, []),
    ("short", 10, ["short"]),
    ("one two three", 7, ["one two", "three"]),
    ("  one two three", 9, ["  one two", "  three"]),
    ("a  b", 4, ["a  b"]),
    ("one\n\ntwo", 10, ["one", "", "two"]),
    ("unbreakable", 4, ["unbreakable"]),
    ("a unbreakable b", 4, ["a", "unbreakable", "b"]),
  ])
  func wraps(text: String, width: Int, lines: [String]) {
    #expect(Columns.wrapped(text, width: width) == lines)
  }

  private func command(_ name: String) throws -> Command {
    try #require(sample.command(named: Bytes(name.utf8)))
  }
}
