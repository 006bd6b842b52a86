// The scheduler: which mailbox has its turn. A state machine without I/O over the schedules of all mailboxes:
// what happened goes in, the next turn or the time to wake comes out. Times are monotonic nanoseconds.
//
// Those who have something to do stand in three lines, served in turn, each first come, first served: who
// needs no handler, who needs its first, who needs a further one. Each stands in a line once, and keeps its
// place there when it is looked at meanwhile. With every turn one goes to the end of its line again, so a
// long backlog or a slow handler holds up nobody else; and the last line may use half of all handlers only,
// so there is always one for a mailbox that has none. A turn costs the same however many mailboxes there are.

/// Whose turn it is, over all mailboxes.
package struct TurnScheduler {
  /// A mailbox, as the caller numbers them.
  package typealias Key = Int

  package enum Turn: Hashable {
    /// Look into `later/` and `cur/`.
    case look(Key)
    /// Claim letters, and give them to a handler.
    case serve(Key)
  }

  /// The most handlers at once.
  package var limit: Int
  /// How many are at work.
  package var handlers = 0
  /// Somebody waits for its first handler until another one ends.
  package private(set) var isShort = false

  private var schedules: [Key: MailboxSchedule] = [:]
  /// Those who may have to stand in line.
  private var changed: Set<Key> = []
  private var lines = [Line](repeating: Line(), count: Queue.allCases.count)
  private var turn = 0
  private var alarms = Alarms()

  fileprivate enum Queue: Int, CaseIterable {
    case needsNone, needsFirst, needsAnother
  }

  package init(limit: Int) { self.limit = limit }

  /// The schedule of a mailbox; nil takes it off the scheduler.
  package subscript(key: Key) -> MailboxSchedule? {
    get { schedules[key] }
    _modify {
      changed.insert(key)
      yield &schedules[key]
    }
  }

  /// Whose turn it is now; nil: nobody's, until something happens or ``wakeAt`` comes.
  package mutating func next(now: Int64) -> Turn? {
    while let key = alarms.popDue(now) { changed.insert(key) }
    for key in changed.sorted() { lineUp(key, now) }
    changed = []
    isShort = false
    for _ in Queue.allCases {
      defer { turn = (turn + 1) % Queue.allCases.count }
      guard let queue = Queue(rawValue: turn) else { continue }
      while let key = lines[turn].first {
        guard let schedule = schedules[key], schedule.belongs(in: queue, now) else {
          lines[turn].advance()  // it needs nothing here any more
          continue
        }
        guard hasRoom(in: queue) else {
          if queue == .needsFirst { isShort = true }
          break
        }
        lines[turn].advance()
        changed.insert(key)
        return queue == .needsNone && schedule.mustLook(now: now) ? .look(key) : .serve(key)
      }
    }
    return nil
  }

  /// When somebody will have something to do, if nothing happens before.
  package var wakeAt: Int64? { alarms.first }

  private func hasRoom(in queue: Queue) -> Bool {
    switch queue {
    case .needsNone: true
    case .needsFirst: handlers < limit
    case .needsAnother: handlers < max(1, limit / 2)
    }
  }

  /// Puts a mailbox into the lines where it belongs and does not stand yet.
  private mutating func lineUp(_ key: Key, _ now: Int64) {
    guard let schedule = schedules[key] else { return alarms.set(key, nil) }
    for queue in Queue.allCases where schedule.belongs(in: queue, now) { lines[queue.rawValue].append(key) }
    alarms.set(key, schedule.wakeAt(after: now))
  }

  /// First come, first served.
  private struct Line {
    private var keys: [Key] = []
    private var head = 0
    /// Those that stand in it, to be found at once.
    private var members: Set<Key> = []

    var first: Key? { head < keys.count ? keys[head] : nil }

    /// Who stands in it already stays where it is.
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
  fileprivate func belongs(in queue: TurnScheduler.Queue, _ now: Int64) -> Bool {
    switch queue {
    case .needsNone: mustLook(now: now) || mayStart(now: now) && needsNoHandler
    case .needsFirst: mayStart(now: now) && !needsNoHandler && running == 0
    case .needsAnother: mayStart(now: now) && !needsNoHandler && running > 0
    }
  }
}

/// One time for each of many: the earliest first. A heap; what was set anew is passed over when its old time comes.
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

  /// The earliest time. It may be one that no longer counts: then nothing is due when it comes.
  package var first: Int64? { heap.first?.time }

  package mutating func popDue(_ now: Int64) -> TurnScheduler.Key? {
    while let (time, key) = heap.first {
      let counts = times[key] == time
      if counts, time > now { return nil }
      advance()
      if counts {
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
