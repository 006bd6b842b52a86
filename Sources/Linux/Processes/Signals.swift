// Signals: what would kill us in the middle of a write is ignored, what asks us to stop is read
// from a descriptor, in the same poll as everything else.

import CLinux
import Glibc

package enum Signal: Int32, Sendable {
  case hangUp = 1
  case interrupt = 2
  case kill = 9
  case terminate = 15
}

package enum Signals {
  /// SIGPIPE and SIGXFSZ would end the process between two calls; ignored, the write itself fails.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// SIGCHLD may have been left ignored by our parent; then no child could be waited for. Once is enough.
  static let readyForChildren: Void = { _ = signal(SIGCHLD, SIG_DFL) }()
}

/// Signals that arrive as readable data, signalfd(2). Their usual effect is off from then on.
package struct SignalFile: ~Copyable {
  package let file: File

  package init(_ signals: [Signal]) throws(Errno) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal.rawValue) }
    _ = try check { sigprocmask(SIG_BLOCK, &set, nil) }
    let flags = Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)
    file = File(owning: try check { signalfd(-1, &set, flags) })
  }

  /// The next signal that has arrived; nil when there is none.
  package borrowing func next() throws(Errno) -> Signal? {
    var info = signalfd_siginfo()
    do throws(Errno) {
      let count = try check { read(file.descriptor, &info, MemoryLayout<signalfd_siginfo>.size) }
      return count == 0 ? nil : Signal(rawValue: Int32(info.ssi_signo))
    } catch .again { return nil }
  }
}
