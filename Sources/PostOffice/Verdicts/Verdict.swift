// What a holder's work on a letter came to. Pure: a verdict decides nothing by itself, `Settlement` says what follows.

import Linux

/// What a holder's work on a letter came to.
public enum Verdict: Hashable, Sendable {
  case done
  /// Another attempt would not help.
  case failed(String)
  /// Another attempt may succeed.
  case retry(String)
  /// The handler cannot run: the letter is not to blame, and no attempt is spent.
  case broken(String)
  /// The holder gives the letter back as if it had not been claimed.
  case release
  /// The holder died, or its lease ended, before it gave a verdict: the attempt is spent, the next may begin at once.
  case abandoned(String)

  /// What a handler's exit means (the table in the README). 65 is EX_DATAERR of sysexits.h, 100 is qmail's, 126 and 127
  /// are the shell's for a command that cannot be run.
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

  /// Why a letter fails with which no handler can be started, execve(2).
  package static let tooMuch = "its headers are more than a handler's environment can hold"

  /// nil: none is needed.
  public var reason: String? {
    switch self {
    case .done, .release: nil
    case .failed(let reason), .retry(let reason), .broken(let reason), .abandoned(let reason): reason
    }
  }
}
