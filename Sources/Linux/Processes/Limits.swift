// Limits of a process, getrlimit(2). A watcher with many handlers needs more descriptors than the usual 1024. Its
// children get the limit that it was started with, because some programs break with higher descriptors (select(2)).

import Glibc

package enum OpenFiles {
  /// The limit that we were started with, if we have raised it. Written once, before there are children.
  nonisolated(unsafe) private static var given: rlimit?
  nonisolated(unsafe) private static var raised = rlimit()

  /// The most that is asked for.
  private static let enough: rlim_t = 8192

  /// How many descriptors we may have open.
  package static var limit: Int {
    current(RLIMIT_NOFILE).map { Int(clamping: $0.rlim_cur) } ?? 0
  }

  /// Raises our own limit as far as is allowed and useful.
  package static func raiseLimit() {
    guard given == nil, let limit = current(RLIMIT_NOFILE) else { return }
    raised = limit
    raised.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, enough))
    if set(&raised) { given = limit }
  }

  /// How many descriptors a child may have open.
  static var childLimit: Int { given.map { Int(clamping: $0.rlim_cur) } ?? limit }

  /// Makes a child under the limit that we were started with.
  static func withGivenLimit<Result>(_ makeChild: () -> Result) -> Result {
    guard var given else { return makeChild() }
    set(&given)
    defer { set(&raised) }
    return makeChild()
  }

  @discardableResult
  private static func set(_ limit: inout rlimit) -> Bool {
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
  }
}

private func current(_ resource: __rlimit_resource) -> rlimit? {
  var limit = rlimit()
  return getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 ? limit : nil
}

/// The sizes that execve(2) takes of arguments and environment, bytes.
package enum ExecLimits {
  /// The longest string, its NUL included (MAX_ARG_STRLEN).
  package static let longest = 128 << 10

  /// All strings and a pointer for each: a quarter of the stack's limit, within bounds.
  package static var all: Int {
    guard let limit = current(RLIMIT_STACK) else { return longest }
    return min(max(Int(clamping: limit.rlim_cur / 4), longest), 6 << 20)
  }
}
