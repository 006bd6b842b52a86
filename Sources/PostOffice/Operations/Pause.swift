// Pausing a mailbox: a file in it, which outlives every watcher. `paused` is the operator's, `handler-broken` the
// watcher's; both say when and why in their first line. A pause stops no handler that runs.

import Linux
import Text

extension Mailbox {
  /// Whether the operator has paused it: the watcher hands out none of its letters.
  package var isPaused: Bool { (try? office.root.exists(layout.paused)) == true }

  /// When it was paused, and by whom; nil if it is not.
  package var pausedBy: String? { firstLine(of: layout.paused) }

  /// Pauses the mailbox, durably: no watcher hands out its letters until ``resume()``. Running handlers go on.
  public func pause() throws(PostError) {
    if isPaused { return }
    let stamp = UTC(seconds: Clock.wall / 1_000_000_000).timestamp
    try office.attemptWrite("cannot pause", "mailbox \(name)", in: layout.root) { () throws(Errno) in
      try office.replace(
        layout.paused, with: "\(stamp) paused by \(office.sender)\n", through: layout[.tmp])
    }
  }

  /// Ends a pause, also one that the watcher made because the handler was broken: the handler is tried at once.
  public func resume() throws(PostError) {
    try attempt("cannot resume", "mailbox \(name)") { () throws(Errno) in
      // The operator's last: that it goes is what wakes the watcher.
      for sign in [layout.broken, layout.paused] {
        do throws(Errno) { try office.root.remove(sign) } catch .noEntry {}
      }
      try office.root.directory(layout.root).sync()
    }
  }

  /// Why the watcher has paused this mailbox; nil if it has not.
  package var brokenHandler: String? { firstLine(of: layout.broken) }

  /// The first line of a small file; nil if there is none.
  func firstLine(of path: Path) -> String? {
    guard let bytes = try? office.root.open(path, .read).readAll(limit: 4096) else { return nil }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
  }
}
