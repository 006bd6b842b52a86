// post list: topics and mailboxes, or the letters of one.

import Commands
import Linux
import PostOffice
import Text
import Watching

enum List: Verb {
  static let name = "list"
  static let command = Command(
    name, operands: [Operand("TOPIC|MAILBOX", .optional)],
    summary: "list topics and mailboxes, or the letters of one",
    discussion: """
      Without a name, prints a line for each topic and mailbox. With one, a line for each
      letter: its place, its ID, when it was sent, the attempts so far, its sender and
      its subject.
      """,
    flags: [Flag("json", help: "print one JSON object per line")],
    examples: [Example("post list stock | grep '^failed'")])

  private struct LetterLine: Encodable {
    let place, id, sent: String
    let attempt: Int
    let from, subject: String
  }

  private struct NameLine: Encodable {
    let kind, name: String
    /// The subscribers of a topic, or the topics of a mailbox.
    let with: [String]
  }

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    guard !call.invocation.operands.isEmpty else { return try listAll(office, call) }
    let name = try call.name(as: "topic or mailbox")
    let isTopic = try office.topicNames().contains(name)
    let isMailbox = try office.mailboxNames().contains(name)
    guard isTopic || isMailbox else {
      throw PostError(
        .notFound, "there is neither a topic nor a mailbox '\(name)' in", "\(office.path)",
        remedy: "post list shows what there is")
    }
    if isMailbox {
      let mailbox = try office.mailbox(name)
      for place in Place.states {
        try mailbox.forEachEntry(in: place) { (entry) throws(PostError) in
          let name = EntryName(entry.name)
          // A mail reader moved it to cur/: no process has claimed it.
          let word = place == .cur && name.attempt == nil ? "foreign" : place.rawValue
          try show(word, name, try? mailbox.open(entry), call)
          return true
        }
      }
    }
    if isTopic {
      let topic = try office.topic(name)
      for place in TopicPlace.allCases {
        try topic.forEachEntry(in: place) { (file, name) throws(PostError) in
          try show(place.word, name, try? topic.open(file), call)
          return true
        }
      }
    }
    return 0
  }

  private static func listAll(_ office: Office, _ call: CommandContext) throws(PostError) -> Int32 {
    var entries = [NameLine]()
    for name in try office.topicNames() {
      let with = try office.topic(name).subscribers().map(\.description)
      entries.append(NameLine(kind: "topic", name: name.description, with: with))
    }
    for name in try office.mailboxNames() {
      let with = try office.topics(of: name).map(\.name.description)
      entries.append(NameLine(kind: "mailbox", name: name.description, with: with))
    }
    if call.has("json") {
      for entry in entries { try print(json(entry)) }
      return 0
    }
    var table = Table(["KIND", "NAME", "SUBSCRIBERS|TOPICS"])
    for entry in entries { table.add([entry.kind, entry.name, entry.with.joined(separator: ",")]) }
    if !table.isEmpty { try print(table.text) }
    return 0
  }

  private static func show(
    _ place: String, _ entry: EntryName, _ letter: Letter?, _ call: CommandContext
  ) throws(PostError) {
    let line = LetterLine(
      place: place, id: entry.id.description, sent: entry.id.sentText ?? "-", attempt: entry.attempt ?? 0,
      from: letter?.from ?? "-", subject: letter?.subject ?? "")
    if call.has("json") { return try print(json(line)) }
    let padded = place + String(repeating: " ", count: max(0, 7 - place.count))
    let subject = line.subject.isEmpty ? "" : "  " + visible(line.subject)
    try print("\(padded)  \(line.id)  \(line.sent)  \(line.attempt)  \(visible(line.from))\(subject)\n")
  }
}
