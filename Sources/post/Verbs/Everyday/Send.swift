// post send: letters into a topic. What they are read from is in Input.swift, in what groups they go in SendQueue.swift.

import Commands
import Linux
import PostOffice
import Text

enum Send: Verb {
  static let name = "send"
  static let command = Command(
    name, operands: [Operand("TOPIC"), Operand("FILE", .zeroOrMore)],
    summary: "send letters to a topic",
    discussion: """
      Sends each FILE (or - for standard input) as a letter, byte for byte; without a
      FILE, standard input. The topic is made if it is missing. With exit code 0 the
      letters survive kill -9 and power loss and will reach every mailbox subscribed
      at that moment. Otherwise the letter that failed reached nobody, and the
      message says how many were accepted before it.

      Several letters are accepted in groups: as many as can be read without
      waiting, up to 256 or 4 MiB. With --durability none nothing waits for the
      disk: a power cut may lose letters or tear them, kill -9 still cannot.
      """,
    flags: [
      Flag(
        "message", short: "m", value: .required("TEXT"),
        help: "the body, instead of a FILE; nothing is added to it"),
      Flag("subject", short: "s", value: .required("TEXT"), help: "the subject"),
      Flag("header", short: "H", value: .required("'Name: value'"), repeats: true, help: "a further header"),
      Flag("type", short: "t", value: .required("TYPE"), help: "the content type, such as application/json"),
      Flag("lines", short: "l", help: "each line is a letter, without its newline"),
      Flag("null", short: "0", help: "each NUL-ended piece is a letter"),
      Flag(
        "durability", value: .required("full|none"),
        help: "whether letters survive power loss, whatever Durability in topic.conf says"),
      Flag("id", help: "print the ID of each letter once it is accepted"),
    ],
    examples: [
      Example("post send orders < order.json"),
      Example("post send orders -s 'purchase approved' -t application/json order.json"),
      Example("find . -name '*.pdf' -print0 | post send --null scans", "a letter for each file's name"),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let name = try call.name(as: "topic")
    let envelope = try envelope(call)
    let files = call.invocation.operands.dropFirst().map { Path($0) }
    try call.exclude(["message"], files.isEmpty ? nil : "a FILE")
    try call.exclude(["lines", "null"])
    let durability = try call.value("durability", Durability.expected) { Durability(rawValue: $0) }
    let office = try call.office(making: true)
    let topic = try office.makeTopic(name)
    let dispatch = SendQueue(
      try SendBatch(topic, envelope, durability: durability), call, warn: office.warn)
    if let message = call.invocation.value("message") {
      try dispatch.send { () throws(PostError) in Input(text: message) }
    } else {
      for file in files.isEmpty ? ["-"] : files {
        try dispatch.send { () throws(PostError) in
          try dispatch.beforeOpening(file)
          return try Input(file)
        }
      }
    }
    try dispatch.finish()
    topic.tidyAfterSending()
    return 0
  }

  private static func envelope(_ call: CommandContext) throws(PostError) -> Envelope {
    var envelope = Envelope()
    func add(_ name: String, _ value: String?) throws(PostError) {
      if let value { envelope.headers.append(try Headers.Field(name, value)) }
    }
    try add("Subject", try call.text("subject"))
    try add("Content-Type", try call.text("type"))
    for bytes in call.invocation.values("header") {
      guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else {
        throw PostError(.usage, "'\(visible(bytes))' is no header; write it as 'Name: value'")
      }
      let value = bytes[(colon + 1)...].drop(while: \.isBlank)
      try add(
        try CommandContext.text(Array(bytes[..<colon]), "--header"),
        try CommandContext.text(Array(value), "--header"))
    }
    return envelope
  }
}
