// post replay: old letters of a topic come again.

import Commands
import Linux
import PostOffice

enum Replay: Verb {
  static let name = "replay"
  static let command = Command(
    name, operands: [Operand("MAILBOX")],
    summary: "give a mailbox old letters of its topics again",
    discussion: """
      Every letter that the topics of MAILBOX still keep comes into its new/ again,
      with all its tries: those that are done or have failed go back there, those that
      it has no more, or never had, are linked from the topic. What waits there already,
      is in hands or waits for another attempt stays as it is; what was set aside as
      corrupt stays there. When post replay ends, this is durable.

      With --topic, only the letters of that topic, also of one that MAILBOX is not
      subscribed to.
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
      throw PostError(.notFound, "mailbox \(name) is subscribed to no topic; name one with --topic")
    }
    var trouble: PostError?
    for topic in topics {
      // One topic's trouble keeps the others back from nothing.
      do throws(PostError) {
        let count = try mailbox.replay(topic, since: age)
        let letters = count == 1 ? "1 letter" : "\(count) letters"
        if call.isVerbose { Streams.error("post: \(name): \(letters) of topic \(topic.name) again\n") }
      } catch {
        if let earlier = trouble { complain(earlier) }
        trouble = error
      }
    }
    if let trouble { throw trouble }
    return 0
  }
}
