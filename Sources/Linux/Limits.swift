// What a process may use, getrlimit(2).
//
// How many files may be open: a watcher of many handlers needs more than the usual 1024; but its children get what it
// was given itself, for some programs break with descriptors above that (select(2)).

import CLinux
import Glibc

package enum OpenFiles {
  /// The limit that we were given, if we have raised it. Written once, before there are children.
  nonisolated(unsafe) private static var given: rlimit?
  nonisolated(unsafe) private static var raised = rlimit()

  /// No more than this is asked for.
  private static let enough: rlim_t = 8192

  /// How many descriptors we may have open at once.
  package static var limit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    return Int(clamping: limit.rlim_cur)
  }

  /// Raises our own limit as far as that is allowed and of use.
  package static func raiseLimit() {
    var limit = rlimit()
    guard given == nil, getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    raised = limit
    raised.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, enough))
    if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { given = limit }
  }

  /// How many descriptors a child may have open.
  static var childLimit: Int { given.map { Int(clamping: $0.rlim_cur) } ?? limit }

  /// Runs what makes a child with the limit that we were given.
  static func withGivenLimit<Result>(_ makeChild: () -> Result) -> Result {
    guard var given else { return makeChild() }
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &given)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) }
    return makeChild()
  }
}

/// What execve(2) takes of arguments and environment, bytes.
package enum ExecLimits {
  /// The longest string, its NUL included (MAX_ARG_STRLEN).
  package static let longest = 128 << 10

  /// All strings together, and a pointer for each: a quarter of the stack's limit, within bounds.
  package static var all: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) == 0 else { return longest }
    return min(max(Int(clamping: limit.rlim_cur / 4), longest), 6 << 20)
  }
}
