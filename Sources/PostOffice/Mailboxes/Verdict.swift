// Verdicts and settlements.

import Linux
import Text

/// What a handler's work on a letter came to.
public enum Verdict: Hashable, Sendable {
  case done
  /// Trying again will not help.
  case failed(String)
  /// Another attempt may do it.
  case retry(String)
  /// The handler itself cannot run: the letter is not to blame, and no attempt is spent.
  case broken(String)

  /// What a handler's end means (the table in the README; 65 is EX_DATAERR of sysexits.h, 100 and
  /// 111 are qmail's, 126 and 127 the shell's for a command that cannot be run).
  package init(_ exit: Child.Exit) {
    self =
      switch exit {
      case .code(0): .done
      case .code(let code) where code == 65 || code == 100: .failed("exit \(code)")
      case .code(let code) where code == 126 || code == 127: .broken("exit \(code)")
      case .code(let code): .retry("exit \(code)")
      case .signal(let number): .retry("ended by signal \(number)")
      }
  }

  /// Why a letter fails that no handler can be started with, execve(2).
  package static let tooMuch = "its headers are more than a handler's environment can hold"

  public var reason: String {
    switch self {
    case .done: "done"
    case .failed(let reason), .retry(let reason), .broken(let reason): reason
    }
  }
}

/// Where a settled letter goes.
public enum Settlement: Hashable, Sendable {
  case done
  case failed
  /// To be tried again at this time, milliseconds since 1970.
  case later(Int64)
  /// Back in `new/`, with no attempt spent.
  case released

  package init(_ verdict: Verdict, attempt: Int, _ settings: Settings) {
    switch verdict {
    case .done: self = .done
    case .broken: self = .released
    case .retry where attempt < settings.tries:
      let delay = settings.spread(settings.delay(afterAttempt: attempt))
      self = .later(Clock.wall / 1_000_000 + delay.milliseconds)
    case .retry, .failed: self = .failed
    }
  }

  /// Where the letter goes, as what, and what the log calls it.
  package func target(_ id: LetterID, _ attempt: Int) -> (Place, EntryName, event: String) {
    switch self {
    case .done: (.done, EntryName(id, attempt: attempt, doneAt: Clock.wall / 1_000_000_000 * 1000), "done")
    case .failed: (.failed, EntryName(id, attempt: attempt), "failed")
    case .later(let due): (.later, EntryName(id, attempt: attempt, until: due), "retry")
    case .released: (.new, EntryName(id, attempt: attempt - 1), "released")
    }
  }
}
