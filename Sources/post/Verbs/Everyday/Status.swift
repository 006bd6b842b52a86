// post status: problems first, then counts.

import Commands
import PostOffice
import Text

enum Status: Verb {
  static let name = "status"
  static let command = Command(
    name, summary: "show counts and problems",
    discussion: """
      Problems come first, each on a line that begins with an exclamation mark: a disk
      that is nearly full or has less free than Min-Free asks for, handlers that cannot
      run, letters that failed, are corrupt or are held for a mailbox.
      """,
    flags: [Flag("json", help: "print one JSON object per line")])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let status = try call.office().status()
    if call.has("json") {
      for topic in status.topics { try print(json(topic)) }
      for mailbox in status.mailboxes { try print(json(mailbox)) }
      try print(json(status.disk))
    } else {
      try print(text(status))
    }
    return 0
  }

  private static func text(_ status: OfficeStatus) -> String {
    var topics = Table(["TOPIC", "KEPT", "HELD", "SUBSCRIBERS"])
    for topic in status.topics {
      topics.add([topic.name, "\(topic.kept)", "\(topic.held)", topic.subscribers.joined(separator: ",")])
    }
    var mailboxes = Table(["MAILBOX", "WAITING", "IN-HANDS", "LATER", "DONE", "FAILED", "HANDLER"])
    for mailbox in status.mailboxes {
      let counts = [mailbox.waiting, mailbox.inHands, mailbox.later, mailbox.done, mailbox.failed]
      mailboxes.add([mailbox.name] + counts.map { "\($0)" } + [mailbox.handler.map { visible($0) } ?? "-"])
    }
    let problems = status.problems.map { "! \($0)\n" }.joined()
    return problems + (problems.isEmpty ? "" : "\n")
      + (topics.isEmpty ? "" : topics.text + "\n") + (mailboxes.isEmpty ? "" : mailboxes.text)
  }
}
