// The command of a handler, and the argument lists with which to start it.

import Linux
import Text

package enum HandlerCommand: Sendable {
  /// A command line for /bin/sh, as in a crontab.
  case shell(String)
  /// A program and its arguments, searched in PATH.
  case words([Path])

  /// The argument lists to try, the best first: a line that is only a program's path and words needs no shell.
  /// - Parameter files: further arguments.
  func argumentLists(with files: [Path]) -> [[Path]] {
    switch self {
    case .words(let words): return [words + files]
    case .shell(let line):
      let shell: [Path] = [
        "/bin/sh", "-c", Path(files.isEmpty ? line : ShellWords.adding(filesTo: line) ?? line),
      ]
      let throughShell = shell + (files.isEmpty ? [] : ["sh"] + files)
      return (ShellWords.plain(line).map { [$0.map { Path($0) } + files] } ?? []) + [throughShell]
    }
  }
}
