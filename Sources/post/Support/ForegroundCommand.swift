// The command of `post read MAILBOX -- COMMAND`: a handler in the foreground, which shares terminal and standard error with
// us. It inherits the reader's beacon, so its letters stay claimed until it ends, even if post dies.

import Linux
import PostOffice
import Watching

/// Runs a command on the letters that a reader claims.
final class ForegroundCommand {
  private let words: [Path]
  private let settings: Settings
  /// The command gets letter files as arguments, not one body on standard input.
  private let isBatch: Bool
  private let signals: SignalFile
  /// How the last run ended, as a shell would say it.
  private(set) var exit: Int32 = 0

  init(_ words: [Path], _ settings: Settings, isBatch: Bool) throws(PostError) {
    (self.words, self.settings, self.isBatch) = (words, settings, isBatch)
    signals = try SignalFile.stopping()
  }

  /// Readable when a signal asks us to stop.
  var signalDescriptor: Int32 { signals.file.descriptor }

  private var name: Path { words.first ?? "" }

  /// Runs the command on a letter, or on a batch. A reader's work.
  func run(on claims: [Claim]) throws(PostError) -> Reader.WorkResult {
    let handler: Handler
    do throws(Errno) {
      handler = try Handler(
        .words(words), on: claims, isBatch ? nil : try claims[0].body(), settings, folder: nil,
        isUnattended: false)
    } catch .listTooLong where claims.count > 1 {
      return (.retry("its files are more arguments than a command takes"), true)
    } catch .listTooLong where !isBatch && claims[0].isTooMuch(settings) {
      complain(PostError(.badData, "letter \(claims[0].letter.id) failed", cause: Verdict.tooMuch))
      exit = PostError.Kind.badData.rawValue
      return (.failed(Verdict.tooMuch), true)
    } catch {
      let left = claims.count == 1 ? "letter \(claims[0].letter.id) waits" : "\(claims.count) letters wait"
      complain(PostError(error, "cannot run", "\(name)").adding(outcome: left))
      exit = ForegroundCommand.exit(of: error)
      return (.release, false)
    }
    let wasStopped = wait(for: handler)
    let end: (verdict: Verdict?, exit: Child.Exit, standardError: [UInt8])
    do throws(Errno) { end = try handler.finish() } catch {
      throw PostError(error, "cannot tell how \(name) ended")
    }
    exit =
      switch end.exit {
      case .code(let code): code
      case .signal(let number): 128 + number
      }
    return (end.verdict ?? .release, !wasStopped)
  }

  /// Waits for the command to end. A signal to us terminates the command.
  /// - Returns: whether there was a signal.
  private func wait(for handler: Handler) -> Bool {
    var wasStopped = false
    while true {
      let now = Clock.monotonic
      let ended = PollResult([signalDescriptor], [handler], atMost: handler.deadline.map { $0 - now }).ended
      // Signals first: Ctrl-C goes to the command as well, and it may have ended for that reason.
      while (try? signals.next()) != nil { wasStopped = true }
      if wasStopped { handler.stop(now: Clock.monotonic) }
      if ended[0] { return wasStopped }
      handler.enforceLimits(now: Clock.monotonic)
    }
  }

  /// What a shell exits with if it cannot start a command.
  private static func exit(of errno: Errno) -> Int32 {
    if errno == .noEntry { return 127 }
    let kind = PostError.Kind(of: errno)
    return kind == .tryAgain ? kind.rawValue : 126
  }
}

extension SignalFile {
  /// The signals that ask a program to stop, or to read its settings again.
  static func stopping() throws(PostError) -> SignalFile {
    do throws(Errno) { return try SignalFile([.terminate, .interrupt, .hangUp]) } catch {
      throw PostError(error, "cannot take signals")
    }
  }
}
