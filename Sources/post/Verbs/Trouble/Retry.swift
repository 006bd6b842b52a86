// post retry: puts failed letters back.

import Commands
import PostOffice

enum Retry: Verb {
  static let name = "retry"
  static let command = Command(
    name, operands: [Operand("MAILBOX"), Operand("ID|ALL", .oneOrMore)],
    summary: "put failed letters back, with all their tries",
    discussion: """
      Moves letters from failed/ back into new/. An ID may also name a letter in later/,
      which waits for its next attempt. ALL stands for all failed letters.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let mailbox = try call.office().mailbox(try call.name(as: "mailbox"))
    defer { mailbox.syncOrWarn() }
    if call.invocation.operands.dropFirst().first == Array("ALL".utf8) {
      try mailbox.forEachEntry(in: .failed) { (entry) throws(PostError) in
        try mailbox.retry(entry)
        return true
      }
      return 0
    }
    return forEachID(call) { (id) throws(PostError) in
      try mailbox.retry(try mailbox.findOne(id, in: [.failed, .later]))
    }
  }
}
