// The watcher: hands letters to handlers until it is stopped. One thread, one poll in each round, and the steps of a
// round in a fixed order.
//
// - It ends only when it is stopped, when nothing is left to do (`untilEmpty`), or when the spool is gone or inotify
//   fails.
// - Every letter that it claims is settled or released before it ends, or comes back as from a dead holder.
// - It never waits for one mailbox, handler or topic while another has something to do.
// - inotify's hints make it fast; it finds every letter without them (InotifyHealth.swift).

import Linux
import PostOffice

/// Hands the letters of mailboxes to their handlers.
public final class Watcher {
  /// Handles a letter within this process.
  public typealias Closure = (Claim) -> Verdict

  let office: Office
  let only: [Name]?
  let closure: Closure?
  let workers = WorkerTable()

  /// Stop when nothing is left to do.
  public var untilEmpty = false
  /// Takes a line for the operator about each event.
  public var tell: (String) -> Void = { _ in }
  /// Takes what handlers wrote on standard error, with their mailbox.
  public var relay: (Name, [UInt8]) -> Void = { _, _ in }

  var topics: [Name: TopicWorker] = [:]
  var inotify: InotifyHealth
  var discovery = Discovery()
  var work = RunningWork()
  var pending = PendingRecords()
  var counts = Counts()
  var phase = Phase.serving
  var sweepAt = Clock.monotonic + Watcher.sweepInterval

  enum Phase {
    case serving
    /// Nothing is left to do, but streaming handlers must exit.
    case finishing
    /// No handler gets a letter any more. Those that run are terminated at the deadline.
    case stopping(deadline: Int64, because: PostError?)
  }

  /// How many letters ended since the start, and how.
  struct Counts {
    var done = 0
    var retried = 0
    var failed = 0
  }

  /// - Parameters:
  ///   - mailboxes: the mailboxes to serve; nil: all that have a handler, also those still to come.
  ///   - closure: handles the letters; nil: the handler of each mailbox's settings.
  /// - Throws: not found, for a mailbox that does not exist; bad settings, if none can be served.
  public init(_ office: Office, mailboxes: [Name]? = nil, handler closure: Closure? = nil) throws(PostError) {
    self.office = office
    only = mailboxes
    self.closure = closure
    inotify = try InotifyHealth(office)
    var troubles = [PostError]()
    for name in mailboxes ?? [] {
      let mailbox = try office.mailbox(name)
      do throws(PostError) {
        if try mailbox.settings().handler == nil, closure == nil {
          throw PostError(
            .badSettings, "mailbox \(name) has no handler",
            remedy: "add a line 'Handler: COMMAND' to \(mailbox.layout.settings)")
        }
      } catch { troubles.append(error) }
    }
    // The bad settings of one mailbox must not keep the others waiting.
    if let first = troubles.first, troubles.count == mailboxes?.count { throw first }
    for trouble in troubles { office.warn(trouble.message) }
  }

  /// The state in a line, for the service manager.
  package var summary: String {
    let paused = workers.all.count { $0.schedule.isHandlerBroken || $0.schedule.isPausedByHand }
    return "mailboxes: \(workers.count), paused: \(paused); running handlers: \(work.handlers); "
      + "letters done: \(counts.done), to be tried again: \(counts.retried), failed: \(counts.failed)"
  }

  // MARK: The loop

  /// Serves the mailboxes until stopped or, with `untilEmpty`, until nothing is left to do.
  /// - Throws: bad settings, when letters wait for a broken handler (`untilEmpty`); not found, when the spool is gone.
  public func run() throws(PostError) { try run(signals: nil, beat: { _ in nil }, onSignal: {}) }

  /// - Parameters:
  ///   - signals: readable when `onSignal` is to be called.
  ///   - beat: called in every round; returns when to call it again at the latest, monotonic nanoseconds.
  package func run(
    signals: Int32?, beat: (Watcher) -> Int64?, onSignal: () -> Void
  ) throws(PostError) {
    office.timeToDeleteBy(isFirst: true)  // before any letter moves
    discover()
    inotify.test()
    while true {
      var hasMore = isServing && doWork()
      enforceStop()
      syncIfDue()
      let beatAt = beat(self)
      if !hasMore { hasMore = noteEmpty() }
      if mayEnd() { break }
      pending.writeLogs()
      let found = poll(signals, until: hasMore ? Clock.monotonic : wakeAt(beatAt))
      if found.readable[0] { onSignal() }
      if found.readable[1] { try readHintsOrStop() }
      scanIfDue()
      serveStreams(found.streams)
      reapHandlers(found.ended)
      work.enforceLimits(now: Clock.monotonic)
    }
    try finish()
  }

  /// Stops the watcher: no handler gets another letter, and running handlers get ten seconds. Then they are
  /// terminated and their letters released. Stopped again, it terminates them at once.
  public func stop() { stop(because: nil) }

  func stop(because error: PostError?) {
    var (deadline, cause) = (Clock.monotonic + HandlerProcess.stopGrace, error)
    if case .stopping(let first, let former) = phase {
      (deadline, cause) = (min(first, Clock.monotonic), former ?? error)
    }
    phase = .stopping(deadline: deadline, because: cause)
    work.closeStreams()
  }

  var isServing: Bool { if case .serving = phase { true } else { false } }
  var isStopping: Bool { if case .stopping = phase { true } else { false } }
  /// inotify can no longer be read.
  var hasLostInotify: Bool { if case .stopping(_, .some) = phase { true } else { false } }

  /// Whether no handler runs any more and none will be started. Closes streaming handlers, which exit when they are
  /// done.
  private func mayEnd() -> Bool {
    if isServing { return false }
    work.closeStreams()
    return work.handlers == 0
  }

  // MARK: The end

  /// Records what is left to record.
  /// - Throws: what made the watcher stop; or, with `untilEmpty`, what kept letters waiting.
  private func finish() throws(PostError) {
    for worker in pending.unsettled.values { settleRest(worker) }
    pending.sync(office)
    for worker in workers.all { worker.mailbox.flushLog() }
    if case .stopping(_, let cause) = phase {
      if let cause { throw cause }
    } else {
      try reportWaiting()
    }
  }

  private func reportWaiting() throws(PostError) {
    if let worker = workers.all.filter({ $0.schedule.isKnownBroken }).min(by: { $0.name < $1.name }) {
      let count = (try? worker.mailbox.count(.new)).map(String.init) ?? "some"
      let letters = count == "1" ? "1 letter still waits" : "\(count) letters still wait"
      let (kind, why): (PostError.Kind, String) =
        worker.schedule.isHandlerBroken
        ? (.badSettings, "handler broken") : (worker.trouble?.kind ?? .io, "see the warning above")
      throw PostError(kind, "stopped: \(letters) in \(worker.name) (\(why))")
    }
    if let kind = discovery.trouble {
      throw PostError(kind, "stopped: not every mailbox was served (see the warning above)")
    }
  }
}
