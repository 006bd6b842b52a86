// Well-formed command lines: how the parser understands them.

import Testing

@testable import Commands

struct ParserTests {
  private func run(_ arguments: [Bytes]) throws -> Invocation {
    guard case .run(let invocation) = try sample.parse(arguments) else {
      throw Unexpected()
    }
    return invocation
  }

  private struct Unexpected: Error {}

  /// The meaning in one line: command, flags in order, operands in <>, trailing words behind --.
  private func meaning(_ invocation: Invocation) -> String {
    var parts = [invocation.command.name]
    for flag in invocation.given {
      parts.append(flag.value.map { "\(flag.long)=\(strings([$0])[0])" } ?? flag.long)
    }
    parts += strings(invocation.operands).map { "<\($0)>" }
    if let trailing = invocation.trailing { parts += ["--"] + strings(trailing) }
    return parts.joined(separator: " ")
  }

  @Test(arguments: [
    // operands
    ("list", "list"),
    ("list tools", "list <tools>"),
    ("list ''", "list <>"),
    ("put tools", "put <tools>"),
    ("put tools a b", "put <tools> <a> <b>"),
    ("put tools -", "put <tools> <->"),
    ("drop tools 1 2", "drop <tools> <1> <2>"),
    // values, apart and attached
    ("take tools --count 5", "take count=5 <tools>"),
    ("take tools --count=5", "take count=5 <tools>"),
    ("take tools --count=", "take count= <tools>"),
    ("take tools --count=a=b", "take count=a=b <tools>"),
    ("take tools -n 5", "take count=5 <tools>"),
    ("take tools -n5", "take count=5 <tools>"),
    ("take tools -n=5", "take count==5 <tools>"),
    ("take tools -n ''", "take count= <tools>"),
    // a value may begin with a dash, or be one, or two
    ("put tools -m -x", "put message=-x <tools>"),
    ("put tools --message --lines", "put message=--lines <tools>"),
    ("put tools --message --help", "put message=--help <tools>"),
    ("put tools -m -", "put message=- <tools>"),
    ("put tools -m --", "put message=-- <tools>"),
    // an optional value is attached or absent
    ("take tools --wait", "take wait <tools>"),
    ("take --wait tools", "take wait <tools>"),
    ("take tools --wait=5s", "take wait=5s <tools>"),
    ("take tools --wait=", "take wait= <tools>"),
    ("take tools -wq", "take wait quiet <tools>"),
    // bundles
    ("take tools -qv", "take quiet verbose <tools>"),
    ("take tools -qvn5", "take quiet verbose count=5 <tools>"),
    ("take tools -qn 5", "take quiet count=5 <tools>"),
    ("put tools -lmtext", "put lines message=text <tools>"),
    // any order, and repetition where it is declared
    ("take -q tools --all", "take quiet all <tools>"),
    ("put -H a tools -H b file -Hc", "put header=a header=b header=c <tools> <file>"),
    ("take tools -vv", "take verbose verbose <tools>"),
    // global flags on both sides of the command name
    ("--dir /tmp -q list -v", "list dir=/tmp quiet verbose"),
    ("--dir=list list", "list dir=list"),
    ("list --dir take", "list dir=take"),
    // the end of the options
    ("put tools -- -m --help", "put <tools> <-m> <--help>"),
    ("put -- tools -- a", "put <tools> <--> <a>"),
    ("put tools --", "put <tools>"),
    ("-- list --quiet", "list quiet"),
    // a trailing command
    ("take tools -- sort -u", "take <tools> -- sort -u"),
    ("take tools --all -- a -- --help", "take all <tools> -- a -- --help"),
    ("take tools -- ''", "take <tools> -- "),
  ])
  func understands(line: String, expected: String) throws {
    #expect(meaning(try run(words(line))) == expected)
  }

  @Test(arguments: [
    ("help", "help"),
    ("--help", "help"),
    ("-h", "help"),
    ("-qh", "help"),
    ("--help list", "help"),
    ("-q help", "help"),
    ("help take", "help take"),
    ("help help", "help help"),
    ("help --help", "help help"),
    ("take --help", "help take"),
    ("take -h", "help take"),
    ("take a b c --help", "help take"),
    ("drop --help --nonsense", "help drop"),
    ("--version", "version"),
    ("-V", "version"),
    ("take --version", "version"),
  ])
  func answersItself(line: String, expected: String) throws {
    switch try sample.parse(words(line)) {
    case .help(let command): #expect("help" + (command.map { " \($0.name)" } ?? "") == expected)
    case .version: #expect("version" == expected)
    case .run: Issue.record("\(line) was to be run")
    }
  }

  @Test func bytesThatAreNotUTF8PassUnchanged() throws {
    let odd: Bytes = [0xff, 0x2d, 0x00, 0xc3]
    let put = try run(words("put") + [odd] + words("-m") + [odd, Bytes("-H".utf8) + odd])
    #expect(put.operands == [odd])
    #expect(put.value("message") == odd)
    #expect(put.values("header") == [odd])
    let take = try run(words("take tools --") + [odd])
    #expect(take.trailing == [odd])
  }

  @Test func answersForItsFlags() throws {
    let invocation = try run(words("put tools -H a -H b --lines"))
    #expect(invocation.has("lines"))
    #expect(!invocation.has("quiet"))
    #expect(invocation.value("header") == Bytes("b".utf8))
    #expect(invocation.values("header").count == 2)
    #expect(invocation.value("message") == nil)
    #expect(invocation.value("lines") == nil)
    #expect(invocation.values("message").isEmpty)

    let waiting = try run(words("take tools --wait"))
    #expect(waiting.has("wait"))
    #expect(waiting.value("wait") == nil)
    #expect(waiting.trailing == nil)
  }

  @Test func askingForAnUndeclaredFlagTraps() async {
    await #expect(processExitsWith: .failure) {
      if case .run(let invocation)? = try? sample.parse(words("list")) { _ = invocation.has("repair") }
    }
    // The same question put to a command that declares it.
    await #expect(processExitsWith: .success) {
      if case .run(let invocation)? = try? sample.parse(words("check")) { _ = invocation.has("repair") }
    }
  }
}
