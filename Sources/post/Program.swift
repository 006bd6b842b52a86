// The program: finds the verb, runs it, and turns an error into a message and an exit code.

import Commands
import Linux
import PostOffice

enum Program {
  /// Name and version, as `post --version` prints them.
  static let nameAndVersion: StaticString = "post 0.1.0\n"

  /// All verbs, in the order of the help text.
  static let verbs: [any Verb.Type] = [
    Send.self, Subscribe.self, Unsubscribe.self, Read.self, Done.self, Fail.self, Release.self,
    Watch.self, Pause.self, Resume.self, List.self, Show.self, Status.self, Retry.self, Replay.self,
    Sweep.self, Check.self,
  ]

  /// The verb of this name. Not looked for in the list, for to make that costs more than to parse a command line.
  static func verb(_ name: String) -> (any Verb.Type)? {
    switch name {
    case Send.name: Send.self
    case Subscribe.name: Subscribe.self
    case Unsubscribe.name: Unsubscribe.self
    case Read.name: Read.self
    case Done.name: Done.self
    case Fail.name: Fail.self
    case Release.name: Release.self
    case Watch.name: Watch.self
    case Pause.name: Pause.self
    case Resume.name: Resume.self
    case List.name: List.self
    case Show.name: Show.self
    case Status.name: Status.self
    case Retry.name: Retry.self
    case Replay.name: Replay.self
    case Sweep.name: Sweep.self
    case Check.name: Check.self
    default: nil
    }
  }

  /// The grammar of the whole program.
  static var grammar: Grammar { grammar(of: verbs.map { $0.command }) }

  private static func grammar(of commands: [Command]) -> Grammar {
    Grammar(
      program: "post", version: "\(nameAndVersion)",
      summary: "The post office for one machine: letters from programs to programs, and none gets lost",
      flags: [
        Flag(
          "spool", value: .required("DIR"),
          help:
            "the post office to use; default: $POST_SPOOL, else /var/spool/post if it exists, else ~/.local/state/post"
        ),
        Flag("quiet", short: "q", help: "no warnings, only errors"),
        Flag("verbose", short: "v", help: "tell what is done"),
      ],
      commands: commands,
      footer: """
        Exit codes: 0 done, 1 nothing there to read (post check: something found), 64
        usage, 65 bad data, 66 no such topic, mailbox or letter, 70 bug, 73 cannot
        create, 74 I/O error, 75 try again (disk full, quota), 77 no permission, 78 bad
        settings.
        """)
  }

  static func run(_ arguments: [Bytes]) -> Int32 {
    do throws(PostError) {
      // The table of one verb is enough for most calls; to build all of them would cost more time
      // than the rest of the start.
      let verb = arguments.isEmpty ? nil : self.verb(String(decoding: arguments[0], as: UTF8.self))
      let grammar = verb.map { self.grammar(of: [$0.command]) } ?? self.grammar
      switch try parse(arguments, grammar) {
      case .help(let command):
        try print(command.map(grammar.help(for:)) ?? grammar.help())
        return 0
      case .version:
        return tellVersion()
      case .run(let invocation):
        let name = invocation.command.name
        guard let verb = verb ?? self.verb(name) else { return 70 }
        return try verb.run(CommandContext(invocation))
      }
    } catch {
      complain(error)
      return error.exitCode
    }
  }

  /// Prints name and version.
  static func tellVersion() -> Int32 {
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
