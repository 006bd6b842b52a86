// The steps of a watcher's round, in the order in which `Watcher.run` takes them: work that is due, one poll, and
// what the poll found. No step waits, and no step's trouble ends the watcher: a mailbox in trouble pauses, and the
// others go on.

import Linux
import PostOffice
import Scheduling

extension Watcher {
  /// The most turns in one round, so that handlers and signals never wait for long.
  private static let turnLimit = 32
  /// Expired letters are deleted this often. Nanoseconds.
  static let sweepInterval: Int64 = 3_600_000_000_000
  /// After a deadline that is over although all was done that could be done, the next look comes so late. Nanoseconds.
  private static let spinGuard: Int64 = 100_000_000

  // MARK: Work that is due

  /// Does what is due, and gives mailboxes their turns.
  /// - Returns: whether more can be done at once.
  func doWork() -> Bool {
    let now = Clock.monotonic
    if sweepAt <= now { sweep(now) }
    if let repeatAt = discovery.repeatAt, repeatAt <= now { discover() }
    for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true { topic.check(now) }
    for worker in pending.unsettled.values where (worker.schedule.pausedUntil ?? now) <= now {
      settleRest(worker)
    }
    let hasMoreTurns = takeTurns()
    if workers.isShortOfHandlers { work.retireStream(now: Clock.monotonic) }
    prepareSlice()
    return hasMoreTurns || !work.preparations.isEmpty
  }

  private func sweep(_ now: Int64) {
    do throws(PostError) { try office.sweep() } catch { office.warn(error.message) }
    for worker in workers.all { worker.mailbox.retrySkipped() }
    sweepAt = now + Watcher.sweepInterval
  }

  /// - Returns: whether there may be more turns.
  private func takeTurns() -> Bool {
    for _ in 0..<Watcher.turnLimit {
      guard !isStopping, let turn = workers.nextTurn(running: work.places, now: Clock.monotonic) else {
        return false
      }
      take(turn)
    }
    return true
  }

  private func take(_ turn: TurnScheduler.Turn) {
    switch turn {
    case .look(let key), .serve(let key):
      guard let worker = workers[key] else { return }
      pending.unlogged[worker.key] = worker
      do throws(PostError) {
        if case .look = turn { try worker.look(Clock.monotonic) } else { try serve(worker) }
        worker.schedule.noteServed(now: Clock.monotonic)
      } catch {
        office.warn("mailbox \(worker.name): \(error.message)")
        worker.noteTrouble(error)
      }
    }
  }

  /// Once the watcher is stopped: releases letters that no handler has yet, and terminates handlers whose time is over.
  func enforceStop() {
    guard case .stopping(let deadline, _) = phase else { return }
    releasePreparations()
    let now = Clock.monotonic
    if deadline <= now { work.stop(now: now) }
  }

  func syncIfDue() {
    if let syncAt = pending.syncAt, syncAt <= Clock.monotonic { pending.sync(office) }
  }

  // MARK: The poll

  /// Waits for inotify, signals, handlers, or the time.
  func poll(_ signals: Int32?, until wakeAt: Int64?) -> PollResult {
    PollResult(
      [signals, hasLostInotify ? nil : inotify.watches.descriptor], work.jobs.map(\.handler),
      work.streams.map(\.handler), atMost: wakeAt.map { max(0, $0 - Clock.monotonic) })
  }

  /// When the next round must begin; nil: when something happens.
  func wakeAt(_ beatAt: Int64?) -> Int64? {
    let now = Clock.monotonic
    var times = work.deadlines + [pending.syncAt, beatAt].compactMap { $0 }
    if case .stopping(let deadline, _) = phase {
      if deadline > now { times.append(deadline) }
    } else {
      times += [workers.wakeAt, discovery.repeatAt, sweepAt].compactMap { $0 }
      times += pending.unsettled.values.map { $0.schedule.pausedUntil ?? now }
      times += topics.values.compactMap(\.checkAt)
      if !untilEmpty || inotify.watches.isBlind { times.append(max(now, inotify.scanAt)) }
    }
    return times.min().map { $0 <= now ? now + Watcher.spinGuard : $0 }
  }

  // MARK: What the poll found

  /// Without inotify the watcher stops: handlers may finish, and what they did is recorded.
  /// - Throws: not found, when the spool is gone.
  func readHintsOrStop() throws(PostError) {
    do throws(PostError) { try takeHints() } catch let error where error.kind != .notFound {
      stop(because: error)
    }
  }

  /// Settles the letters of the exec handlers that have ended.
  func reapHandlers(_ hasEnded: [Bool]) {
    let ended = zip(work.jobs, hasEnded).filter(\.1).map(\.0)
    work.jobs = zip(work.jobs, hasEnded).filter { !$1 }.map(\.0)
    for job in ended {
      do throws(PostError) { try finish(job) } catch {
        // A letter that is not kept comes back as from a dead holder, after a pause.
        office.warn(error.message)
        job.worker.noteTrouble(error)
        job.worker.schedule.hint()
      }
    }
  }

  // MARK: The end

  /// With `untilEmpty`: notes that nothing is left to do, if so.
  /// - Returns: whether there is something after all: letters that could not be read get a last chance.
  func noteEmpty() -> Bool {
    guard untilEmpty, isServing, isIdle else { return false }
    let again = workers.all.filter { $0.retryUnreadable() }
    if again.isEmpty { phase = .finishing }
    return !again.isEmpty
  }

  private var isIdle: Bool {
    work.jobs.isEmpty
      && workers.all.allSatisfy { $0.schedule.isIdle || $0.schedule.isKnownBroken || !$0.schedule.isOpen }
      && topics.values.allSatisfy { $0.checkAt == nil || $0.isInTrouble }
      && !work.streams.contains(where: \.handler.hasLetters)
  }
}
