// post read: the letters of a mailbox, printed, handed to a command, or leased.

import Commands
import Linux
import PostOffice

enum Read: Verb {
  static let name = "read"
  static let command = Command(
    name, operands: [Operand("MAILBOX")], trailing: "COMMAND [ARG...]",
    summary: "read the oldest letter of a mailbox",
    discussion: """
      Prints the body of the oldest letter; then the letter is done. Exits with 1 when
      none is waiting. With a COMMAND, gives it the body on standard input instead,
      and its exit code decides: 0 done; 65 or 100 failed; 126 or 127 the command
      cannot run, the letter waits; anything else tried again later. post read then
      exits as the command did, or with 75 if one of several letters is not done. If it
      fails on a batch, it gets each letter of it alone.
      """,
    flags: [
      Flag("count", short: "n", value: .required("N"), help: "read up to N letters"),
      Flag("all", short: "a", help: "read all that are waiting"),
      Flag("wait", short: "w", value: .optional("D"), help: "if none is waiting, wait for one, D at most"),
      Flag("follow", short: "f", help: "read all, then go on reading what arrives"),
      Flag(
        "batch", value: .required("N"),
        help: "give a COMMAND N letters at once, or fewer: their files, whole letters, as arguments"),
      Flag("peek", help: "only look: the letters stay where they are"),
      Flag(
        "format", value: .required("body|letter|json"),
        help: "what to print of a letter: its body (the default), its headers too, or one line of JSON"),
      Flag(
        "lease", value: .required("D"),
        help:
          "claim the letter for D and print its ID; post done, fail or release settles it, else it comes back"
      ),
    ],
    examples: [
      Example("while post read stock > order; do ./book < order; done"),
      Example("post read stock --all -- ./book", "from cron: each letter to ./book"),
      Example("id=$(post read stock --lease 10m) && ./book \"$id\" && post done stock \"$id\""),
    ])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let name = try call.name(as: "mailbox")
    let format = try LetterFormat(call, default: .body)
    let lease = try call.duration("lease")
    let trailing = call.invocation.trailing
    let limit = try limit(call)
    let batch = try call.count("batch")
    if let batch, trailing == nil || batch > 1000 {
      throw PostError(
        .usage, "post read: --batch N is for a COMMAND, and gives it 1000 letters at most; add -- COMMAND")
    }
    let patience = call.has("wait") ? Patience.upTo(try call.duration("wait")) : .none
    try call.exclude(["peek", "lease"], trailing == nil ? nil : "a COMMAND")
    try call.exclude(["follow", "peek"])
    if lease != nil, call.has("format") {
      throw PostError(.usage, "post read: --lease prints the ID alone; leave --format out")
    }

    let bodyLimit = trailing == nil && lease == nil ? format.bodyLimit : .max
    let mailbox = try call.office().mailbox(name, bodyLimit: bodyLimit)
    if call.has("peek") { return try peek(mailbox, limit, format) }
    let follows = call.has("follow")
    let round = ReadLoop(
      mailbox: mailbox, limit: limit, patience: follows ? .upTo(nil) : patience, follows: follows,
      batch: batch == 1 ? nil : batch)
    let settings = try mailbox.settings()
    if let words = trailing {
      return try round.handle(with: words.map { Path($0) }, settings, isSingle: limit == 1)
    }
    return try round.run(lease: lease) { (claims) throws(PostError) in
      let claim = claims[0]
      do throws(PostError) {
        if lease != nil {
          try print("\(claim.letter.id)\n")
        } else {
          try format.print(claim.letter, claim.attempt, topic: claim.topic)
        }
      } catch {
        try? claim.release()
        let trouble =
          error.message.isEmpty ? "cannot write to standard output: nobody reads it" : error.message
        throw PostError(error.kind, "\(trouble); letter \(claim.letter.id) stays in mailbox \(name)")
      }
      if lease == nil { try claim.settle(.done, settings: settings) }
      return true
    }
  }

  private static func limit(_ call: CommandContext) throws(PostError) -> Int {
    try call.exclude(["count", "all", "follow"])
    if call.has("all") || call.has("follow") { return .max }
    if let count = try call.count("count") { return count }
    return try call.count("batch") ?? 1  // one letter, or one batch
  }

  private static func peek(_ mailbox: Mailbox, _ limit: Int, _ format: LetterFormat) throws(PostError)
    -> Int32
  {
    try mailbox.refresh()
    var shown = 0
    var trouble: PostError?
    try mailbox.forEachEntry(in: .new) { (entry) throws(PostError) in
      let letter: Letter
      do throws(PostError) {
        letter = try mailbox.open(entry)
        try letter.check()
        if letter.bodyLength > mailbox.bodyLimit { throw Letter.tooLarge(letter.id.path) }
      } catch let error where error.kind == .notFound {
        return true  // claimed meanwhile
      } catch {
        // It hides nothing that stands behind it.
        if let earlier = trouble { mailbox.office.warn(earlier.message) }
        trouble = error
        return true
      }
      try format.print(
        letter, EntryName(entry.name).attempt ?? 0, topic: mailbox.topic(of: letter, at: entry))
      shown += 1
      return shown < limit
    }
    if let trouble {
      if shown == 0 { throw trouble }
      mailbox.office.warn(trouble.message)
    }
    return shown > 0 ? 0 : 1
  }
}
