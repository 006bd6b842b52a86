// The schedule of one mailbox: when to look into `later/` and `cur/`, when a handler may start, when to wake. A pure
// state machine: events and times go in, answers come out, and it imports nothing. Times are monotonic nanoseconds.
//
// - A mailbox with something to do has a turn now, a time to wake, or work under way that will end. It never wakes at
//   once again after it did what it could: a watcher would spin.
// - After trouble nothing begins until a pause is over. Pauses double, from `firstPause` to `longestPause`; then one
//   letter is tried at a time, until `markWorking()`.
// - A mailbox is idle only after a look that found nothing to come.

/// When a mailbox is to be looked at, and when a handler may start on its letters.
package struct MailboxSchedule {
  /// The most work at the same time: handlers, or letters in the hands of streaming handlers.
  package var capacity = 1
  /// False: what is under way goes on, but nothing begins.
  package var isOpen = true
  /// The operator has paused the mailbox: nothing begins.
  package var isPausedByHand = false
  /// A streaming handler has room: no other process is needed.
  package var needsNoHandler = false
  package private(set) var running = 0
  /// Whether letters may be waiting in `new/`.
  package private(set) var mayHaveLetters = true
  /// Whether `later/` and `cur/` must be looked at before the mailbox may be called idle.
  package private(set) var mustLook = true
  /// When they must be looked at again.
  package private(set) var lookAt: Int64?
  /// Letters wait in `later/`, or other holders have some: there is more to come.
  package private(set) var expectsMore = false
  /// Other holders had letters, or leases were in force, at the last look.
  private var othersHoldLetters = false
  private var lastLook: Int64?
  /// How many looks in a row found letters of other holders.
  private var rechecks = 0
  /// Strict order forbade to claim a letter, and nothing has happened since that could have changed it.
  private var isBlocked = false

  /// Nothing begins until this time, because the mailbox or its handler was in trouble.
  private var pause: (reason: Reason, until: Int64)?
  private var pauses = 0
  /// Letters that failed quickly, with no other end since the first of them.
  private var suspects: Set<[UInt8]> = []

  private enum Reason {
    /// The handler cannot be run, or fails with every letter.
    case handler
    /// A streaming handler has died; another will be started.
    case restart
    /// The mailbox itself could not be read or written.
    case mailbox
  }

  /// The first pause and the longest. Each is twice the one before.
  package static let firstPause: Int64 = 1_000_000_000
  package static let longestPause: Int64 = 300_000_000_000
  /// How soon letters of other holders are looked at again, first and at the longest: when a holder dies, the kernel
  /// reports nothing.
  package static let firstRecheck: Int64 = 50_000_000
  package static let longestRecheck: Int64 = 5_000_000_000
  /// While letters always wait, `later/` and `cur/` are still looked at this often.
  package static let lookInterval: Int64 = 5_000_000_000
  /// A failure within this time is quick: a handler that has read its letter rarely fails so soon.
  package static let quick: Int64 = 1_000_000_000
  /// So many different letters that fail quickly, one after another, show that the handler is broken.
  package static let suspicion = 32

  package init() {}

  // MARK: What happened

  /// A letter may have arrived.
  package mutating func hint() {
    mayHaveLetters = true
    mustLook = true
    rechecks = 0
  }

  /// No letter can be claimed: `new/` is empty, or has no good one.
  package mutating func foundNothing() { mayHaveLetters = false }

  /// Strict order forbids to claim a letter: one before it is claimed, or waits for its next attempt.
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
    othersHoldLetters = true
    lookAt = min(lookAt ?? .max, now + MailboxSchedule.firstRecheck)
  }

  /// `later/` and `cur/` have been looked at.
  /// - Parameters:
  ///   - due: when the next letter in `later/` is due.
  ///   - leaseEnds: when the next lease ends.
  ///   - held: whether other holders have letters.
  ///   - putBack: whether letters came back into `new/`.
  package mutating func looked(now: Int64, due: Int64?, leaseEnds: Int64?, held: Bool, putBack: Bool) {
    lastLook = now
    mustLook = false
    let didOthersHold = othersHoldLetters
    othersHoldLetters = held || leaseEnds != nil
    let isFree = isBlocked && !othersHoldLetters && (didOthersHold || due == nil)
    if isFree || putBack { (mayHaveLetters, isBlocked) = (true, false) }
    expectsMore = due != nil || held || isBlocked
    lookAt = [due, leaseEnds].compactMap { $0 }.min()
    if held || isBlocked && othersHoldLetters {  // nothing reports that a lease was settled
      let delay = min(
        MailboxSchedule.firstRecheck << Int64(min(rechecks, 10)), MailboxSchedule.longestRecheck)
      lookAt = min(lookAt ?? .max, now + delay)
      rechecks += 1
    } else {
      rechecks = 0
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

  /// Pauses because the handler cannot be run.
  package mutating func markBroken(now: Int64) {
    mayHaveLetters = true
    startPause(.handler, now)
  }

  /// Pauses because a streaming handler has died. Another is started afterwards.
  package mutating func noteHandlerDeath(now: Int64) {
    mayHaveLetters = true
    startPause(.restart, now)
  }

  /// Pauses because the mailbox cannot be read or written.
  package mutating func noteTrouble(now: Int64) { startPause(.mailbox, now) }

  private mutating func startPause(_ reason: Reason, _ now: Int64) {
    if let pause, pause.until > now { return }  // several that fail together are one failure
    let length = min(MailboxSchedule.firstPause << Int64(min(pauses, 20)), MailboxSchedule.longestPause)
    pause = (reason, now + length)
    pauses += 1
  }

  /// A letter failed quickly.
  /// - Returns: whether the handler is to blame, and not the letter.
  package mutating func noteQuickFailure(_ letter: [UInt8]) -> Bool {
    if isHandlerBroken { return true }
    suspects.insert(letter)
    return suspects.count >= MailboxSchedule.suspicion
  }

  /// Ends the pause: the handler did its work, or the operator has changed it.
  package mutating func markWorking() {
    pause = nil
    pauses = 0
    suspects = []
  }

  /// Ends a pause that is over, if the mailbox was the reason: a turn went without trouble.
  package mutating func noteServed(now: Int64) {
    if let pause, pause.reason == .mailbox, pause.until <= now {
      self.pause = nil
      pauses = 0
    }
  }

  // MARK: What to do

  /// There is trouble that will not end by itself, as far as one can see.
  package var isKnownBroken: Bool { pause.map { $0.reason != .restart } == true }
  package var isHandlerBroken: Bool { pause?.reason == .handler }
  /// The end of the pause, which may be over.
  package var pausedUntil: Int64? { pause?.until }

  private func isPaused(_ now: Int64) -> Bool { isAtRest || pause.map { $0.until > now } == true }

  /// Nothing begins, whatever the time.
  private var isAtRest: Bool { !isOpen || isPausedByHand }

  /// Whether `later/` and `cur/` are to be looked at now.
  package func mustLook(now: Int64) -> Bool {
    if isPaused(now) { return false }
    if let lookAt, lookAt <= now { return true }
    return mustLook && (!mayHaveLetters || lastLook.map { now - $0 >= MailboxSchedule.lookInterval } ?? true)
  }

  /// Whether a letter may be claimed now. After a pause one letter is tried at a time.
  package func mayStart(now: Int64) -> Bool { !isPaused(now) && couldStart }

  private var couldStart: Bool { mayHaveLetters && running < capacity && (pause == nil || running == 0) }

  /// When something is to be done next, if nothing happens before.
  package var wakeAt: Int64? {
    if isAtRest { return nil }
    guard let pause else { return lookAt }
    if couldStart || mustLook { return pause.until }
    return lookAt.map { max($0, pause.until) }
  }

  /// The same, if it is still to come: a mailbox that waits for its turn since a pause ended must be looked at in
  /// time, too.
  package func wakeAt(after now: Int64) -> Int64? {
    guard let wakeAt, wakeAt <= now else { return wakeAt }
    return lookAt.flatMap { $0 > now ? $0 : nil }
  }

  /// Nothing runs, nothing waits, nothing is to come.
  package var isIdle: Bool {
    running == 0 && (isPausedByHand || !mayHaveLetters && !mustLook && !expectsMore)
  }
}
