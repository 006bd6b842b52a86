// What verbs have in common: what they are, and how they print and complain.

import Commands
import Linux
import PostOffice

/// One verb of the command line.
protocol Verb: Sendable {
  static var name: String { get }
  static var command: Command { get }
  /// - Returns: the exit code.
  static func run(_ call: CommandContext) throws(PostError) -> Int32
}

/// Writes to standard output; that failing is an error like any other.
func print(_ text: String) throws(PostError) {
  do throws(Errno) { try Streams.output(text) } catch { throw cannotPrint(error) }
}

func cannotPrint(_ errno: Errno) -> PostError {
  // A reader that has had enough (head, a pager) is no trouble worth words.
  let isOver = errno == .brokenPipe
  return PostError(.io, isOver ? "" : PostError(errno, "cannot write to standard output").message)
}

/// Tells of an error on standard error, in the way of Unix tools.
func complain(_ error: PostError) {
  if error.message.isEmpty { return }
  let text = error.message.hasPrefix("post ") ? error.message : "post: " + error.message
  Streams.error(Log.prefix(.error) + text + "\n")
}
