// A world for a scheduler without letters, handlers or clocks: it reports events to the scheduler, does the turns that
// the scheduler gives, and checks after each event what must always be so.

@testable import Scheduling

/// Mailboxes, of whose letters only the number counts.
struct SchedulerWorld {
  enum Event: Hashable {
    /// A letter comes.
    case arrives(TurnScheduler.Key)
    /// A handler does its work.
    case succeeds(TurnScheduler.Key)
    /// A letter is to be tried again after this time.
    case fails(TurnScheduler.Key, Int64)
    /// The handler turns out to be broken.
    case breaks(TurnScheduler.Key)
    /// A streaming handler dies; its letters come back.
    case dies(TurnScheduler.Key)
    /// The mailbox cannot be read.
    case isInTrouble(TurnScheduler.Key)
    /// The operator pauses the mailbox, or resumes it.
    case isPaused(TurnScheduler.Key, Bool)
    /// Its settings turn bad, or good again.
    case isOpen(TurnScheduler.Key, Bool)
    case capacity(TurnScheduler.Key, Int)
    case limit(Int)
    case passes(Int64)
    case isAdded(TurnScheduler.Key)
    case isRemoved(TurnScheduler.Key)
  }

  struct Box {
    var waiting = 0
    /// Letters in hands.
    var running = 0
    var later: [Int64] = []
    /// How many handlers, or letters, at most.
    var capacity = 1
    /// One handler has up to `capacity` letters in its hands, and stays.
    var isStreaming = false
    var hasStream = false
    /// Turns to serve it so far.
    var turns = 0

    var handlers: Int { isStreaming ? (hasStream ? 1 : 0) : running }
    var letters: Int { waiting + running + later.count }
  }

  struct Broken: Error, CustomStringConvertible { let description: String }

  private(set) var scheduler: TurnScheduler
  private(set) var boxes: [TurnScheduler.Key: Box] = [:]
  private(set) var now: Int64 = 0
  /// The mailboxes whose turns were the last, for tests of the order of turns.
  private(set) var served: [TurnScheduler.Key] = []

  /// No event makes so many turns: a scheduler that gives more spins.
  private static let turnLimit = 500

  init(limit: Int) { scheduler = TurnScheduler(limit: limit) }

  mutating func add(_ key: TurnScheduler.Key, capacity: Int = 1, isStreaming: Bool = false, letters: Int = 0)
  {
    var box = Box()
    (box.waiting, box.capacity, box.isStreaming) = (letters, capacity, isStreaming)
    boxes[key] = box
    scheduler[key] = MailboxSchedule()
    makeRoom(key)
  }

  private func expect(_ isSo: Bool, _ what: @autoclosure () -> String) throws(Broken) {
    if !isSo { throw Broken(description: what()) }
  }

  // MARK: Events

  /// Whether it can happen.
  func isPossible(_ event: Event) -> Bool {
    switch event {
    case .arrives(let key), .isInTrouble(let key), .isRemoved(let key): boxes[key] != nil
    case .succeeds(let key), .fails(let key, _), .breaks(let key): boxes[key].map { $0.running > 0 } == true
    case .dies(let key): boxes[key]?.hasStream == true
    case .isPaused(let key, let isSo): boxes[key] != nil && scheduler[key]?.isPausedByHand != isSo
    case .isOpen(let key, let isSo): boxes[key] != nil && scheduler[key]?.isOpen != isSo
    case .capacity(let key, let count): boxes[key].map { $0.capacity != count } == true
    case .limit(let count): scheduler.limit != count
    case .passes: true
    case .isAdded(let key): boxes[key] == nil
    }
  }

  /// Lets it happen, and does the turns that the scheduler gives until it gives no more.
  mutating func happens(_ event: Event) throws(Broken) {
    apply(event)
    try settle()
  }

  /// Lets it happen, and does no turns.
  mutating func apply(_ event: Event) {
    switch event {
    case .arrives(let key):
      boxes[key]?.waiting += 1
      scheduler[key]?.hint()
    case .succeeds(let key):
      boxes[key]?.running -= 1
      scheduler[key]?.markWorking()
      scheduler[key]?.ended(due: nil)
      makeRoom(key)
    case .fails(let key, let delay):
      boxes[key]?.running -= 1
      boxes[key]?.later.append(now + delay)
      scheduler[key]?.markWorking()
      scheduler[key]?.ended(due: now + delay)
      makeRoom(key)
    case .breaks(let key):
      boxes[key]?.running -= 1
      boxes[key]?.waiting += 1
      scheduler[key]?.markBroken(now: now)
      scheduler[key]?.ended(due: nil)
      makeRoom(key)
    case .dies(let key): dies(key)
    case .isInTrouble(let key): scheduler[key]?.noteTrouble(now: now)
    case .isPaused(let key, let isSo):
      scheduler[key]?.isPausedByHand = isSo
      scheduler[key]?.hint()
    case .isOpen(let key, let isSo):
      scheduler[key]?.isOpen = isSo
      if isSo { scheduler[key]?.hint() }
    case .capacity(let key, let count):
      boxes[key]?.capacity = count
      makeRoom(key)
    case .limit(let count): scheduler.limit = count
    case .passes(let time): now += time
    case .isAdded(let key): add(key)
    case .isRemoved(let key):
      boxes[key] = nil
      scheduler[key] = nil
    }
  }

