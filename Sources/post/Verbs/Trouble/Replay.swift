// post replay: gives a mailbox old letters of its topics again.

import Commands
import Linux
import PostOffice

enum Replay: Verb {
  static let name = "replay"
  static let command = Command(
    name, operands: [Operand("MAILBOX")],
    summary: "give a mailbox old letters of its topics again",
    discussion: """
      Puts every letter that the topics of MAILBOX still keep into its new/ again, with
      all its tries: those that are done or failed move back, and those that it no longer
      has, or never had, are linked from the topic. Letters that wait, are claimed, are
      to be tried again or are corrupt stay as they are. When post replay exits, this is
      durable.

      With --topic it replays that topic alone, even if MAILBOX is not subscribed to it.
      """,
    flags: [
      Flag("since", value: .required("AGE"), help: "only letters sent within the last AGE, such as 2d"),
      Flag("topic", value: .required("TOPIC"), help: "only the letters of this topic"),
    ],
    examples: [
      Example("post replay stock --since 2d", "the handler had a bug for two days"),
      Example("post replay audit --topic orders"),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let name = try call.name(as: "mailbox")
    let age = try call.duration("since")
    let chosen = try call.invocation.value("topic").map { (word) throws(PostError) in
      try Name(bytes: word, as: "topic")
    }
    let office = try call.office()
    let mailbox = try office.mailbox(name)
    let topics = if let chosen { [try office.topic(chosen)] } else { try office.topics(of: name) }
    guard !topics.isEmpty else {
      throw PostError(
        .notFound, "mailbox \(name) is subscribed to no topic", remedy: "name one with --topic")
    }
    var trouble: PostError?
    for topic in topics {
      do throws(PostError) {
        let count = try mailbox.replay(topic, since: age)
        let letters = count == 1 ? "1 letter" : "\(count) letters"
        if call.isVerbose { Streams.error("post: \(name): \(letters) of topic \(topic.name) replayed\n") }
      } catch {
        if let earlier = trouble { complain(earlier) }
        trouble = error
      }
    }
    if let trouble { throw trouble }
    return 0
  }
}
