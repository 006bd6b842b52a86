// A world for the schedule of one mailbox in strict order, without letters or clocks: other processes claim
// letters beside it, and it gets no notice when they are done.

import TestKit

@testable import Scheduling

/// One mailbox. Letters are numbers: a smaller one is older.
struct StrictWorld {
  enum Event: CaseIterable {
    case arrives, succeeds, failsLater, breaks
    /// Another process takes the oldest letter; it settles it as done, or dies.
    case othersTake, othersAreDone, othersDie
    /// Another process takes it with a lease.
    case othersLease
    /// Another process is claiming for a moment.
    case othersClaim
    case passes
  }

  private var schedule = MailboxSchedule()
  private var now: Int64 = 0
  private var next = 1
  private var waiting: Set<Int> = []
  private var ours: Int?
  private var later: [(letter: Int, due: Int64)] = []
  private var held: Int?
  /// Held by a dead process: put back when the schedule looks.
  private var isHolderDead = false
  private var leased: (letter: Int, until: Int64)?
  private var othersClaimUntil: Int64 = 0

  private static let turnLimit = 100

  static func anyEvent(_ random: inout Seeded) -> Event {
    random.pick([
      (4, .arrives), (6, .succeeds), (3, .failsLater), (1, .breaks), (1, .othersTake), (1, .othersAreDone),
      (1, .othersDie), (1, .othersLease), (1, .othersClaim), (4, .passes),
    ])
  }

  private func expect(_ isSo: Bool, _ what: @autoclosure () -> String) throws {
    if !isSo { throw Failure(what()) }
  }

  /// Whether any process has a letter in hands.
  private var isInHands: Bool { ours != nil || held != nil || leased != nil }

  private var isBlocked: Bool {
    guard let oldest = waiting.min() else { return false }
    return isInHands || later.contains { $0.letter < oldest }
  }

  mutating func happens(_ event: Event, _ random: inout Seeded) throws {
    switch event {
    case .arrives:
      waiting.insert(next)
      next += 1
      schedule.hint()
    case .succeeds where ours != nil: endOurs(due: nil)
    case .failsLater where ours != nil:
      let due = now + Int64(random.number(1...10_000_000_000))
      if let ours { later.append((ours, due)) }
      endOurs(due: due)
    case .breaks:
      guard let letter = ours else { break }
      waiting.insert(letter)
      schedule.markBroken(now: now)
      schedule.ended(due: nil)
      ours = nil
    case .othersTake:
      guard !isBlocked, !isInHands, let oldest = waiting.min() else { break }
      waiting.remove(oldest)
      held = oldest
    case .othersAreDone:
      if !isHolderDead { held = nil }  // no notice comes
    case .othersDie: isHolderDead = held != nil
    case .othersLease:
      guard !isBlocked, !isInHands, let oldest = waiting.min() else { break }
      waiting.remove(oldest)
      leased = (oldest, now + Int64(random.number(1...20_000_000_000)))
    case .othersClaim: othersClaimUntil = now + Int64(random.number(0...100_000_000))
    case .passes: now += Int64(random.number(0...4_000_000_000))
    case .succeeds, .failsLater: break
    }
    try settle()
  }

  private mutating func endOurs(due: Int64?) {
    ours = nil
    schedule.markWorking()
    schedule.ended(due: due)
  }

  private mutating func settle() throws {
    for _ in 0..<StrictWorld.turnLimit {
      if schedule.mustLook(now: now) {
        look()
      } else if schedule.mayStart(now: now) {
        try serve()
      } else {
        return try checkRest()
      }
    }
    throw Failure("it does not come to rest")
  }

  private mutating func look() {
    let due = later.filter { $0.due <= now }
    later.removeAll { $0.due <= now }
    for (letter, _) in due { waiting.insert(letter) }
    var putBack = due.count
    if let letter = held, isHolderDead {
      waiting.insert(letter)
      (held, isHolderDead) = (nil, false)
      putBack += 1
    }
    if let (letter, until) = leased, until <= now {
      waiting.insert(letter)
      leased = nil
      putBack += 1
    }
    schedule.looked(
      now: now, due: later.map(\.due).min(), leaseEnds: leased?.until, held: held != nil, putBack: putBack > 0
    )
    schedule.noteServed(now: now)
  }

  private mutating func serve() throws {
    if now < othersClaimUntil {
      schedule.foundClaimer(now: now)
    } else if isBlocked {
      schedule.foundBlocked()
    } else if let oldest = waiting.min() {
      try expect(!isInHands, "two letters are in hands")
      waiting.remove(oldest)
      ours = oldest
      schedule.started()
    } else {
      schedule.foundNothing()
    }
    schedule.noteServed(now: now)
  }

  private func checkRest() throws {
    let letters = waiting.count + later.count
    if ours != nil { return }
    try expect(letters == 0 || !schedule.isIdle, "idle with letters")
    try expect(schedule.wakeAt.map { $0 > now } ?? true, "it would wake at once, and spin")
    if letters > 0 { try expect(schedule.wakeAt != nil, "it sleeps for ever") }
  }

  /// All other processes go away without notice. From alarm to alarm, every letter is handled in time.
  mutating func finish(_ random: inout Seeded) throws {
    if !isHolderDead { held = nil }
    var wakes = 0
    let due =
      ([now, leased?.until ?? 0, othersClaimUntil, schedule.pausedUntil ?? 0] + later.map(\.due)).max() ?? now
    while true {
      try settle()
      if ours != nil {
        try happens(.succeeds, &random)
      } else if let wakeAt = schedule.wakeAt {
        wakes += 1
        try expect(wakes < 1000, "it spins")
        now = wakeAt
      } else {
        break
      }
    }
    try expect(waiting.isEmpty && later.isEmpty && held == nil && leased == nil, "letters are never handled")
    try expect(
      now <= due + MailboxSchedule.longestRecheck, "the last came too late, by \((now - due) / 1_000_000) ms")
  }
}
