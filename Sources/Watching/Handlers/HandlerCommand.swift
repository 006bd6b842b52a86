// How a handler is started.

import Linux
import PostOffice
import Text

/// How a handler is called.
package enum HandlerCommand: Sendable {
  /// A command line for /bin/sh, as in a crontab.
  case shell(String)
  /// A program and its arguments, looked for in PATH.
  case words([Path])

  /// What is to be run, best first: a line that says no more than a program's path and words needs no shell.
  /// - Parameter files: further arguments.
  func ways(with files: [Path]) -> [[Path]] {
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

  /// Starts it. A file that the kernel cannot run (no `#!`) is left to the shell, as shells do.
  func start(
    with files: [Path] = [], environment: [Path], input: Int32?, output: Child.Stream = .inherit,
    errors: Child.Stream, _ beacon: Beacon?, folder: Path?, umask: UInt32?, ownGroup: Bool
  ) throws(Errno) -> Child {
    let ways = ways(with: files)
    for (index, words) in ways.enumerated() {
      do throws(Errno) {
        return try Child(
          words, environment: environment, input: input, output: output, errors: errors,
          inherited: beacon?.descriptor, folder: folder, umask: umask, ownGroup: ownGroup)
      } catch .noProgram where index + 1 < ways.count {}
    }
    throw .noProgram
  }
}
