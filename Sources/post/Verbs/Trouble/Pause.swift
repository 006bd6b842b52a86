// post pause, post resume: the watcher runs no handler for a mailbox for a while.

import Commands
import PostOffice

enum Pause: Verb {
  static let name = "pause"
  static let command = Command(
    name, operands: [Operand("MAILBOX", .oneOrMore)],
    summary: "run no handler for a mailbox until it is resumed",
    discussion: """
      post watch gives no letter of the MAILBOX to its handler until post resume, not
      even after a restart. Handlers that run now finish. Letters still arrive, and post
      read still reads them.
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
    summary: "run the handler of a mailbox again",
    discussion: """
      Ends a pause, whether post pause made it or post watch did because the handler is
      broken; then the watcher tries the handler at once.
      """)

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    for name in try call.names(from: 0, as: "mailbox") { try office.mailbox(name).resume() }
    return 0
  }
}
