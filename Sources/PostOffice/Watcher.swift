// The watcher: hands letters to handlers until told to stop. One thread, one poll. In each round it
// looks where something may have happened, starts what may be started, and waits for the first of:
// a hint from the kernel, a handler's end, a signal, a deadline. With nothing to do it sleeps until
// one of the first three, however long that takes.

import Linux

/// Hands the letters of mailboxes to their handlers.
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

  var watches: WatchList
  var desks: [Name: Desk] = [:]
  var topics: [Name: TopicDesk] = [:]
  private var jobs: [Job] = []
  var unsynced: [Desk] = []
  private var lastSync: Int64 = 0
  private var lastScan: Int64 = 0
  private var nextSweep: Int64?
  private var stopping: Int64?
  /// Mailboxes that are not served, because of their settings.
  var hasUnserved = false

  /// A handler at work, and the desk that it works for, even if that is served no longer.
  struct Job {
    let handler: Handler
    let desk: Desk
  }

  /// The most handlers at once, over all mailboxes. The second half of them is for mailboxes that
  /// have none at work.
  static let handlerLimit = 256
  /// The most letters that one mailbox gets in one round.
  static let burst = 16
  /// Old letters are removed this often. Nanoseconds, as everything here.
  static let sweepInterval: Int64 = 3_600_000_000_000
  /// Settled letters are durable after this time at the latest.
  static let syncInterval: Int64 = 1_000_000_000
  /// Where the kernel cannot watch, everything is looked at this often.
  static let scanInterval: Int64 = 2_000_000_000
  /// Told to stop, the watcher lets handlers work on for so long before it ends them.
  static let stopGrace: Int64 = 10_000_000_000
  /// A sender gets so long to sort its letter before anybody asks whether it is dead.
  static let sortingGrace: Int64 = 20_000_000
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
    watches = try WatchList(office.path)
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
    stopping = stopping.map { min($0, now) } ?? now + Watcher.stopGrace
  }

  /// Serves the mailboxes until stopped or, `untilEmpty`, until nothing is left.
  /// - Throws: bad settings, when the letters of a mailbox wait for a broken handler (`untilEmpty`);
  ///   not found, when the spool is gone.
  public func run() throws(PostError) { try run(signals: -1) {} }

  /// - Parameter signals: readable when the caller should look for signals; then `onSignal` is called.
  package func run(signals: Int32, onSignal: () -> Void) throws(PostError) {
    discover()
    while true {
      let now = Clock.monotonic
      let hasMore = stopping == nil && work(now)
      if let deadline = stopping, deadline <= now { for job in jobs { job.handler.stop(now: now) } }
      if !unsynced.isEmpty, now - lastSync >= Watcher.syncInterval { sync() }
      if jobs.isEmpty, stopping != nil || (untilEmpty && !hasMore && isIdle) { break }
      try wait(signals, onSignal, hasMore ? now : wakeAt())
    }
    for desk in desks.values { settleRest(desk) }
    sync()
    guard untilEmpty, stopping == nil else { return }
    let waiting = desks.values.filter { $0.schedule.isKnownBroken }.min { $0.name < $1.name }
    if let waiting {
      let kind = waiting.schedule.isHandlerBroken ? .badSettings : waiting.trouble?.kind ?? .io
      throw PostError(kind, "letters of mailbox \(waiting.name) wait, for the reason given above")
    }
    if hasUnserved {
      throw PostError(.badSettings, "not every mailbox was served, for the reason given above")
    }
  }

  // MARK: One round

  /// - Returns: whether there is more that could be done at once.
  private func work(_ now: Int64) -> Bool {
    if let due = nextSweep, due <= now {
      do throws(PostError) { try office.sweep() } catch { office.warn(error.message) }
      for desk in desks.values { desk.mailbox.forgetUnreadable() }
    }
    if nextSweep.map({ $0 <= now }) ?? true { nextSweep = now + Watcher.sweepInterval }
    for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true { topic.check(now) }
    var hasMore = false
    for desk in desks.values {
      if (desk.schedule.pausedUntil ?? now) <= now { settleRest(desk) }
      guard desk.isServed else { continue }
      do throws(PostError) {
        if try serve(desk) { hasMore = true }
      } catch {
        // One mailbox in trouble must not hold up the others.
        office.warn("mailbox \(desk.name): \(error.message)")
        desk.isInTrouble(error)
      }
    }
    return hasMore
  }

  private func serve(_ desk: Desk) throws(PostError) -> Bool {
    var started = 0
    while stopping == nil {
      let now = Clock.monotonic
      if desk.schedule.mustLook(now: now) { try desk.look(now) }
      guard desk.schedule.mayStart(now: now), hasRoom(for: desk) else { break }
      if started == Watcher.burst { return true }
      do throws(PostError) {
        if let claim = try desk.mailbox.claim() {
          started += 1
          try start(claim, desk)
        } else {
          desk.schedule.foundNothing()
        }
      } catch let error where error.kind == .badData {
        office.warn(error.message)
        desk.schedule.foundNothing()  // set aside; nothing good is left
      }
    }
    desk.schedule.wasServed(now: Clock.monotonic)
    return false
  }

  private func hasRoom(for desk: Desk) -> Bool {
    jobs.count < Watcher.handlerLimit / 2 || (jobs.count < Watcher.handlerLimit && desk.schedule.running == 0)
  }

  private func start(_ claim: Claim, _ desk: Desk) throws(PostError) {
    desk.take(claim.letter.id)
    if let closure { return try end(claim, closure(claim), desk) }
    do throws(Errno) {
      let folder = office.path / desk.mailbox.layout.root
      let command = HandlerCommand.shell(desk.settings.handler ?? "")
      let handler = try Handler(command, on: claim, desk.settings, folder: folder, isUnattended: true)
      jobs.append(Job(handler: handler, desk: desk))
    } catch let error where PostError.Kind(of: error) == .tryAgain {
      // The system is short of something; the handler is not to blame.
      desk.giveUp(claim.letter.id, due: nil)
      try claim.release()
      throw PostError(error, "cannot start the handler")
    } catch {
      try end(claim, .broken("cannot be started: \(error)"), desk)
    }
  }

  // MARK: Waiting

  private func wakeAt() -> Int64? {
    let now = Clock.monotonic
    var times = jobs.compactMap(\.handler.deadline)
    if !jobs.isEmpty { times.append(now + Handler.trimInterval) }
    if !unsynced.isEmpty { times.append(lastSync + Watcher.syncInterval) }
    if let stopping {
      if stopping > now { times.append(stopping) }
    } else {
      times += desks.values.filter(\.isServed).compactMap(\.schedule.wakeAt)
      times += desks.values.filter { !$0.unsettled.isEmpty }.map { $0.schedule.pausedUntil ?? now }
      times += topics.values.compactMap(\.checkAt)
      if let nextSweep { times.append(nextSweep) }
      if watches.isBlind { times.append(max(now, lastScan + Watcher.scanInterval)) }
    }
    return times.min().map { $0 <= now ? now + Watcher.spinGuard : $0 }
  }

  private func wait(_ signals: Int32, _ onSignal: () -> Void, _ wakeAt: Int64?) throws(PostError) {
    let (ready, ended) = Handler.wait(
      [signals, watches.descriptor], for: jobs.map(\.handler),
      atMost: wakeAt.map { max(0, $0 - Clock.monotonic) })
    if ready[0] { onSignal() }
    if ready[1] { try takeHints() }
    let now = Clock.monotonic
    if watches.isBlind, now - lastScan >= Watcher.scanInterval {
      lastScan = now
      hintAll()
    }
    let atWork = zip(jobs, ended)
    jobs = atWork.filter { !$0.1 }.map(\.0)
    for (job, hasEnded) in atWork where hasEnded {
      do throws(PostError) { try finish(job) } catch {
        // What is not kept to be settled later will be taken back as from a dead holder, after a pause.
        office.warn(error.message)
        job.desk.isInTrouble(error)
        job.desk.schedule.hint()
      }
    }
    for job in jobs { job.handler.tend(now: now) }
  }

  private var isIdle: Bool {
    desks.values.allSatisfy { $0.schedule.isIdle || $0.schedule.isKnownBroken || !$0.isServed }
      && topics.values.allSatisfy { $0.checkAt == nil || $0.isInTrouble }
  }

  private func sync() {
    lastSync = Clock.monotonic
    let desks = unsynced
    unsynced = []
    if desks.count > Delivery.directorySyncs, (try? office.root.syncFileSystem()) != nil {
      for desk in desks { desk.mailbox.wasSynced() }
    }
    for desk in desks { desk.mailbox.syncOrWarn() }
  }
}
