// Three clocks, in nanoseconds: the wall clock for names and dates, a monotonic one for waiting, and one that also
// counts while the machine sleeps.

import Glibc

package enum Clock {
  /// Nanoseconds since 1970-01-01 UTC. May jump.
  package static var wall: Int64 { read(CLOCK_REALTIME) }

  /// Nanoseconds since a moment before the process began. Never goes back.
  package static var monotonic: Int64 { read(CLOCK_MONOTONIC) }

  /// Nanoseconds since the machine was started, those asleep included. Never goes back.
  package static var sinceBoot: Int64 { read(CLOCK_BOOTTIME) }

  private static func read(_ clock: clockid_t) -> Int64 {
    var now = timespec()
    let result = clock_gettime(clock, &now)
    precondition(result == 0, "clock_gettime knows this clock")
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
  }
}
