// What a verb is, and how all of them print and report errors.

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

/// Prints to standard output; that failing is an error like any other.
func print(_ text: String) throws(PostError) {
  do throws(Errno) { try Streams.output(text) } catch { throw cannotPrint(error) }
}

func cannotPrint(_ errno: Errno) -> PostError {
  let (operation, place) = ("cannot write to", "standard output")
  guard errno == .brokenPipe else { return PostError(errno, operation, place, kind: .io) }
  // A reader that wants no more (head, a pager) is no trouble worth a message.
  return PostError(.io, operation, place, cause: "its reader is gone").silenced()
}

/// Prints an error to standard error, with the program's name before it.
func complain(_ error: PostError) {
  if error.isSilent { return }
  let text = error.message.hasPrefix("post ") ? error.message : "post: " + error.message
  Streams.error(Log.prefix(.error) + text + "\n")
}
