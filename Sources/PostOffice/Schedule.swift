// The schedule of one mailbox: when to look, when to start a handler, when to wake. A state machine
// without I/O: what happened goes in, what to do comes out. Times are monotonic nanoseconds.

/// When what is to be done for one mailbox.
struct Schedule {
  /// How many handlers may run at once.
  var parallel = 1
  private(set) var running = 0
  /// Whether letters may be waiting in `new/`.
  private(set) var mayHaveLetters = true
  /// Whether `later/` and `cur/` must be looked at before the mailbox may be called idle.
  private(set) var mustLook = true
  /// When they must be looked at again.
  private(set) var lookAt: Int64?
  /// While the handler is broken: when it is tried again.
  private(set) var pausedUntil: Int64?
  private var brokenRounds = 0
  private var handRounds = 0
  /// Letters wait in `later/`, or are in another's hands: there is more to come.
  private(set) var expectsMore = false

  /// The first pause for a broken handler, and the longest.
  static let firstPause: Int64 = 1_000_000_000
  static let longestPause: Int64 = 300_000_000_000
  /// How soon another's hands are looked at again, first and at the longest: when their owner dies,
  /// nothing tells us.
  static let firstRecheck: Int64 = 50_000_000
  static let longestRecheck: Int64 = 5_000_000_000

  /// Something may have arrived.
  mutating func hint() {
    mayHaveLetters = true
    mustLook = true
    handRounds = 0
  }

  /// `new/` is empty.
  mutating func foundNothing() { mayHaveLetters = false }

  /// `later/` and `cur/` have been looked at.
  /// - Parameters:
  ///   - due: when the next letter in `later/` is due.
  ///   - leaseEnds: when the next lease ends.
  ///   - held: whether others hold letters.
  ///   - putBack: whether letters came back into `new/`.
  mutating func looked(now: Int64, due: Int64?, leaseEnds: Int64?, held: Bool, putBack: Bool) {
    mustLook = false
    mayHaveLetters = mayHaveLetters || putBack
    expectsMore = due != nil || held
    lookAt = [due, leaseEnds].compactMap { $0 }.min()
    if held {
      let delay = min(Schedule.firstRecheck << Int64(min(handRounds, 10)), Schedule.longestRecheck)
      lookAt = min(lookAt ?? .max, now + delay)
      handRounds += 1
    } else {
      handRounds = 0
    }
  }

  mutating func started() { running += 1 }

  /// A handler ended, or could not be started.
  /// - Parameter due: when its letter is to be tried again, if it is.
  mutating func ended(due: Int64?) {
    running -= 1
    if let due {
      lookAt = min(lookAt ?? .max, due)
      expectsMore = true
    }
  }

  /// The handler cannot be run. It is tried again after a pause that grows each time.
  mutating func isBroken(now: Int64) {
    if let until = pausedUntil, until > now { return }  // a second handler of the same round
    pausedUntil = now + min(Schedule.firstPause << Int64(min(brokenRounds, 20)), Schedule.longestPause)
    brokenRounds += 1
    mayHaveLetters = true
  }

  /// The handler ran, or has been changed: whatever was broken is so no more.
  mutating func works() {
    pausedUntil = nil
    brokenRounds = 0
  }

  var isKnownBroken: Bool { pausedUntil != nil }

  func mustLook(now: Int64) -> Bool {
    (mustLook && !mayHaveLetters) || lookAt.map { $0 <= now } == true
  }

  /// Whether a letter may be claimed now. A broken handler is tried with one letter at a time.
  func mayStart(now: Int64) -> Bool {
    guard mayHaveLetters, running < parallel else { return false }
    guard let until = pausedUntil else { return true }
    return until <= now && running == 0
  }

  /// When something is to be done next, if nothing happens before.
  var wakeAt: Int64? {
    let pause = mayHaveLetters && running == 0 ? pausedUntil : nil
    return [lookAt, pause].compactMap { $0 }.min()
  }

  /// Nothing runs, nothing waits, nothing is to come.
  var isIdle: Bool { running == 0 && !mayHaveLetters && !mustLook && !expectsMore }
}
