// post status: how the office is: troubles first, then counts.

import Commands
import Linux
import PostOffice
import Text
import Watching

enum Status: Verb {
  static let name = "status"
  static let command = Command(
    name, summary: "show how topics and mailboxes are",
    discussion: """
      Troubles come first, each on a line that begins with an exclamation mark: a disk
      that is nearly full or has less free than Min-Free says, handlers that cannot run,
      letters that failed, are corrupt or are held for a mailbox.
      """,
    flags: [Flag("json", help: "one JSON object a line")])

  private struct MailboxLine: Encodable {
    let kind = "mailbox"
    let name: String
    let waiting, inHands, later, done, failed, corrupt: Int
    let handler: String?
    let trouble: [String]

    enum CodingKeys: String, CodingKey {
      case kind, name, waiting, later, done, failed, corrupt, handler, trouble
      case inHands = "in_hands"
    }
  }

  private struct TopicLine: Encodable {
    let kind = "topic"
    let name: String
    let kept, unsorted, held, corrupt: Int
    let subscribers: [String]
    let trouble: [String]
  }

  private struct DiskLine: Encodable {
    let kind = "disk"
    /// Bytes.
    let free, size: Int64
    let freeInodes, inodes: Int64
    let trouble: [String]

    enum CodingKeys: String, CodingKey {
      case kind, free, size, inodes, trouble
      case freeInodes = "free_inodes"
    }
  }

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    let topics = try office.topicNames().map { (name) throws(PostError) in
      try line(office.topic(name), office)
    }
    let mailboxes = try office.mailboxNames().map { (name) throws(PostError) in try line(office.mailbox(name))
    }
    let disk = try disk(office)
    if call.has("json") {
      for topic in topics { try print(json(topic)) }
      for mailbox in mailboxes { try print(json(mailbox)) }
      try print(json(disk))
    } else {
      try print(text(disk, topics, mailboxes))
    }
    return 0
  }

  private static func disk(_ office: Office) throws(PostError) -> DiskLine {
    let space: Space
    do throws(Errno) { space = try office.root.space() } catch {
      throw PostError(error, "cannot tell how much space is free")
    }
    return DiskLine(
      free: space.free, size: space.size, freeInodes: space.freeInodes, inodes: space.inodes,
      trouble: try office.shortages())
  }

  private static func line(_ topic: Topic, _ office: Office) throws(PostError) -> TopicLine {
    var trouble = [String]()
    do throws(PostError) { _ = try office.settings(ofTopic: topic.name) } catch {
      trouble.append(error.message)
    }
    return TopicLine(
      name: topic.name.description, kept: try topic.count(.cur), unsorted: try topic.count(.new),
      held: try topic.heldCount(), corrupt: try topic.count(.corrupt),
      subscribers: try topic.subscribers().map(\.description), trouble: trouble)
  }

  private static func line(_ mailbox: Mailbox) throws(PostError) -> MailboxLine {
    var trouble = [String]()
    var handler: String?
    do throws(PostError) { handler = try mailbox.settings().handler } catch { trouble.append(error.message) }
    if let words = mailbox.brokenHandler { trouble.append(words) }
    if let words = mailbox.pausedBy { trouble.append("\(words); post resume \(mailbox.name)") }
    let (failed, corrupt) = (try mailbox.count(.failed), try mailbox.count(.corrupt))
    if failed > 0 {
      trouble.append("\(failed) failed; see post list \(mailbox.name), and post retry \(mailbox.name) ALL")
    }
    if corrupt > 0 { trouble.append("\(corrupt) corrupt; see mailboxes/\(mailbox.name)/corrupt") }
    return MailboxLine(
      name: mailbox.name.description, waiting: try mailbox.count(.new), inHands: try mailbox.count(.cur),
      later: try mailbox.count(.later), done: try mailbox.count(.done), failed: failed, corrupt: corrupt,
      handler: handler, trouble: trouble)
  }

  private static func text(_ disk: DiskLine, _ topics: [TopicLine], _ mailboxes: [MailboxLine]) -> String {
    var text = ""
    for words in disk.trouble { text += "! disk: \(words)\n" }
    for topic in topics { for words in topic.trouble { text += "! \(topic.name): \(words)\n" } }
    for mailbox in mailboxes { for words in mailbox.trouble { text += "! \(mailbox.name): \(words)\n" } }
    for topic in topics where topic.held > 0 {
      text += "! \(topic.name): \(topic.held) held for mailboxes that could not take them\n"
    }
    for topic in topics where topic.corrupt > 0 {
      text += "! \(topic.name): \(topic.corrupt) corrupt; see topics/\(topic.name)/corrupt\n"
    }
    for topic in topics where topic.unsorted > 0 {
      text +=
        "! \(topic.name): \(topic.unsorted) accepted, not yet sorted; post sweep finishes what a dead sender left\n"
    }
    if !text.isEmpty { text += "\n" }
    var table = Table(["TOPIC", "KEPT", "HELD", "SUBSCRIBERS"])
    for topic in topics {
      table.add([topic.name, "\(topic.kept)", "\(topic.held)", topic.subscribers.joined(separator: ",")])
    }
    if !table.isEmpty { text += table.text + "\n" }
    table = Table(["MAILBOX", "WAITING", "IN-HANDS", "LATER", "DONE", "FAILED", "HANDLER"])
    for line in mailboxes {
      let counts = [line.waiting, line.inHands, line.later, line.done, line.failed].map { "\($0)" }
      table.add([line.name] + counts + [line.handler.map { visible($0) } ?? "-"])
    }
    if !table.isEmpty { text += table.text }
    return text
  }
}
