// post watch: runs handlers for letters until it is stopped.

import Commands
import Linux
import PostOffice
import Watching

enum Watch: Verb {
  static let name = "watch"
  static let command = Command(
    name, operands: [Operand("MAILBOX", .zeroOrMore)],
    summary: "run the mailboxes' handlers for their letters",
    discussion: """
      Runs the handler of each MAILBOX for each letter as it arrives; without a MAILBOX,
      of all that have a handler, now or later. A handler gets the body on standard
      input, and POST_ID, POST_TOPIC, POST_SUBJECT, POST_ATTEMPT and others in its
      environment; its current directory is the mailbox. Its exit code decides about the
      letter: 0 done; 65 or 100 failed at once; 126 or 127 the handler is broken, and the
      letter waits; any other: the letter is tried again later, with growing delays.

      Batch, Handler-Mode and Order in mailbox.conf say how a handler gets letters: see
      post-handler(7). A handler is broken if it cannot run, or if letter after letter
      fails at once; then the watcher pauses its mailbox, and post status says so.

      SIGTERM or SIGINT stops the watcher: running handlers get ten seconds, then are
      terminated, and their letters are released; after a second signal it does not wait.
      SIGHUP makes it read the settings again. As a service it reports its state to
      systemd (sd_notify(3)).
      """,
    flags: [
      Flag("until-empty", help: "stop when nothing is left to do, not even a retry")
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
          manager.reportReload()
          watcher.discover()
        } else {
          manager.reportStop()
          watcher.stop()
        }
      }
    }
    return 0
  }
}
