// The watcher: hands letters to handlers until told to stop. One thread, one poll. In each round it does
// what is due, gives mailboxes their turns as the scheduler says, and waits for the first of: a hint from the
// kernel, a handler's word or end, a signal, a deadline. With nothing to do it sleeps until one of the
// first three, or until it looks whether the kernel has missed something.

import Linux
import PostOffice
import Scheduling

/// ClaimSurvey the letters of mailboxes to their handlers.
public final class Watcher {
  /// Handles a letter within this process.
  public typealias Closure = (Claim) -> Verdict

  let office: Office
  let only: [Name]?
  let closure: Closure?
  /// Stop when nothing is left to do.
  public var untilEmpty = false
  /// Takes a line for people about each event.
  public var tell: (String) -> Void = { _ in }
  /// Takes what handlers wrote on standard error, with the mailbox it belongs to.
  public var relay: (Name, [UInt8]) -> Void = { _, _ in }
  /// Called in every round; returns when to call it again at the latest, monotonic nanoseconds.
  package var beat: (Watcher) -> Int64? = { _ in nil }

  var watches: InotifyWatches
  var workers: [Name: MailboxWorker] = [:]
  var workersByKey: [TurnScheduler.Key: MailboxWorker] = [:]
  var topics: [Name: TopicWorker] = [:]
  var scheduler = TurnScheduler(limit: Settings().maxHandlers)
  /// Desks whose schedule has changed since the last turn.
  var changed: Set<TurnScheduler.Key> = []
  var jobs: [Job] = []
  /// Large letters that are still to be verified, or copied for their handlers.
  var preparations: [Preparation] = []
  /// Streaming handlers at work, and the workers that they work for.
  var streams: [(handler: StreamHandler, worker: MailboxWorker)] = []
  var unsynced: [TurnScheduler.Key: MailboxWorker] = [:]
  /// Desks where letters have ended in this round.
  var settled: [TurnScheduler.Key: MailboxWorker] = [:]
  /// Desks with letters whose end could not be written down.
  var burdened: [TurnScheduler.Key: MailboxWorker] = [:]
  /// How many letters ended, and how, since the start.
  var counts = Counts()
  private var lastSync: Int64 = 0
  private var nextBeat: Int64?
  var lastScan = Clock.monotonic
  private var nextSweep = Clock.monotonic + Watcher.sweepInterval
  private(set) var stopping: Int64?
  /// Nothing is left to do, but to wait for streaming handlers to end.
  private var isEnding = false
  /// Why it had to stop.
  private var fate: PostError?
  /// Mailboxes that are not served: why.
  var unserved: [Name: PostError.Kind] = [:]
  /// There may be others, which could not be seen: why.
  var unseen: PostError.Kind?
  /// When to look again which topics and mailboxes there are, after trouble.
  var discoverAt: Int64?
  /// The pause before that, each time longer.
  var discoverPause = MailboxSchedule.firstPause
  var hasToldBlindness = false
  var nextKey: TurnScheduler.Key = 1
  /// Locked while we are at work, if nobody else has locked it.
  var presence: File?

  /// A handler at work, and the worker that it works for, even if that is served no longer.
  struct Job {
    let handler: Handler
    let worker: MailboxWorker
    let item: WorkItem
    /// Of a batch that failed: the letters that are still to be tried one by one.
    var rest: [Claim] = []
  }

  struct Counts {
    var done = 0
    var retried = 0
    var failed = 0
  }

  /// How it goes, in a line.
  package var summary: String {
    let paused = workers.values.count { $0.schedule.isHandlerBroken || $0.schedule.isPausedByHand }
    return "mailboxes: \(workers.count), paused: \(paused); handlers at work: \(jobs.count + streams.count); "
      + "letters done: \(counts.done), to be tried again: \(counts.retried), failed: \(counts.failed)"
  }

  /// What streaming handlers say is passed on this often. Nanoseconds, as everything here.
  static let hearInterval: Int64 = 1_000_000_000
  /// The most turns in one round, before signals and ends are looked at again.
  static let turnLimit = 32
  /// The most letters that a streaming handler gets in one turn.
  static let streamBurst = 32
  /// Old letters are removed this often.
  static let sweepInterval: Int64 = 3_600_000_000_000
  /// Settled letters are durable after this time at the latest.
  static let syncInterval: Int64 = 1_000_000_000
  /// Where it does watch, too, but more rarely: a missed event strands no letter for longer.
  static let safetyInterval: Int64 = 60_000_000_000
  /// A deadline that is over although all was done that could be done is looked at again after this.
  static let spinGuard: Int64 = 100_000_000

