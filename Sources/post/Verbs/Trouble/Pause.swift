// post pause, post resume: a mailbox is handed to no handler for a while.

import Commands
import PostOffice

enum Pause: Verb {
  static let name = "pause"
  static let command = Command(
    name, operands: [Operand("MAILBOX", .oneOrMore)],
    summary: "hand out no letters of a mailbox until it is resumed",
    discussion: """
      post watch gives no letter of the MAILBOX to a handler until post resume, also
      after a restart. Handlers at work finish. Letters still arrive, and post read
      still reads them: a pause is for handlers that nobody stands beside.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    for name in try call.names(from: 0, as: "mailbox") { try office.mailbox(name).pause() }
    return 0
  }
}

enum Resume: Verb {
  static let name = "resume"
  static let command = Command(
    name, operands: [Operand("MAILBOX", .oneOrMore)],
    summary: "hand out the letters of a mailbox again",
    discussion: """
      Ends post pause. Ends as well the pause that post watch makes when a handler is
      broken: it is tried at once.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    for name in try call.names(from: 0, as: "mailbox") { try office.mailbox(name).resume() }
    return 0
  }
}
