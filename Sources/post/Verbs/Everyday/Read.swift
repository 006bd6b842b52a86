// post read: prints the letters of a mailbox, hands them to a command, or leases them.

import Commands
import Linux
import PostOffice
import Watching

enum Read: Verb {
  static let name = "read"
  static let command = Command(
    name, operands: [Operand("MAILBOX")], trailing: "COMMAND [ARG...]",
    summary: "read the oldest letter of a mailbox",
    discussion: """
      Prints the body of the oldest waiting letter; then the letter is done. Exits with 1
      if no letter is waiting.

      With a COMMAND, the command gets the body on standard input, and its exit code
      decides about the letter: 0 done; 65 or 100 failed; 126 or 127 the command cannot
      run, and the letter waits; any other: the letter is tried again later. post read
      then exits as the command did, or with 75 if one of several letters is not done. If
      the command fails on a batch, it gets each letter of the batch alone.
      """,
    flags: [
      Flag("count", short: "n", value: .required("N"), help: "read at most N letters"),
      Flag("all", short: "a", help: "read all waiting letters"),
      Flag("wait", short: "w", value: .optional("D"), help: "if none is waiting, wait for one, at most D"),
      Flag("follow", short: "f", help: "read all waiting letters, then each new one as it arrives"),
      Flag(
        "batch", value: .required("N"),
        help: "give a COMMAND up to N letters at once: their files, headers included, as arguments"),
      Flag("peek", help: "print letters, but leave them waiting"),
      Flag(
        "format", value: .required("body|letter|json"),
        help: "what to print of a letter: its body (the default), its headers too, or one line of JSON"),
      Flag(
        "lease", value: .required("D"),
        help: """
          claim the letter for D and print its ID; settle it with post done, fail or release, or it comes back
          """),
    ],
    examples: [
      Example("while post read stock > order; do ./book < order; done"),
      Example("post read stock --all -- ./book", "from cron: runs ./book for each letter"),
      Example("id=$(post read stock --lease 10m) && ./book \"$id\" && post done stock \"$id\""),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let name = try call.name(as: "mailbox")
    let format = try LetterFormat(call, default: .body)
    let lease = try call.duration("lease")
    let words = call.invocation.trailing
    try call.exclude(["count", "all", "follow"])
    let limit: Int? = try call.has("all") || call.has("follow") ? .max : call.count("count")
    let batch = try call.count("batch")
    if let batch, words == nil || batch > 1000 {
      throw PostError(
        .usage, nil, "post read", cause: "--batch needs a COMMAND and takes at most 1000",
        remedy: "add -- COMMAND")
    }
    let time = try call.duration("wait")
    try call.exclude(["peek", "lease"], words == nil ? nil : "a COMMAND")
    try call.exclude(["follow", "peek"])
    if lease != nil { try call.exclude(["lease", "format"]) }

    let bodyLimit = words == nil && lease == nil ? format.bodyLimit : .max
    let mailbox = try call.office().mailbox(name, bodyLimit: bodyLimit)
    if call.has("peek") {
      let shown = try mailbox.peek(limit: limit ?? 1) { (letter, entry) throws(PostError) in
        let attempt = EntryName(entry.name).attempt ?? 0
        try format.print(letter, attempt, topic: mailbox.topic(of: letter, at: entry))
      }
      return shown > 0 ? 0 : 1
    }
    var reader = try Reader(mailbox)
    reader.limit = limit ?? batch ?? 1  // one letter, or one batch
    reader.patience = call.has("follow") ? .everyLetter : call.has("wait") ? .firstLetter(time) : .none
    if let words { return try handle(&reader, batch ?? 1, words.map { Path($0) }) }
    reader.lease = lease
    let counts = try reader.run { (claims) throws(PostError) in
      let claim = claims[0]
      do throws(PostError) {
        if lease == nil {
          try format.print(claim.letter, claim.attempt, topic: claim.topic)
        } else {
          try print("\(claim.letter.id)\n")
        }
      } catch {
        throw error.adding(outcome: "letter \(claim.letter.id) stays in mailbox \(name)")
      }
      return (.done, true)
    }
    return counts.claimed > 0 ? 0 : 1
  }

  /// - Returns: what the command exited with for a single letter; else 75 if a letter is not done.
  private static func handle(_ reader: inout Reader, _ batch: Int, _ words: [Path]) throws(PostError) -> Int32
  {
    let command = try ForegroundCommand(words, reader.settings, isBatch: batch > 1)
    (reader.batch, reader.lendsBeacon, reader.signals) = (batch, true, command.signalDescriptor)
    let counts = try reader.run(command.run)
    if counts.claimed == 0 { return 1 }
    if reader.limit == 1 { return command.exit }
    return counts.done == counts.claimed ? 0 : PostError.Kind.tryAgain.rawValue
  }
}
