// post watch: hands letters to handlers until told to stop.

import Commands
import Linux
import PostOffice

enum Watch: Verb {
  static let name = "watch"
  static let command = Command(
    name, operands: [Operand("MAILBOX", .zeroOrMore)],
    summary: "hand letters to the mailboxes' handlers",
    discussion: """
      Runs the handler of each MAILBOX for each of its letters, as they come; without a
      MAILBOX, of all that have a handler, also those still to come. A handler gets the
      body on standard input and POST_ID, POST_TOPIC, POST_SUBJECT, POST_ATTEMPT and
      the like in its environment; its current directory is the mailbox. Its exit code
      decides: 0 done; 65 or 100 failed at once; 126 or 127 the handler is broken and
      the letter waits; anything else tried again later, with growing delays.

      SIGTERM or SIGINT stops: handlers at work may finish for ten seconds, then they
      are ended and their letters given back; a second signal does not wait. SIGHUP
      reads the settings anew.
      """,
    flags: [
      Flag("until-empty", help: "stop when nothing is left to do, retries included")
    ],
    examples: [
      Example("post watch"),
      Example("post watch stock --until-empty", "from cron, instead of a service"),
    ])

  static func run(_ call: Call) throws(PostError) -> Int32 {
    let names = try call.names(from: 0, as: "mailbox")
    let office = try call.office()
    let signals = try SignalFile.stopping()
    let watcher = try Watcher(office, mailboxes: names.isEmpty ? nil : names)
    watcher.untilEmpty = call.has("until-empty")
    if call.isVerbose { watcher.tell = { Streams.error("post: \($0)\n") } }
    watcher.relay = { name, words in
      for line in words.split(separator: UInt8(ascii: "\n")) {
        Streams.error(Array("\(name): ".utf8) + line + [UInt8(ascii: "\n")])
      }
    }
    try watcher.run(signals: signals.file.descriptor) {
      while let signal = try? signals.next() {
        if signal == .hangUp { watcher.discover() } else { watcher.stop() }
      }
    }
    return 0
  }
}