  private mutating func dies(_ key: TurnScheduler.Key) {
    guard let box = boxes[key] else { return }
    scheduler[key]?.noteHandlerDeath(now: now)
    for _ in 0..<box.running { scheduler[key]?.ended(due: nil) }
    boxes[key]?.waiting += box.running
    boxes[key]?.running = 0
    boxes[key]?.hasStream = false
    makeRoom(key)
  }

  /// As a worker does it.
  private mutating func makeRoom(_ key: TurnScheduler.Key) {
    guard let box = boxes[key] else { return }
    scheduler[key]?.capacity = box.isStreaming ? max(box.running, box.capacity) : box.capacity
    scheduler[key]?.needsNoHandler = box.isStreaming && box.hasStream && box.running < box.capacity
  }

  // MARK: Turns

  private var handlers: Int { boxes.values.reduce(0) { $0 + $1.handlers } }

  mutating func settle() throws(Broken) {
    for _ in 0..<SchedulerWorld.turnLimit {
      if try takeTurn() == nil, !retireIdle() { return try checkRest() }
    }
    throw Broken(description: "it does not come to rest")
  }

  /// Ends a streaming handler that has nothing to do, if others wait for its place.
  private mutating func retireIdle() -> Bool {
    guard scheduler.isShortOfHandlers,
      let idle = boxes.first(where: { $0.value.hasStream && $0.value.running == 0 })?.key
    else { return false }
    boxes[idle]?.hasStream = false
    makeRoom(idle)
    return true
  }

  /// - Returns: nil if no mailbox has a turn.
  mutating func takeTurn() throws(Broken) -> TurnScheduler.Turn? {
    scheduler.handlers = handlers
    guard let turn = scheduler.next(now: now) else { return nil }
    switch turn {
    case .look(let key): try look(key)
    case .serve(let key): try serve(key)
    }
    return turn
  }

  private func isAtRest(_ schedule: MailboxSchedule) -> Bool { !schedule.isOpen || schedule.isPausedByHand }

  private mutating func look(_ key: TurnScheduler.Key) throws(Broken) {
    guard var box = boxes[key], let schedule = scheduler[key] else {
      throw Broken(description: "a turn for a mailbox that is gone")
    }
    try expect(!isAtRest(schedule), "\(key) is looked into although it is paused or closed")
    let due = box.later.count { $0 <= now }
    box.later.removeAll { $0 <= now }
    box.waiting += due
    boxes[key] = box
    scheduler[key]?.looked(now: now, due: box.later.min(), leaseEnds: nil, held: false, putBack: due > 0)
    scheduler[key]?.noteServed(now: now)
  }

  private mutating func serve(_ key: TurnScheduler.Key) throws(Broken) {
    guard var box = boxes[key], let schedule = scheduler[key] else {
      throw Broken(description: "a turn for a mailbox that is gone")
    }
    try expect(!isAtRest(schedule), "\(key) is served although it is paused or closed")
    try expect(schedule.pausedUntil.map { $0 <= now } ?? true, "\(key) is served although it is broken")
    try expect(box.running < box.capacity, "\(key) has no room")
    let needsHandler = !box.isStreaming || !box.hasStream
    if needsHandler { try expect(handlers < scheduler.limit, "more handlers than the limit") }
    if needsHandler, box.handlers > 0 {
      try expect(handlers < max(1, scheduler.limit / 2), "the last half is for those that have none")
    }
    box.turns += 1
    if box.waiting > 0 {
      box.waiting -= 1
      box.running += 1
      if box.isStreaming { box.hasStream = true }
      scheduler[key]?.started()
    } else {
      scheduler[key]?.foundNothing()
    }
    boxes[key] = box
    served.append(key)
    makeRoom(key)
    scheduler[key]?.noteServed(now: now)
  }

  // MARK: At rest

  /// No mailbox has a turn: none must have missed its turn, and there must be a time to wake for each mailbox that
  /// expects something.
  private func checkRest() throws(Broken) {
    let wakeAt = scheduler.wakeAt
    try expect(wakeAt.map { $0 > now } ?? true, "it would wake at once, and spin")
    var isShort = false
    for (key, box) in boxes {
      guard let schedule = scheduler[key] else { throw Broken(description: "\(key) is off the scheduler") }
      try expect(schedule.running == box.running, "\(key) miscounts what is under way")
      if isAtRest(schedule) { continue }
      try expect(!schedule.isIdle || box.letters == 0, "\(key) is idle with letters")
      if let until = schedule.pausedUntil, until > now {
        if box.running == 0, let due = box.waiting > 0 ? until : box.later.min() {
          try expect(wakeAt.map { $0 <= max(due, until) } == true, "\(key) is never tried again")
        }
        continue
      }
      // A mailbox that was in trouble gets one letter to try.
      let hasRoom = box.running < (schedule.pausedUntil == nil ? box.capacity : min(1, box.capacity))
      // If it waits for a handler anyway, it is looked at when that comes.
      if hasRoom, schedule.pausedUntil == nil || box.waiting == 0, let due = box.later.min() {
        try expect(due > now, "\(key) has a retry that is due, and is not looked at")
        try expect(wakeAt.map { $0 <= due } == true, "\(key) has a retry, and no alarm is set for it")
      }
      guard box.waiting > 0, hasRoom else { continue }
      let mayTake =
        box.hasStream ? true : handlers < (box.handlers == 0 ? scheduler.limit : max(1, scheduler.limit / 2))
      try expect(!mayTake, "\(key) has a letter, and room, and no turn")
      if box.handlers == 0 { isShort = true }
    }
    if isShort {
      try expect(scheduler.isShortOfHandlers, "it says nothing of a first handler that must wait")
    }
  }
}
