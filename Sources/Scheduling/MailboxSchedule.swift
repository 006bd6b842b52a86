// The schedule of one mailbox: when to look, when to start a handler, when to wake. A state machine
// without I/O: what happened goes in, what to do comes out. Times are monotonic nanoseconds.

/// When what is to be done for one mailbox.
package struct MailboxSchedule {
  /// How much work may be under way at once: handlers, or letters in the hands of a streaming one.
  package var capacity = 1
  /// False: what is under way goes on, but nothing is begun.
  package var isOpen = true
  /// Somebody has paused it by hand: nothing is begun until somebody resumes it.
  package var isPausedByHand = false
  /// Work is begun without another process: a streaming handler is there, and has room.
  package var needsNoHandler = false
  package private(set) var running = 0
  /// Whether letters may be waiting in `new/`.
  package private(set) var mayHaveLetters = true
  /// Whether `later/` and `cur/` must be looked at before the mailbox may be called idle.
  package private(set) var mustLook = true
  /// When they must be looked at again.
  package private(set) var lookAt: Int64?
  /// Letters wait in `later/`, or are in another's hands: there is more to come.
  package private(set) var expectsMore = false
  /// Others held letters, or leased them, when we looked last.
  private var hasHeld = false
  private var lastLook: Int64?
  private var handRounds = 0
  /// Order forbade to claim a letter, and nothing has happened since that could have changed it.
  private var isBlocked = false

  /// Nothing is done for the mailbox until this time, because it or its handler was in trouble.
  private var pause: (reason: Reason, until: Int64)?
  private var pauses = 0
  /// Letters that failed at once, and no other came to an end since the first of them.
  private var suspects: Set<[UInt8]> = []

  private enum Reason {
    /// The handler cannot be run, or fails with whatever it is given.
    case handler
    /// A streaming handler has died; another will be started.
    case restart
    /// The mailbox itself could not be read or written.
    case mailbox
  }

  /// The first pause, and the longest; each is twice the one before.
  package static let firstPause: Int64 = 1_000_000_000
  package static let longestPause: Int64 = 300_000_000_000
  /// How soon another's hands are looked at again, first and at the longest: when their owner dies,
  /// nothing tells us.
  package static let firstRecheck: Int64 = 50_000_000
  package static let longestRecheck: Int64 = 5_000_000_000
  /// With letters always waiting, `later/` and `cur/` are still looked at this often.
  package static let lookInterval: Int64 = 5_000_000_000
  /// A failure within this time was quick: a handler that has looked at its letter rarely fails so soon.
  package static let quick: Int64 = 1_000_000_000
  /// So many different letters that fail quickly, one after another, and the handler is to blame.
  package static let suspicion = 32

  package init() {}

  // MARK: What happened

  /// Something may have arrived.
  package mutating func hint() {
    mayHaveLetters = true
    mustLook = true
    handRounds = 0
  }

  /// No letter can be claimed: `new/` is empty, or order forbids it.
  package mutating func foundNothing() { mayHaveLetters = false }

  /// Order forbids to claim a letter: one before it is in hands, or waits for its next attempt.
  package mutating func foundBlocked() {
    mayHaveLetters = false
    mustLook = true
    isBlocked = true
  }

  /// Another process is claiming in strict order at this moment.
  package mutating func foundClaimer(now: Int64) {
    mayHaveLetters = false
    isBlocked = true
    expectsMore = true
    hasHeld = true
    lookAt = min(lookAt ?? .max, now + MailboxSchedule.firstRecheck)
  }

  /// `later/` and `cur/` have been looked at.
  /// - Parameters:
  ///   - due: when the next letter in `later/` is due.
  ///   - leaseEnds: when the next lease ends.
  ///   - held: whether others hold letters.
  ///   - putBack: whether letters came back into `new/`.
  package mutating func looked(now: Int64, due: Int64?, leaseEnds: Int64?, held: Bool, putBack: Bool) {
    lastLook = now
    mustLook = false
    let wasHeld = hasHeld
    hasHeld = held || leaseEnds != nil
    let isFree = isBlocked && !hasHeld && (wasHeld || due == nil)
    if isFree || putBack { (mayHaveLetters, isBlocked) = (true, false) }
    expectsMore = due != nil || held || isBlocked
    lookAt = [due, leaseEnds].compactMap { $0 }.min()
    if held || isBlocked && hasHeld {  // nothing tells of a lease that is settled
      let delay = min(
        MailboxSchedule.firstRecheck << Int64(min(handRounds, 10)), MailboxSchedule.longestRecheck)
      lookAt = min(lookAt ?? .max, now + delay)
      handRounds += 1
    } else {
      handRounds = 0
    }
  }

  package mutating func started() { running += 1 }

  /// A handler ended, or could not be started.
  /// - Parameter due: when its letter is to be tried again, if it is.
  package mutating func ended(due: Int64?) {
    running -= 1
    if let due {
      lookAt = min(lookAt ?? .max, due)
      expectsMore = true
    }
  }

  /// The handler cannot be run. It is tried again after a pause that grows each time.
  package mutating func isBroken(now: Int64) {
    mayHaveLetters = true
    rest(.handler, now)
  }

  /// A streaming handler has died. Another is started after a pause that grows each time.
  package mutating func handlerDied(now: Int64) {
    mayHaveLetters = true
    rest(.restart, now)
  }

  /// The mailbox cannot be read or written. It is tried again after a pause that grows each time.
  package mutating func isInTrouble(now: Int64) { rest(.mailbox, now) }

  private mutating func rest(_ reason: Reason, _ now: Int64) {
    if let pause, pause.until > now { return }  // a second handler of the same round
    pause = (
      reason, now + min(MailboxSchedule.firstPause << Int64(min(pauses, 20)), MailboxSchedule.longestPause)
    )
    pauses += 1
  }

  /// A letter failed within its first second (``quick``).
  /// - Returns: whether the handler is to blame, and not the letter.
  package mutating func failedAtOnce(_ letter: [UInt8]) -> Bool {
    if isHandlerBroken { return true }
    suspects.insert(letter)
    return suspects.count >= MailboxSchedule.suspicion
  }

  /// The handler did its work, or has been changed: whatever was broken is so no more.
  package mutating func works() {
    pause = nil
    pauses = 0
    suspects = []
  }

  /// A round ended without trouble for the mailbox.
  package mutating func wasServed(now: Int64) {
    if let pause, pause.reason == .mailbox, pause.until <= now {
      self.pause = nil
      pauses = 0
    }
  }

  // MARK: What to do

  /// Trouble that will not pass by itself, as far as one can see.
  package var isKnownBroken: Bool { pause.map { $0.reason != .restart } == true }
  package var isHandlerBroken: Bool { pause?.reason == .handler }
  /// The end of the pause that it is in, or was in last.
  package var pausedUntil: Int64? { pause?.until }

  private func isPaused(_ now: Int64) -> Bool { isAtRest || pause.map { $0.until > now } == true }

  /// Nothing is begun, whatever the time.
  private var isAtRest: Bool { !isOpen || isPausedByHand }

  /// Whether `later/` and `cur/` are to be looked at now.
  package func mustLook(now: Int64) -> Bool {
    if isPaused(now) { return false }
    if let lookAt, lookAt <= now { return true }
    return mustLook && (!mayHaveLetters || lastLook.map { now - $0 >= MailboxSchedule.lookInterval } ?? true)
  }

  /// Whether a letter may be claimed now. What was in trouble is tried with one letter at a time.
  package func mayStart(now: Int64) -> Bool { !isPaused(now) && couldStart }

  private var couldStart: Bool { mayHaveLetters && running < capacity && (pause == nil || running == 0) }

  /// When something is to be done next, if nothing happens before.
  package var wakeAt: Int64? {
    if isAtRest { return nil }
    guard let pause else { return lookAt }
    if couldStart || mustLook { return pause.until }
    return lookAt.map { max($0, pause.until) }
  }

  /// The same, if it is still to come: whoever stands in line since a pause was over is looked at all the same.
  package func wakeAt(after now: Int64) -> Int64? {
    guard let wakeAt, wakeAt <= now else { return wakeAt }
    return lookAt.flatMap { $0 > now ? $0 : nil }
  }

  /// Nothing runs, nothing waits, nothing is to come.
  package var isIdle: Bool {
    running == 0 && (isPausedByHand || !mayHaveLetters && !mustLook && !expectsMore)
  }
}
