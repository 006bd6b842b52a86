// post done, post fail, post release: settle a leased letter.

import Commands
import Linux
import PostOffice

enum Done: Verb {
  static let name = "done"
  static let command = settling(name, "mark a leased letter as done", "Moves leased letters to done/.")

  static func run(_ call: CommandContext) throws(PostError) -> Int32 { try settle(call, .done) }
}

enum Fail: Verb {
  static let name = "fail"
  static let command = settling(
    name, "mark a leased letter as failed",
    "Moves leased letters to failed/. post retry puts them back.")

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    try settle(call, .failed("post fail"))
  }
}

enum Release: Verb {
  static let name = "release"
  static let command = settling(
    name, "give a leased letter back",
    "Moves leased letters back into new/, as if they had not been leased.")

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    try settle(call, .release)
  }
}

private func settling(_ name: String, _ summary: String, _ discussion: String) -> Command {
  Command(
    name, operands: [Operand("MAILBOX"), Operand("ID", .oneOrMore)], summary: summary,
    discussion: discussion + "\nAn ID may be shortened to any beginning that only one letter has.")
}

private func settle(_ call: CommandContext, _ verdict: Verdict) throws(PostError) -> Int32 {
  let mailbox = try call.office().mailbox(try call.name(as: "mailbox"))
  defer { mailbox.syncOrWarn() }
  return forEachID(call) { (id) throws(PostError) in try mailbox.settleLeased(id, verdict) }
}

/// Does something with each ID of the command line, also after one has failed.
/// - Returns: the exit code of the first failure, else 0.
func forEachID(_ call: CommandContext, _ work: (Path) throws(PostError) -> Void) -> Int32 {
  var code: Int32 = 0
  for word in call.invocation.operands.dropFirst() {
    do throws(PostError) {
      guard !word.isEmpty else { throw PostError(.usage, "an ID cannot be empty", remedy: "see post list") }
      try work(Path(word))
    } catch {
      complain(error)
      if code == 0 { code = error.exitCode }
    }
  }
  return code
}
