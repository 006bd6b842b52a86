// post watch: hands letters to handlers until told to stop.

import Commands
import Linux
import PostOffice
import Watching

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

      Batch, Handler-Mode and Order in mailbox.conf say how letters are handed over:
      post-handler(7). A handler with which every letter fails at once, or that cannot
      run, is broken: its mailbox pauses, and post status says so.

      SIGTERM or SIGINT stops: handlers at work may finish for ten seconds, then they
      are ended and their letters given back; a second signal does not wait. SIGHUP
      reads the settings anew. As a service it tells systemd how it is (sd_notify(3)).
      """,
    flags: [
      Flag("until-empty", help: "stop when nothing is left to do, retries included")
    ],
    examples: [
      Example("post watch"),
      Example("post watch stock --until-empty", "from cron, instead of a service"),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let names = try call.names(from: 0, as: "mailbox")
    let office = try call.office()
    let signals = try SignalFile.stopping()
    OpenFiles.raiseLimit()
    let manager = ServiceManager()
    // In the journal, warnings have their priority.
    if Log.isJournal, !call.isQuiet {
      office.warn = { Streams.error("\(Log.prefix(.warning))post: warning: \($0)\n") }
    }
    let watcher = try Watcher(office, mailboxes: names.isEmpty ? nil : names)
    watcher.untilEmpty = call.has("until-empty")
    if call.isVerbose { watcher.tell = { Streams.error("\(Log.prefix(.info))post: \($0)\n") } }
    watcher.relay = { name, words in
      let begin = Array("\(Log.prefix(.notice))\(name): ".utf8)
      for line in words.split(separator: UInt8(ascii: "\n")) {
        Streams.error(begin + line + [UInt8(ascii: "\n")])
      }
    }
    try watcher.run(signals: signals.file.descriptor, beat: manager.beat) {
      while let signal = try? signals.next() {
        if signal == .hangUp {
          manager.isReloading()
          watcher.discover()
        } else {
          manager.isStopping()
          watcher.stop()
        }
      }
    }
    return 0
  }
}
