// Which mailbox has its turn. A pure state machine over the schedules of all mailboxes: events and times go in, the
// next turn or the time to wake comes out, and it imports nothing. Times are monotonic nanoseconds.
//
// - Mailboxes that have something to do wait in three queues, first come, first served, which are served in turn:
//   those that need no handler, their first, or a further one. After its turn a mailbox goes to the end of its queue,
//   so neither a long backlog nor a slow handler delays the others. A look at a mailbox meanwhile does not cost it
//   its place.
// - Mailboxes that need a further handler get half of all handlers at most: the rest is left for those that have
//   none.
// - A turn costs the same however many mailboxes there are.

/// Gives turns to mailboxes.
package struct TurnScheduler {
  /// A mailbox, as the caller numbers them.
  package typealias Key = Int

  package enum Turn: Hashable {
    /// Look into `later/` and `cur/`.
    case look(Key)
    /// Claim letters and give them to a handler.
    case serve(Key)
  }

  /// The most handlers at the same time.
  package var limit: Int
  /// How many handlers run.
  package var handlers = 0
  /// A mailbox cannot have its first handler until another handler ends.
  package private(set) var isShortOfHandlers = false

  private var schedules: [Key: MailboxSchedule] = [:]
  /// Mailboxes that may have to join a queue.
  private var changed: Set<Key> = []
  private var queues = [Queue](repeating: Queue(), count: Need.allCases.count)
  /// The need whose queue is served next.
  private var turn = 0
  private var alarms = Alarms()

  fileprivate enum Need: Int, CaseIterable {
    case noHandler, firstHandler, furtherHandler
  }

  package init(limit: Int) { self.limit = limit }

  /// The schedule of a mailbox; nil removes the mailbox.
  package subscript(key: Key) -> MailboxSchedule? {
    get { schedules[key] }
    _modify {
      changed.insert(key)
      yield &schedules[key]
    }
  }

  /// Gives the next turn; nil: there is none until something happens or ``wakeAt`` comes.
  package mutating func next(now: Int64) -> Turn? {
    while let key = alarms.popDue(now) { changed.insert(key) }
    for key in changed.sorted() { enqueue(key, now) }
    changed = []
    isShortOfHandlers = false
    for _ in Need.allCases {
      defer { turn = (turn + 1) % Need.allCases.count }
      guard let need = Need(rawValue: turn) else { continue }
      while let key = queues[turn].first {
        guard let schedule = schedules[key], schedule.has(need, now) else {
          queues[turn].advance()  // the need is gone
          continue
        }
        guard canServe(need) else {
          if need == .firstHandler { isShortOfHandlers = true }
          break
        }
        queues[turn].advance()
        changed.insert(key)
        return need == .noHandler && schedule.mustLook(now: now) ? .look(key) : .serve(key)
      }
    }
    return nil
  }

  /// When there may be a turn again, if nothing happens before.
  package var wakeAt: Int64? { alarms.first }

  private func canServe(_ need: Need) -> Bool {
    switch need {
    case .noHandler: true
    case .firstHandler: handlers < limit
    case .furtherHandler: handlers < max(1, limit / 2)
    }
  }

  /// Puts a mailbox into each queue where it belongs and is not yet.
  private mutating func enqueue(_ key: Key, _ now: Int64) {
    guard let schedule = schedules[key] else { return alarms.set(key, nil) }
    for need in Need.allCases where schedule.has(need, now) { queues[need.rawValue].append(key) }
    alarms.set(key, schedule.wakeAt(after: now))
  }

  /// First come, first served.
  private struct Queue {
    private var keys: [Key] = []
    private var head = 0
    /// The same keys, to find one at once.
    private var members: Set<Key> = []

    var first: Key? { head < keys.count ? keys[head] : nil }

    /// A key that is in the queue keeps its place.
    mutating func append(_ key: Key) {
      if members.insert(key).inserted { keys.append(key) }
    }

    mutating func advance() {
      members.remove(keys[head])
      head += 1
      guard head > 1024 || head == keys.count else { return }
      keys.removeFirst(head)
      head = 0
    }
  }
}

extension MailboxSchedule {
  fileprivate func has(_ need: TurnScheduler.Need, _ now: Int64) -> Bool {
    switch need {
    case .noHandler: mustLook(now: now) || mayStart(now: now) && needsNoHandler
    case .firstHandler: mayStart(now: now) && !needsNoHandler && running == 0
    case .furtherHandler: mayStart(now: now) && !needsNoHandler && running > 0
    }
  }
}

/// One time for each key, the earliest first: a heap. An entry whose time was set again is dropped when its old time
/// comes.
private struct Alarms {
  private var heap: [(time: Int64, key: TurnScheduler.Key)] = []
  private var times: [TurnScheduler.Key: Int64] = [:]

  package mutating func set(_ key: TurnScheduler.Key, _ time: Int64?) {
    if times[key] == time { return }
    times[key] = time
    if let time {
      heap.append((time, key))
      rise(heap.count - 1)
    }
    if heap.count > 2 * times.count + 64 { rebuild() }
  }

  /// The earliest time. It may have been set again: then nothing is due when it comes.
  package var first: Int64? { heap.first?.time }

  package mutating func popDue(_ now: Int64) -> TurnScheduler.Key? {
    while let (time, key) = heap.first {
      let isCurrent = times[key] == time
      if isCurrent, time > now { return nil }
      advance()
      if isCurrent {
        times[key] = nil
        return key
      }
    }
    return nil
  }

  private mutating func rebuild() {
    heap = times.map { ($0.value, $0.key) }.sorted { $0 < $1 }
  }

  private mutating func advance() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if heap[child].time < heap[least].time { least = child }
      }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private mutating func rise(_ index: Int) {
    var index = index
    while index > 0, heap[index].time < heap[(index - 1) / 2].time {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }
}
