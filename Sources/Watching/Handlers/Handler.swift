// An exec handler: a process with a letter's body as its standard input, or with the files of a batch as its arguments.

import Linux
import PostOffice
import Text

/// A handler at work on a claimed letter, or on a batch.
package final class Handler {
  /// The letters, at least one.
  package let claims: [Claim]
  package let settings: Settings
  let process: HandlerProcess
  /// Monotonic nanoseconds; nil: it may take its time.
  private let timeoutAt: Int64?

  /// Starts a handler.
  /// - Parameters:
  ///   - claims: letters that share a beacon.
  ///   - body: the body of the only letter, for standard input; nil: the letters' files become arguments.
  ///   - isUnattended: it works for the watcher. Else it is a command of the operator: see ``HandlerProcess``.
  /// - Throws: list too long, if the kernel would not take arguments and environment.
  package init(
    _ command: HandlerCommand, on claims: [Claim], _ body: borrowing File?, _ settings: Settings,
    folder: Path?, isUnattended: Bool
  ) throws(Errno) {
    guard let first = claims.first else { preconditionFailure("a handler has a letter") }
    defer { for claim in claims { claim.letter.close() } }
    self.claims = claims
    self.settings = settings
    let standardError = isUnattended ? try StderrCapture() : nil
    let input: Int32? =
      switch body {
      case .some(let file): file.descriptor
      case nil: nil
      }
    process = try HandlerProcess(
      command, files: input == nil ? claims.map(\.path) : [],
      environment: input == nil ? first.mailbox.environment(settings) : try first.environment(settings),
      input: input, standardError: standardError, first.beacon, folder: folder, settings)
    let startedAt = process.startedAt
    timeoutAt = settings.timeout.map { startedAt + $0.nanoseconds }
  }

  /// When ``enforceLimits(now:)`` must be called next; nil: it may take its time.
  package var deadline: Int64? { process.termination == nil ? timeoutAt : process.killAt }

  /// Terminates the handler if its time is over, kills it if the grace is over, and bounds its standard error.
  package func enforceLimits(now: Int64) {
    process.standardError?.trim(now: now)
    process.killIfDue(now: now)
    if let timeoutAt, timeoutAt <= now { process.terminate(.timedOut, now: now) }
  }

  /// Terminates the handler because the watcher stops: its letters will be released.
  package func stop(now: Int64) { process.terminate(.stopped, now: now) }

  /// Reaps the handler, which has ended.
  /// - Returns: the verdict (nil: the letters are to be released), the raw exit, and the end of its standard error.
  package func finish() throws(Errno) -> (verdict: Verdict?, exit: Child.Exit, standardError: [UInt8]) {
    let exit = try process.reap(killsGroup: process.termination != nil)
    let standardError = process.standardError?.last() ?? []
    let verdict: Verdict? =
      switch (process.termination, exit) {
      case (nil, _): Verdict(exit)
      // It may have ended on its own just then: done is done, or the letter would be handled twice.
      case (_, .code(0)): .done
      case (.timedOut, _): .retry("not finished after \(settings.timeout?.postText ?? "its time")")
      case (.stopped, _): nil
      }
    return (verdict, exit, standardError)
  }
}