  /// - Parameters:
  ///   - mailboxes: the mailboxes to serve; nil: all that have a handler, also those still to come.
  ///   - closure: handles the letters; nil: the handler of each mailbox's settings.
  /// - Throws: not found, for a mailbox that does not exist; bad settings, if none can be served.
  public init(_ office: Office, mailboxes: [Name]? = nil, handler closure: Closure? = nil) throws(PostError) {
    self.office = office
    only = mailboxes
    self.closure = closure
    watches = try InotifyWatches(office.path)
    var troubles = [PostError]()
    for name in mailboxes ?? [] {
      let mailbox = try office.mailbox(name)
      do throws(PostError) { try check(mailbox) } catch { troubles.append(error) }
    }
    // One mailbox's bad settings are no reason to leave the others alone.
    if let first = troubles.first, troubles.count == mailboxes?.count { throw first }
    for trouble in troubles { office.warn(trouble.message) }
  }

  private func check(_ mailbox: Mailbox) throws(PostError) {
    guard try mailbox.settings().handler == nil, closure == nil else { return }
    throw PostError(
      .badSettings,
      "mailbox \(mailbox.name) has no handler; add a line 'Handler: COMMAND' to \(mailbox.layout.settings)")
  }

  /// Asks the watcher to stop: no new letters; handlers at work may finish for ten seconds, then they
  /// are ended and their letters given back. Asked again, it does not wait.
  public func stop() {
    let now = Clock.monotonic
    stopping = stopping.map { min($0, now) } ?? now + Handler.stopGrace
    for (stream, _) in streams { stream.close() }
  }

  /// Serves the mailboxes until stopped or, `untilEmpty`, until nothing is left.
  /// - Throws: bad settings, when the letters of a mailbox wait for a broken handler (`untilEmpty`);
  ///   not found, when the spool is gone.
  public func run() throws(PostError) { try run(signals: nil) {} }

  /// - Parameter signals: readable when the caller should look for signals; then `onSignal` is called.
  package func run(signals: Int32?, onSignal: () -> Void) throws(PostError) {
    office.timeToDeleteBy(isFirst: true)  // nothing has moved yet
    discover()
    testHearing()
    while true {
      let now = Clock.monotonic
      var hasMore = stopping == nil && !isEnding && work(now)
      if stopping != nil { dropPreparations() }
      if let deadline = stopping, deadline <= now {
        for job in jobs { job.handler.stop(now: now) }
        for (stream, _) in streams { stream.stop(now: now) }
      }
      if !unsynced.isEmpty, now - lastSync >= Watcher.syncInterval { sync() }
      nextBeat = beat(self)
      if untilEmpty, !hasMore, jobs.isEmpty, isIdle {
        hasMore = triesAgain()
        isEnding = !hasMore
      }
      if isEnding || stopping != nil {
        for (stream, _) in streams { stream.close() }
        if jobs.isEmpty, streams.isEmpty { break }
      }
      for worker in settled.values { worker.mailbox.flushLog() }
      settled = [:]
      try wait(signals, onSignal, hasMore ? now : wakeAt())
    }
    for worker in burdened.values { settleRest(worker) }
    sync()
    for worker in workers.values { worker.mailbox.flushLog() }
    if let fate { throw fate }
    try complain()
  }

  /// Says what kept letters waiting although nothing is left to do.
  private func complain() throws(PostError) {
    guard untilEmpty, stopping == nil else { return }
    let waiting = workers.values.filter { $0.schedule.isKnownBroken }.min { $0.name < $1.name }
    if let waiting {
      let kind = waiting.schedule.isHandlerBroken ? .badSettings : waiting.trouble?.kind ?? .io
      throw PostError(kind, "letters of mailbox \(waiting.name) wait, for the reason given above")
    }
    if let kind = unseen ?? unserved.min(by: { $0.key < $1.key })?.value {
      throw PostError(kind, "not every mailbox was served, for the reason given above")
    }
  }

  // MARK: One round

  /// - Returns: whether there is more that could be done at once.
  private func work(_ now: Int64) -> Bool {
    if nextSweep <= now {
      do throws(PostError) { try office.sweep() } catch { office.warn(error.message) }
      for worker in workers.values { worker.mailbox.forgetUnreadable() }
      nextSweep = now + Watcher.sweepInterval
    }
    if let due = discoverAt, due <= now { discover() }
    for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true { topic.check(now) }
    for worker in burdened.values where (worker.schedule.pausedUntil ?? now) <= now { settleRest(worker) }
    var turns = 0
    while turns < Watcher.turnLimit {
      guard stopping == nil, let turn = nextTurn() else { break }
      take(turn)
      turns += 1
    }
    if scheduler.isShort { retireStream() }
    prepareSlice()
    return turns == Watcher.turnLimit || !preparations.isEmpty
  }

  /// A mailbox waits for its first handler, and there is no place: ends the streaming handler that has had no
  /// letters for the longest time, or else the oldest that has had its share of time, once it has answered.
  private func retireStream() {
    if streams.contains(where: \.handler.isClosed) { return }  // one is going already
    let now = Clock.monotonic
    let idle = streams.filter { !$0.handler.hasLetters }
    // What is being prepared would have to be prepared anew.
    let next =
      idle.min { $0.handler.idleSince < $1.handler.idleSince }
      ?? streams.filter { now - $0.handler.startedAt >= Watcher.streamShare && $0.handler.expected == 0 }
      .min { $0.handler.startedAt < $1.handler.startedAt }
    next?.handler.close()
    next?.worker.makeRoom()
  }

