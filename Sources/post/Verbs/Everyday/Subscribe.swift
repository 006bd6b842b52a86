// post subscribe, post unsubscribe: which mailbox gets the letters of which topics.

import Commands
import Linux
import PostOffice
import Text

enum Subscribe: Verb {
  static let name = "subscribe"
  static let command = Command(
    name, operands: [Operand("MAILBOX"), Operand("TOPIC", .oneOrMore)],
    trailing: "HANDLER [ARG...]",
    summary: "give a mailbox its own copy of a topic's letters",
    discussion: """
      Makes the mailbox and the topics if they are missing. A new subscriber also gets
      the letters that the topic still keeps, unless --from says otherwise. The words
      after -- become the mailbox's handler, which post watch runs for each letter: it
      gets the body on standard input and the rest in POST_... variables. The options are
      written to mailboxes/MAILBOX/mailbox.conf, where you may edit them.
      """,
    flags: [
      Flag(
        "from", value: .required("start|now|AGE"),
        help: """
          which kept letters to get: all (start, the default), none (now), or those of the last AGE, such as 2d
          """)
    ]
      + Setting.flagged.map { setting, flag in
        Flag(
          flag.name, value: .required(flag.label),
          help: "\(setting.help) (default: \(setting.usual ?? "none"))"
        )
      },
    examples: [
      Example("post subscribe stock orders -- /usr/local/bin/update-stock"),
      Example("post subscribe audit orders invoices --from now", "no handler: read it with post read"),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let mailbox = try call.name(as: "mailbox")
    let topics = try call.names(from: 1, as: "topic")
    let backlog = try call.value("from", "start, now or an age such as 2d", backlog) ?? .start
    var (changes, settings) = ([(name: String, value: String)](), Settings())
    for (setting, flag) in Setting.flagged {
      guard let value = try call.text(flag.name) else { continue }
      if let trouble = setting.put(value, into: &settings, as: "--\(flag.name)") {
        throw PostError(.usage, cause: trouble)
      }
      changes.append((setting.name, value))
    }
    if let words = call.invocation.trailing { changes.append(("Handler", try commandLine(words))) }

    let office = try call.office(making: true)
    try office.makeMailbox(mailbox)
    // The handler before the letters: a watcher that sees the mailbox must know what to run.
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

  /// The words as a line for /bin/sh. A relative path is meant from here, not from where the watcher will run.
  private static func commandLine(_ words: [Bytes]) throws(PostError) -> String {
    var words = words
    if let program = words.first, program.contains(UInt8(ascii: "/")), program.first != UInt8(ascii: "/") {
      let here: Path
      do throws(Errno) { here = try Host.workingDirectory() } catch {
        throw PostError(error, "cannot find the current directory")
      }
      words[0] = Array((here / Path(program)).bytes)
    }
    let quoted = try words.map { (word) throws(PostError) in
      let text = try CommandContext.text(word, "the handler")
      if text.utf8.contains(where: { "\r\n".utf8.contains($0) }) {
        throw PostError(
          .usage, "a word of the handler contains a line break", remedy: "put it into a script")
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
      Ends the subscription to each TOPIC; without a TOPIC, to all. The mailbox and its
      letters stay.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let mailbox = try call.name(as: "mailbox")
    let office = try call.office()
    var topics = try call.names(from: 1, as: "topic")
    if topics.isEmpty {
      topics = try office.topics(of: mailbox).map(\.name)
      if topics.isEmpty { _ = try office.mailbox(mailbox) }  // throws if there is no such mailbox
    }
    for topic in topics { try office.unsubscribe(mailbox, from: topic) }
    return 0
  }
}
