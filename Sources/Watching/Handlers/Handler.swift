// A handler: a child process with the letter's body as its standard input, or a batch's files as its arguments. It
// inherits the beacon: its letters stay claimed while watcher or handler live.

import Linux
import PostOffice
import Text

/// One handler at work on one claimed letter, or on a batch of them.
package final class Handler {
  /// The letters, at least one.
  package let claims: [Claim]
  package let settings: Settings
  /// Monotonic nanoseconds.
  let startedAt: Int64
  private var child: Child?
  private let words: StderrCapture?
  private var ending = Ending.none
  /// When it must be acted on next, monotonic nanoseconds; nil: it may take its time.
  package private(set) var deadline: Int64?

  /// After SIGTERM a handler has so long to end by itself; then SIGKILL. Nanoseconds.
  package static let grace: Int64 = 5_000_000_000

  /// Told to stop, the watcher lets handlers work on for so long before it ends them. Nanoseconds.
  static let stopGrace: Int64 = 10_000_000_000

  private enum Ending { case none, timedOut, stopped }

  /// Starts a handler.
  /// - Parameters:
  ///   - claims: letters that share a beacon.
  ///   - body: that of the one letter, for its standard input; nil: the letters' files become its arguments.
  ///   - isUnattended: it works for the watcher, out of sight: in a process group of its own, and what it says
  ///     on standard error is kept for the letter's note. Else it is a command that somebody runs by
  ///     hand, and shares terminal and standard error with us.
  package init(
    _ command: HandlerCommand, on claims: [Claim], _ body: borrowing File?, _ settings: Settings,
    folder: Path?,
    isUnattended: Bool
  ) throws(Errno) {
    guard let first = claims.first else { preconditionFailure("a handler has a letter") }
    defer { for claim in claims { claim.letter.close() } }
    self.claims = claims
    self.settings = settings
    words = isUnattended ? try StderrCapture() : nil
    let errors = words?.stream ?? .inherit
    let umask = isUnattended ? settings.umask : nil
    let input: Int32? =
      switch body {
      case .some(let file): file.descriptor
      case nil: nil
      }
    child = try command.start(
      with: input == nil ? claims.map(\.path) : [],
      environment: input == nil ? first.mailbox.environment(settings) : try first.environment(settings),
      input: input, errors: errors, first.beacon, folder: folder, umask: umask, ownGroup: isUnattended)
    startedAt = Clock.monotonic
    deadline = settings.timeout.map { Clock.monotonic + $0.nanoseconds }
  }

  /// When its words are to be looked at.
  var lookAt: Int64? { words?.lookAt }

  /// Readable once the handler has ended; nil if there is none.
  var descriptor: Int32? { child?.endDescriptor }

  var hasEnded: Bool { (try? child?.hasEnded()) == true }

  /// Keeps it within its bounds: of its words the end, and if its deadline is over, its process group
  /// is asked to end, and later made to.
  package func tend(now: Int64) {
    words?.tend(now: now)
    guard let due = deadline, due <= now else { return }
    switch ending {
    case .none: end(.timedOut, now: now)
    case .timedOut, .stopped:
      child?.signal(.kill)
      deadline = nil
    }
  }

  /// Asks the handler to end because the watcher stops: its letter will be given back.
  package func stop(now: Int64) {
    if case .none = ending { end(.stopped, now: now) }
  }

  private func end(_ reason: Ending, now: Int64) {
    ending = reason
    child?.signal(.terminate)
    deadline = now + Handler.grace
  }

  /// Reaps the ended handler and tells what its work came to.
  /// - Returns: the verdict (nil: the letter is given back, no attempt spent), the raw exit, and what
  ///   it said on standard error.
  package func finish() throws(Errno) -> (verdict: Verdict?, exit: Child.Exit, words: [UInt8]) {
    guard let ended = child.take() else { preconditionFailure("a handler finishes once") }
    // What it started goes with it; while it is a zombie, its group still bears its number.
    if case .none = ending {} else { ended.signal(.kill) }
    let exit = try ended.reap()
    let said = words?.last() ?? []
    let verdict: Verdict? =
      switch (ending, exit) {
      case (.none, _): Verdict(exit)
      // It may have ended in the moment in which it was told to: done is done, or it would be done twice.
      case (_, .code(0)): .done
      case (.timedOut, _): .retry("not finished after \(settings.timeout?.postText ?? "its time")")
      case (.stopped, _): nil
      }
    return (verdict, exit, said)
  }
}
