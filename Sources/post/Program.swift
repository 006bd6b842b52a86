// The program: finds the verb, runs it, and turns an error into a message and an exit code.

import Commands
import Linux
import PostOffice

enum Program {
  /// What `post --version` prints.
  static let nameAndVersion: StaticString = "post 0.1.0\n"

  /// The first verb that is wanted, in the order of the help text. (Not an array: to make one of these takes longer than to
  /// parse a command line.)
  private static func firstVerb(where isWanted: (any Verb.Type) -> Bool) -> (any Verb.Type)? {
    let verbs: InlineArray<_, any Verb.Type> = [
      Send.self, Subscribe.self, Unsubscribe.self,
      Read.self, Done.self, Fail.self, Release.self,
      Watch.self, Pause.self, Resume.self,
      List.self, Show.self, Status.self,
      Retry.self, Replay.self,
      Sweep.self, Check.self,
    ]
    for index in verbs.indices where isWanted(verbs[index]) { return verbs[index] }
    return nil
  }

  static func verb(_ name: String) -> (any Verb.Type)? { firstVerb { $0.name == name } }

  static var verbs: [any Verb.Type] {
    var all = [any Verb.Type]()
    _ = firstVerb {
      all.append($0)
      return false
    }
    return all
  }

  /// The grammar of the whole program.
  static var grammar: Grammar { grammar(of: verbs.map { $0.command }) }

  private static func grammar(of commands: [Command]) -> Grammar {
    Grammar(
      program: "post", version: "\(nameAndVersion)",
      summary: "durable publish/subscribe between programs on one machine; no broker, no daemon",
      flags: [
        Flag(
          "spool", value: .required("DIR"),
          help: """
            the directory of letters; default: $POST_SPOOL, else /var/spool/post if it exists, else \
            ~/.local/state/post
            """),
        Flag("quiet", short: "q", help: "print errors only, no warnings"),
        Flag("verbose", short: "v", help: "say what is done"),
      ],
      commands: commands,
      footer: """
        Exit codes: 0 done, 1 no letter is waiting (post check: something was found),
        64 wrong usage, 65 bad data, 66 no such topic, mailbox or letter, 70 a bug in
        post, 73 cannot create, 74 I/O error, 75 try again (disk full, quota), 77 no
        permission, 78 bad settings.
        """)
  }

  static func run(_ arguments: [Bytes]) -> Int32 {
    do throws(PostError) {
      // The grammar of one verb is enough for most calls; that of all takes longer than the rest of the start.
      let verb = arguments.isEmpty ? nil : self.verb(String(decoding: arguments[0], as: UTF8.self))
      let grammar = verb.map { self.grammar(of: [$0.command]) } ?? self.grammar
      switch try parse(arguments, grammar) {
      case .help(let command):
        try print(command.map(grammar.help(for:)) ?? grammar.help())
        return 0
      case .version:
        return printVersion()
      case .run(let invocation):
        guard let verb = verb ?? self.verb(invocation.command.name) else {
          return PostError.Kind.bug.rawValue
        }
        return try verb.run(CommandContext(invocation))
      }
    } catch {
      complain(error)
      return error.exitCode
    }
  }

  static func printVersion() -> Int32 {
    let text = nameAndVersion
    do throws(Errno) {
      try Streams.output(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
      return 0
    } catch {
      complain(cannotPrint(error))
      return PostError.Kind.io.rawValue
    }
  }

  private static func parse(_ arguments: [Bytes], _ grammar: Grammar) throws(PostError) -> Parsed {
    do throws(UsageError) { return try grammar.parse(arguments) } catch {
      let own = "post: "
      throw PostError(
        .usage, error.message.hasPrefix(own) ? String(error.message.dropFirst(own.count)) : error.message)
    }
  }
}
