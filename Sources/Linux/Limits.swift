// How many files may be open, getrlimit(2). A watcher of many handlers needs more than the usual 1024; but
// its children get what it was given itself, for some programs break with descriptors above that (select(2)).

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

  /// Runs what makes a child with the limit that we were given.
  static func withGivenLimit<Result>(_ makeChild: () -> Result) -> Result {
    guard var given else { return makeChild() }
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &given)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) }
    return makeChild()
  }
}
