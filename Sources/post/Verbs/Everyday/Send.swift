// post send: sends letters to a topic. Input.swift reads them, SendQueue.swift sends them in batches.

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
      FILE, sends standard input. Makes the topic if it is missing. If the exit code is
      0, the letters survive kill -9 and power loss and will reach every mailbox that is
      subscribed now. Else the letter that failed reaches no mailbox, and the message
      says how many letters before it were accepted.

      Several letters are accepted in batches: as many as can be read without waiting, up
      to 256 or 4 MiB. With --durability none, post send does not wait for the disk: a
      power cut may lose or tear the letters, kill -9 still cannot.
      """,
    flags: [
      Flag(
        "message", short: "m", value: .required("TEXT"),
        help: "the body, instead of a FILE; no newline is added"),
      Flag("subject", short: "s", value: .required("TEXT"), help: "the subject"),
      Flag("header", short: "H", value: .required("'Name: value'"), repeats: true, help: "another header"),
      Flag("type", short: "t", value: .required("TYPE"), help: "the content type, such as application/json"),
      Flag("lines", short: "l", help: "each line is a letter, without its newline"),
      Flag("null", short: "0", help: "each piece that ends in a NUL is a letter"),
      Flag(
        "durability", value: .required("full|none"),
        help: "whether letters survive power loss; overrides Durability in topic.conf"),
      Flag("id", help: "print the ID of each letter once it is accepted"),
    ],
    examples: [
      Example("post send orders < order.json"),
      Example("post send orders -s 'purchase approved' -t application/json order.json"),
      Example("find . -name '*.pdf' -print0 | post send --null scans", "one letter per file name"),
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
    let queue = SendQueue(
      try SendBatch(topic, envelope, durability: durability), call, warn: office.warn)
    if let message = call.invocation.value("message") {
      try queue.send { () throws(PostError) in Input(text: message) }
    } else {
      for file in files.isEmpty ? ["-"] : files {
        try queue.send { () throws(PostError) in
          try queue.prepareToOpen(file)
          return try Input(file)
        }
      }
    }
    try queue.finish()
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
        throw PostError(.usage, "invalid header '\(visible(bytes))'", cause: "expected 'Name: value'")
      }
      let value = bytes[(colon + 1)...].drop(while: \.isBlank)
      try add(
        try CommandContext.text(Array(bytes[..<colon]), "--header"),
        try CommandContext.text(Array(value), "--header"))
    }
    return envelope
  }
}
