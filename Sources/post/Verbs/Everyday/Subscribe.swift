// post subscribe, post unsubscribe: which mailbox gets the letters of which topics.

import Commands
import Linux
import PostOffice
import Text
import Watching

enum Subscribe: Verb {
  static let name = "subscribe"
  static let command = Command(
    name, operands: [Operand("MAILBOX"), Operand("TOPIC", .oneOrMore)],
    trailing: "HANDLER [ARG...]",
    summary: "give a mailbox its own copy of a topic's letters",
    discussion: """
      Makes the mailbox and the topics if they are missing. A new subscriber also gets
      the letters that the topic still keeps, unless --from says otherwise. What
      stands behind -- becomes the mailbox's handler, which post watch runs for each
      letter: body on standard input, the rest in POST_... variables. The options
      are written to mailboxes/MAILBOX/mailbox.conf, where you may edit them.
      """,
    flags: [
      Flag(
        "from", value: .required("start|now|AGE"),
        help:
          "which of the topic's letters to get: all it keeps (the default), none, or those of the last AGE, such as 2d"
      ),
      Flag("tries", value: .required("N"), help: "attempts before a letter fails for good (20)"),
      Flag("timeout", value: .required("D"), help: "how long a handler may take (1h), or none"),
      Flag(
        "retry", value: .required("D..D"), help: "first and longest delay before another attempt (1s..10m)"),
      Flag("parallel", value: .required("N"), help: "handlers at once (1)"),
      Flag("batch", value: .required("N"), help: "the most letters given to a handler at once (1)"),
      Flag(
        "mode", value: .required("exec|stream"),
        help: "run the handler for each letter or batch (exec), or start it once and tell it of each (stream)"
      ),
      Flag(
        "order", value: .required("any|strict"),
        help: "strict: one letter at a time, and none overtakes one that is tried again"),
    ],
    examples: [
      Example("post subscribe stock orders -- /usr/local/bin/update-stock"),
      Example("post subscribe audit orders invoices --from now", "no handler: read it with post read"),
    ])

  /// Flags that are settings: they have the same name in the file, but for one.
  private static let settings = ["batch", "mode", "order", "parallel", "retry", "timeout", "tries"]

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let mailbox = try call.name(as: "mailbox")
    let topics = try call.names(from: 1, as: "topic")
    let backlog = try call.value("from", "start, now or an age such as 2d", backlog) ?? .start
    var changes = [(name: String, value: String)]()
    for flag in settings {
      let name = flag == "mode" ? "Handler-Mode" : flag
      guard let value = try call.text(flag), let setting = Setting.named(name) else { continue }
      try setting.check(value)
      changes.append((setting.name, value))
    }
    if let words = call.invocation.trailing { changes.append(("Handler", try commandLine(words))) }

    let office = try call.office(making: true)
    try office.makeMailbox(mailbox)
    // The handler before the letters: a watcher that sees the mailbox shall know what to do.
    try office.change(changes, of: mailbox)
    for topic in topics { try office.subscribe(mailbox, to: topic, from: backlog) }
    return 0
  }

  private static func backlog(_ text: String) -> Backlog? {
    switch text {
    case "start": .start
    case "now": .now
    default: Duration(postText: text).map { .since($0) }
    }
  }

  /// The words as a line for /bin/sh. A program given by a relative path is meant from here, not
  /// from where the watcher will run.
  private static func commandLine(_ words: [Bytes]) throws(PostError) -> String {
    var words = words
    if let program = words.first, program.contains(UInt8(ascii: "/")), program.first != UInt8(ascii: "/") {
      let here: Path
      do throws(Errno) { here = try Host.workingDirectory() } catch {
        throw PostError(error, "cannot tell the current directory")
      }
      words[0] = Array((here / Path(program)).bytes)
    }
    let quoted = try words.map { (word) throws(PostError) in
      let text = try CommandContext.text(word, "the handler")
      if text.utf8.contains(where: { "\r\n".utf8.contains($0) }) {
        throw PostError(.usage, "a handler's word contains a line break; put it into a script")
      }
      return ShellWords.quoted(text)
    }
    return quoted.joined(separator: " ")
  }
}

enum Unsubscribe: Verb {
  static let name = "unsubscribe"
  static let command = Command(
    name, operands: [Operand("MAILBOX"), Operand("TOPIC", .zeroOrMore)],
    summary: "end a mailbox's subscriptions",
    discussion: """
      Ends the subscription to each TOPIC; without one, to all. The mailbox, and the
      letters in it, stay.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let mailbox = try call.name(as: "mailbox")
    let office = try call.office()
    var topics = try call.names(from: 1, as: "topic")
    if topics.isEmpty {
      topics = try office.topics(of: mailbox).map(\.name)
      if topics.isEmpty { _ = try office.mailbox(mailbox) }  // says so, if there is no such mailbox
    }
    for topic in topics { try office.unsubscribe(mailbox, from: topic) }
    return 0
  }
}