  /// A streaming handler keeps its place for so long, when others wait for it.
  private static let streamShare: Int64 = 1_000_000_000

  private func nextTurn() -> TurnScheduler.Turn? {
    for key in changed { scheduler[key] = workersByKey[key]?.schedule }
    changed = []
    scheduler.handlers = jobs.count + streams.count + preparations.count { $0.stream == nil }
    return scheduler.next(now: Clock.monotonic)
  }

  private func take(_ turn: TurnScheduler.Turn) {
    switch turn {
    case .look(let key), .serve(let key):
      guard let worker = workersByKey[key] else { return }
      settled[key] = worker
      do throws(PostError) {
        if case .look = turn { try worker.look(Clock.monotonic) } else { try serve(worker) }
        worker.schedule.wasServed(now: Clock.monotonic)
      } catch {
        // One mailbox in trouble must not hold up the others.
        office.warn("mailbox \(worker.name): \(error.message)")
        worker.isInTrouble(error)
      }
    }
  }

  // MARK: Waiting

  private func wakeAt() -> Int64? {
    let now = Clock.monotonic
    var times = jobs.compactMap(\.handler.deadline) + streams.compactMap(\.handler.deadline)
    times += jobs.compactMap(\.handler.lookAt) + streams.compactMap(\.handler.lookAt)
    if !unsynced.isEmpty { times.append(lastSync + Watcher.syncInterval) }
    if let nextBeat { times.append(nextBeat) }
    if let stopping {
      if stopping > now { times.append(stopping) }
    } else {
      if let wakeAt = scheduler.wakeAt { times.append(wakeAt) }
      times += burdened.values.map { $0.schedule.pausedUntil ?? now }
      times += topics.values.compactMap(\.checkAt)
      if let discoverAt { times.append(discoverAt) }
      times.append(nextSweep)
      if !untilEmpty || watches.isBlind { times.append(max(now, nextScan)) }
    }
    return times.min().map { $0 <= now ? now + Watcher.spinGuard : $0 }
  }

  /// When everything is to be looked at, whether or not something was heard of it.
  private var nextScan: Int64 {
    lastScan + (watches.isBlind ? InotifyWatches.scanInterval : Watcher.safetyInterval)
  }

  private func wait(_ signals: Int32?, _ onSignal: () -> Void, _ wakeAt: Int64?) throws(PostError) {
    let ready = PollResult(
      [signals, fate == nil ? watches.descriptor : nil], jobs.map(\.handler), streams.map(\.handler),
      atMost: wakeAt.map { max(0, $0 - Clock.monotonic) })
    if ready.others[0] { onSignal() }
    if ready.others[1], fate == nil { try listen() }
    let now = Clock.monotonic
    if nextScan <= now {
      lastScan = now
      scan()
    }
    for (index, stream) in streams.enumerated() {
      listen(to: stream.handler, stream.worker, ready.streams[index])
    }
    let atWork = zip(jobs, ready.ended)
    jobs = atWork.filter { !$0.1 }.map(\.0)
    for (job, hasEnded) in atWork where hasEnded {
      do throws(PostError) { try finish(job) } catch {
        // What is not kept to be settled later will be taken back as from a dead holder, after a pause.
        office.warn(error.message)
        job.worker.isInTrouble(error)
        job.worker.schedule.hint()
      }
    }
    for job in jobs { job.handler.tend(now: now) }
    for (stream, worker) in streams where stream.tend(now: now) { worker.makeRoom() }
  }

  /// Who cannot hear any more stops as if told to: handlers at work may finish, and what they did is written down.
  private func listen() throws(PostError) {
    do throws(PostError) { try takeHints() } catch let error where error.kind != .notFound {
      fate = error
      stop()
    }
  }

  private var isIdle: Bool {
    workers.values.allSatisfy { $0.schedule.isIdle || $0.schedule.isKnownBroken || !$0.schedule.isOpen }
      && topics.values.allSatisfy { $0.checkAt == nil || $0.isInTrouble }
      && !streams.contains(where: \.handler.hasLetters)
  }

  /// Gives letters that were passed over, since they could not be read, a last chance.
  /// - Returns: whether there are some. If it fails, their mailbox is in trouble.
  private func triesAgain() -> Bool {
    let again = workers.values.filter { !$0.mailbox.unreadable.isEmpty && !$0.schedule.isKnownBroken }
    for worker in again {
      worker.isLastChance = true
      worker.mailbox.forgetUnreadable()
      worker.mailbox.window.arrived()
      worker.schedule.hint()
    }
    return !again.isEmpty
  }

  private func sync() {
    lastSync = Clock.monotonic
    let workers = unsynced.values
    unsynced = [:]
    for worker in workers { worker.mailbox.flushLog() }
    if workers.count > Delivery.directorySyncs, (try? office.root.syncFileSystem()) != nil {
      for worker in workers { worker.mailbox.wasSynced() }
    }
    for worker in workers { worker.mailbox.syncOrWarn() }
  }
}
