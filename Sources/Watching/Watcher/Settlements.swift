// How the watcher settles its claims: a handler ends, its verdict is judged, and the letter moves. From the exit of an
// exec handler to the rename: finish -> Watcher.settle -> Claim.settle -> Mailbox.carryOut -> LetterMoves.move ->
// rename.
//
// A letter that was handled and cannot be moved, mostly because the disk is full, stays claimed, and the watcher
// settles it later (CrashSafety I26): until then no other process handles it, and no other letter takes its place. A
// batch is done as a whole; if it fails, each of its letters is handled alone, for one of them may have spoiled it for
// all.

import Linux
import PostOffice

extension MailboxWorker.Unsettled {
  init(_ claim: Claim, _ item: WorkItem, _ verdict: Verdict, _ settings: Settings, _ stderr: [UInt8] = []) {
    self.init(claim: claim, item: item, verdict: verdict, settings: settings, stderr: stderr)
  }
}

extension Watcher {
  /// Settles a claim. If that cannot be written down now, the letter stays claimed, and is settled later.
  func settle(_ end: MailboxWorker.Unsettled, _ worker: MailboxWorker) throws(PostError) {
    let settlement: Settlement
    do throws(PostError) {
      settlement = try end.claim.settle(end.verdict, settings: end.settings, stderr: end.stderr)
    } catch {
      if end.claim.isUnsettled {
        worker.keep(end)
        pending.unsettled[worker.key] = worker
      } else {
        worker.giveUp(end.claim, of: end.item, due: nil)  // another process took the letter away
      }
      throw error
    }
    pending.noteSettlement(of: worker)
    record(settlement, of: end, worker)
    worker.giveUp(end.claim, of: end.item, due: settlement.due.map { Mailbox.monotonic($0) })
  }

  /// Counts and reports a settlement, and tells the schedule what follows from it.
  private func record(_ settlement: Settlement, of end: MailboxWorker.Unsettled, _ worker: MailboxWorker) {
    let id = end.claim.letter.id
    let attempt = "attempt \(end.claim.attempt) of \(end.settings.tries): \(end.verdict.reason ?? "")"
    switch (settlement.place, end.verdict) {
    case (.done, _):
      counts.done += 1
      tell("\(worker.name): letter \(id) done")
    case (.failed, _):
      counts.failed += 1
      office.warn("mailbox \(worker.name): letter \(id) failed, \(attempt)")
    case (.later, _):
      counts.retried += 1
      office.warn("mailbox \(worker.name): letter \(id) will be tried again, \(attempt)")
    case (_, .broken(let reason)): worker.markBroken(reason, now: Clock.monotonic)
    default:
      worker.schedule.hint()  // it waits again
      tell("\(worker.name): letter \(id) given back")
    }
  }

  /// Settles claims that were made together in the same way.
  /// - Throws: the last trouble, after everything else was done; others are reported.
  func settleAll(
    _ claims: [Claim], _ item: WorkItem, _ verdict: Verdict, _ worker: MailboxWorker, _ stderr: [UInt8] = []
  ) throws(PostError) {
    try office.forEach(claims) { (claim) throws(PostError) in
      try settle(.init(claim, item, verdict, worker.settings, stderr), worker)
    }
  }

  /// Settles what could not be written down before.
  func settleRest(_ worker: MailboxWorker) {
    pending.unsettled[worker.key] = nil
    for rest in worker.takeUnsettled() {
      do throws(PostError) { try settle(rest, worker) } catch {
        let id = rest.claim.letter.id
        let outcome = "letter \(id) stays claimed until that can be written down"
        office.warn(error.adding(outcome: outcome).message)
        worker.noteTrouble(error)
      }
    }
    removeIfFinished(worker)
  }

  // MARK: A handler's end

  /// Reaps a handler that has ended, and settles its letters.
  func finish(_ job: RunningWork.Job) throws(PostError) {
    let (handler, worker, item) = (job.handler, job.worker, job.item)
    defer { removeIfFinished(worker) }
    let end: (verdict: Verdict?, exit: Child.Exit, standardError: [UInt8])
    do throws(Errno) { end = try handler.finish() } catch {
      for claim in handler.claims + job.rest { worker.giveUp(claim, of: item, due: nil) }
      throw PostError(error, "cannot tell how a handler of mailbox \(worker.name) ended")
    }
    if !end.standardError.isEmpty { relay(worker.name, end.standardError) }
    guard let verdict = end.verdict else {
      return try settleAll(handler.claims + job.rest, item, .release, worker)
    }
    if handler.claims.count > 1 { return try finishBatch(job, verdict, end.standardError) }
    let claim = handler.claims[0]
    let judged = worker.judge(verdict, on: claim, after: Clock.monotonic - handler.process.startedAt)
    do throws(PostError) {
      try settle(.init(claim, item, judged, handler.settings, end.standardError), worker)
    } catch {
      do throws(PostError) { try settleAll(job.rest, item, .release, worker) } catch {
        office.warn(error.message)
      }
      throw error
    }
    try goOn(with: job.rest, after: judged, item, worker, handler.settings)
  }

  private func finishBatch(_ job: RunningWork.Job, _ verdict: Verdict, _ stderr: [UInt8]) throws(PostError) {
    let (worker, claims) = (job.worker, job.handler.claims)
    guard BatchPolicy.splits(after: verdict) else {
      if verdict == .done { worker.markWorking() }
      return try settleAll(claims, job.item, verdict, worker, stderr)
    }
    office.warn(
      "mailbox \(worker.name): a batch of \(claims.count) letters failed, \(verdict.reason ?? ""); now each of them alone"
    )
    try goOn(with: claims, after: .done, job.item, worker, job.handler.settings)
  }

  /// Whether a handler may be started on letters that were claimed earlier. If the settings have changed, the letters
  /// may be meant for another kind of handler by now.
  func mayGoOn(_ worker: MailboxWorker, _ settings: Settings) -> Bool {
    !isStopping && worker.schedule.isOpen && !worker.schedule.isPausedByHand
      && settings == worker.settings
  }

  /// Gives the next letter of a batch that failed to a handler of its own.
  func goOn(
    with rest: [Claim], after verdict: Verdict, _ item: WorkItem, _ worker: MailboxWorker,
    _ settings: Settings
  ) throws(PostError) {
    guard let next = rest.first else { return }
    guard mayGoOn(worker, settings), BatchPolicy.goesOn(after: verdict, in: settings.order) else {
      return try settleAll(rest, item, .release, worker)
    }
    try run([next], nil, item, worker, rest: Array(rest.dropFirst()))
  }
}
