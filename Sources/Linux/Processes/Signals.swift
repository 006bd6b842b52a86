// Signals: those that would end the process in the middle of a write are ignored, and those that ask it to stop are
// read from a descriptor, in the same poll as everything else. No signal handler ever runs.

import CLinux
import Glibc

package enum Signal: Int32, Sendable {
  case hangUp = 1
  case interrupt = 2
  case kill = 9
  case terminate = 15
}

package enum Signals {
  /// Ignores SIGPIPE and SIGXFSZ, so that the write fails instead.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Our parent may have left SIGCHLD ignored, and then no child can be waited for. Evaluated once.
  static let readyForChildren: Void = { _ = signal(SIGCHLD, SIG_DFL) }()
}

/// A file from which signals are read, signalfd(2). It blocks them, so they have no other effect any more.
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

  /// The next signal that has arrived; nil: none.
  package borrowing func next() throws(Errno) -> Signal? {
    var info = signalfd_siginfo()
    do throws(Errno) {
      let count = try check { read(file.descriptor, &info, MemoryLayout<signalfd_siginfo>.size) }
      return count == 0 ? nil : Signal(rawValue: Int32(info.ssi_signo))
    } catch .again { return nil }
  }
}
