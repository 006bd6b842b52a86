// A handler's process, from its start to its end. Exec handlers, batches and streams all start, are terminated and
// end here.
//
// - The process inherits the beacon: its letters stay claimed while it or the watcher lives (CrashSafety I22).
// - A handler that is terminated gets SIGTERM, and five seconds later SIGKILL, each for its whole process group.
// - Its end is never missed: without memory or descriptors for a pidfd, `hasEnded` asks the kernel.

import Linux
import PostOffice

final class HandlerProcess {
  /// Monotonic nanoseconds.
  let startedAt: Int64
  private var child: Child?
  /// nil: it writes to ours.
  let standardError: StderrCapture?
  /// Why it was sent SIGTERM; nil: it was not.
  private(set) var termination: Termination?
  /// When SIGKILL follows, monotonic nanoseconds; nil: it was sent, or the process was not terminated.
  private(set) var killAt: Int64?

  enum Termination { case timedOut, stopped }

  /// How long a handler may go on before it is terminated, once the watcher stops or a stream has read the end of its
  /// input. Nanoseconds.
  static let stopGrace: Int64 = 10_000_000_000
  /// From SIGTERM to SIGKILL. Nanoseconds.
  private static let grace: Int64 = 5_000_000_000

  /// Starts the process. A file that the kernel cannot run (no `#!`) is left to the shell, as shells do.
  /// - Parameters:
  ///   - files: further arguments.
  ///   - input: its standard input; nil: /dev/null.
  ///   - standardError: for a handler of the watcher, which gets a process group of its own. nil: a command that the
  ///     operator runs, which shares the terminal, standard error and umask with us.
  ///   - folder: its current directory; nil: ours.
  init(
    _ command: HandlerCommand, files: [Path] = [], environment: [Path], input: Int32?,
    output: Child.Stream = .inherit, standardError: StderrCapture?, _ beacon: Beacon?, folder: Path?,
    _ settings: Settings
  ) throws(Errno) {
    self.standardError = standardError
    let isUnattended = standardError != nil
    let lines = command.argumentLists(with: files)
    for (index, words) in lines.enumerated() {
      do throws(Errno) {
        child = try Child(
          words, environment: environment, input: input, output: output,
          errors: standardError?.stream ?? .inherit, inherited: beacon?.descriptor, folder: folder,
          umask: isUnattended ? settings.umask : nil, ownGroup: isUnattended)
        break
      } catch .noProgram where index + 1 < lines.count {}
    }
    startedAt = Clock.monotonic
  }

  // MARK: Deadlines

  /// Sends SIGTERM, once.
  func terminate(_ reason: Termination, now: Int64) {
    if termination != nil { return }
    termination = reason
    child?.signal(.terminate)
    killAt = now + HandlerProcess.grace
  }

  /// Sends SIGKILL, if the grace is over.
  func killIfDue(now: Int64) {
    guard let killAt, killAt <= now else { return }
    child?.signal(.kill)
    self.killAt = nil
  }

  // MARK: The end

  /// Readable once the process has ended; nil if there is no pidfd.
  var descriptor: Int32? { child?.endDescriptor }

  var hasEnded: Bool { (try? child?.hasEnded()) == true }

  /// Reaps the process, which has ended.
  /// - Parameter killsGroup: kills what it started, too. As long as it is a zombie, its group keeps its number.
  func reap(killsGroup: Bool) throws(Errno) -> Child.Exit {
    guard let ended = child.take() else { preconditionFailure("a handler is reaped once") }
    if killsGroup { ended.signal(.kill) }
    return try ended.reap()
  }
}
