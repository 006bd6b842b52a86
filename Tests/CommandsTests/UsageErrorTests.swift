// Malformed command lines: the message names the place and the remedy.

import Testing

@testable import Commands

struct UsageErrorTests {
  private func failure(_ arguments: [Bytes], in grammar: Grammar = sample) -> UsageError? {
    do {
      _ = try grammar.parse(arguments)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    // commands
    ("", "box: a COMMAND is missing; see box --help"),
    ("--quiet", "box: a COMMAND is missing; see box --help"),
    ("tkae", "box: unknown command tkae; did you mean take?"),
    ("TAKE", "box: unknown command TAKE; did you mean take?"),
    ("hlep", "box: unknown command hlep; did you mean help?"),
    ("frobnicate", "box: unknown command frobnicate; see box --help"),
    ("''", "box: unknown command ''; see box --help"),
    ("-", "box: unknown command -; see box --help"),
    ("help tak", "box help: unknown command tak; did you mean take?"),
    // options
    ("take tools --al", "box take: unknown option --al; did you mean --all?"),
    ("take tools --al=x", "box take: unknown option --al; did you mean --all?"),
    ("take tools --ve", "box take: unknown option --ve; did you mean --verbose or --version?"),
    ("take tools --zzz", "box take: unknown option --zzz; see box take --help"),
    ("take tools --lines", "box take: unknown option --lines; see box take --help"),
    ("take tools --=x", "box take: unknown option --=x; see box take --help"),
    ("take tools -x", "box take: unknown option -x; see box take --help"),
    ("take tools -qx", "box take: unknown option -x in -qx; see box take --help"),
    ("take tools -all", "box take: unknown option -a in -all; did you mean --all?"),
    ("take tools -al", "box take: unknown option -a in -al; see box take --help"),
    ("take tools -é", "box take: unknown option -é; see box take --help"),
    ("take tools -5", "box take: unknown option -5; see box take --help"),
    ("--nonsense list", "box: unknown option --nonsense; see box --help"),
    ("--all take", "box: option --all belongs after the command name; write box take --all"),
    ("-qn5 take", "box: option --count belongs after the command name; write box take --count"),
    // values
    ("put tools --message", "box put: option --message needs a value; write --message TEXT"),
    ("put tools -m", "box put: option -m needs a value; write -m TEXT"),
    ("put tools -lm", "box put: option -m needs a value; write -m TEXT"),
    ("--dir", "box: option --dir needs a value; write --dir DIR"),
    ("take tools --all=x", "box take: option --all takes no value; write --all"),
    ("take tools --all=", "box take: option --all takes no value; write --all"),
    ("take --help=x", "box take: option --help takes no value; write --help"),
    ("take tools -q=5", "box take: option -q takes no value; write -q"),
    ("take tools -w=5", "box take: option -w takes no value; write --wait=5"),
    // repetition
    ("take tools -n1 --count=2", "box take: option --count was given twice; give it once"),
    ("-q take tools -q", "box take: option --quiet was given twice; give it once"),
    // operands
    ("drop", "box drop: a BOX is missing; usage: box drop [OPTION...] BOX ID..."),
    ("drop tools", "box drop: an ID is missing; usage: box drop [OPTION...] BOX ID..."),
    ("take", "box take: a BOX is missing; usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"),
    ("take -- ls", "box take: a BOX is missing; usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"),
    ("check x", "box check: unexpected operand x; usage: box check [OPTION...]"),
    ("check -- -x", "box check: unexpected operand -x; usage: box check [OPTION...]"),
    ("list a b", "box list: unexpected operand b; usage: box list [OPTION...] [BOX]"),
    ("help a b", "box help: unexpected operand b; usage: box help [OPTION...] [COMMAND]"),
    (
      "take --wait 5s tools",
      "box take: unexpected operand tools; did you mean --wait=5s? "
        + "usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"
    ),
    (
      "take tools -qw 5s",
      "box take: unexpected operand 5s; did you mean --wait=5s? "
        + "usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"
    ),
    (
      "take --wait -q a b",
      "box take: unexpected operand b; usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"
    ),
    // the trailing command
    (
      "take tools --",
      "box take: a COMMAND is missing after --; usage: box take [OPTION...] BOX [-- COMMAND [ARG...]]"
    ),
    // the first mistake is the one reported
    ("take --al -x", "box take: unknown option --al; did you mean --all?"),
    ("take --al --help", "box take: unknown option --al; did you mean --all?"),
  ])
  func names(line: String, message: String) {
    #expect(failure(words(line))?.message == message)
  }

  @Test func carriesTheCommand() {
    #expect(failure(words("take --al"))?.command?.name == "take")
    #expect(failure(words("tkae"))?.command == nil)
  }

  @Test func foreignBytesCannotFoolTheTerminal() {
    let evil = Bytes("--\u{1b}[2J".utf8) + [0xff]
    #expect(
      failure(words("take tools") + [evil])?.message
        == "box take: unknown option --\\x1b[2J\\xff; see box take --help")
    #expect(failure([Bytes("a b\n".utf8)])?.message == "box: unknown command 'a b\\n'; see box --help")
  }

  @Test func everyMessageIsOneLineOfBoundedLength() {
    // Each byte value, alone and in a long word, at each place an argument can stand.
    for byte in UInt8.min...UInt8.max {
      for word in [[byte], Bytes(repeating: byte, count: 10_000)] {
        for arguments in [[word], words("list a") + [word], words("check") + [Bytes("-".utf8) + word]] {
          guard let message = failure(arguments)?.message else { continue }
          #expect(message.count < 700)
          #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f })
        }
      }
    }
  }
}

extension UsageError {
  /// As a program prints it.
  fileprivate var message: String { "box\(command.map { " \($0.name)" } ?? ""): \(problem); \(remedy)" }
}
