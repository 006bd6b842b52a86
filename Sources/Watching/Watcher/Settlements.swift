// How the watcher ends its claims: the handler's verdict is written down, or kept until it can be.

import Linux
import PostOffice

extension Watcher {
  /// Ends a claim.
  func end(
    _ claim: Claim, _ item: WorkItem, _ verdict: Verdict, _ worker: MailboxWorker, _ words: [UInt8] = [],
    _ settings: Settings? = nil
  ) throws(PostError) {
    let settings = settings ?? worker.settings
    try end(
      MailboxWorker.Unsettled(claim: claim, item: item, verdict: verdict, settings: settings, words: words),
      worker)
  }

  /// Ends claims that were made together in the same way.
  /// - Throws: the last trouble, after everything else was done; others are told.
  func endAll(
    _ claims: [Claim], _ item: WorkItem, _ verdict: Verdict, _ worker: MailboxWorker, _ words: [UInt8] = []
  ) throws(PostError) {
    try office.forEach(claims) { (claim) throws(PostError) in try end(claim, item, verdict, worker, words) }
  }

  /// Gives letters back, no attempt spent.
  func release(_ claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker) throws(PostError) {
    try office.forEach(claims) { (claim) throws(PostError) in
      defer { worker.giveUp(claim, of: item, due: nil) }
      pending.unlogged[worker.key] = worker
      try claim.release()
      worker.mailbox.window.cameBack()
      worker.schedule.hint()  // it waits again
      tell("\(worker.name): letter \(claim.letter.id) given back")
    }
  }

  /// Ends a claim. If that cannot be written down for now, the letter stays in our hands, and it is tried again.
  private func end(_ end: MailboxWorker.Unsettled, _ worker: MailboxWorker) throws(PostError) {
    do throws(PostError) {
      let due = try settle(end.claim, end.verdict, end.settings, worker, end.words)
      worker.giveUp(end.claim, of: end.item, due: due)
    } catch {
      if worker.mailbox.isInHands(end.claim) {
        worker.keep(end)
        pending.unsettled[worker.key] = worker
      } else {
        worker.giveUp(end.claim, of: end.item, due: nil)  // somebody took it away
      }
      throw error
    }
  }

  /// Writes down what could not be written down before.
  func settleRest(_ worker: MailboxWorker) {
    pending.unsettled[worker.key] = nil
    for rest in worker.takeUnsettled() {
      do throws(PostError) { try end(rest, worker) } catch {
        let id = rest.claim.letter.id
        office.warn("\(error.message); letter \(id) was handled, and is held until that can be written down")
        worker.noteTrouble(error)
      }
    }
    removeIfFinished(worker)
  }

  /// Ends a handler's work.
  func finish(_ job: RunningWork.Job) throws(PostError) {
    let (handler, worker) = (job.handler, job.worker)
    defer { removeIfFinished(worker) }
    let over: (verdict: Verdict?, exit: Child.Exit, standardError: [UInt8])
    do throws(Errno) { over = try handler.finish() } catch {
      for claim in handler.claims + job.rest { worker.giveUp(claim, of: job.item, due: nil) }
      throw PostError(error, "cannot tell how a handler of mailbox \(worker.name) ended")
    }
    if !over.standardError.isEmpty { relay(worker.name, over.standardError) }
    guard let verdict = over.verdict else {
      return try release(handler.claims + job.rest, job.item, worker)
    }
    if handler.claims.count > 1 { return try finishBatch(job, verdict, over.standardError) }
    let claim = handler.claims[0]
    let judged = worker.judge(verdict, on: claim, after: Clock.monotonic - handler.process.startedAt)
    do throws(PostError) {
      try end(claim, job.item, judged, worker, over.standardError, handler.settings)
    } catch {
      do throws(PostError) { try release(job.rest, job.item, worker) } catch { office.warn(error.message) }
      throw error
    }
    try goOn(with: job.rest, after: judged, job.item, worker, handler.settings)
  }

  /// A batch is done as a whole; else its letters are tried one by one, for it may be one of them that
  /// spoils it for all.
  private func finishBatch(_ job: RunningWork.Job, _ verdict: Verdict, _ words: [UInt8]) throws(PostError) {
    let (worker, claims) = (job.worker, job.handler.claims)
    switch verdict {
    case .done:
      worker.markWorking()
      try endAll(claims, job.item, verdict, worker)
    case .broken: try endAll(claims, job.item, verdict, worker, words)
    case .retry(let reason), .failed(let reason):
      office.warn(
        "mailbox \(worker.name): a batch of \(claims.count) letters failed, \(reason); now each of them alone"
      )
      try goOn(with: claims, after: .done, job.item, worker, job.handler.settings)
    }
  }

  /// Whether a handler may be started on letters that were claimed earlier. If the settings have changed, they may be
  /// meant for another kind of handler by now.
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
    var goesOn = mayGoOn(worker, settings)
    switch verdict {
    case .broken: goesOn = false
    case .retry: if worker.settings.order == .strict { goesOn = false }
    case .done, .failed: break
    }
    guard goesOn else { return try release(rest, item, worker) }
    try run([next], nil, item, worker, rest: Array(rest.dropFirst()))
  }

  /// - Returns: when the letter is to be tried again, if it is.
  private func settle(
    _ claim: Claim, _ verdict: Verdict, _ settings: Settings, _ worker: MailboxWorker, _ words: [UInt8]
  ) throws(PostError) -> Int64? {
    let id = claim.letter.id
    let settlement = try claim.settle(verdict, settings: settings, words: words)
    pending.noteSettlement(of: worker)
    if case .broken(let reason) = verdict {
      worker.mailbox.window.cameBack()
      worker.markBroken(reason, now: Clock.monotonic)
      return nil
    }
    let attempt = "attempt \(claim.attempt) of \(settings.tries)"
    switch settlement {
    case .done:
      counts.done += 1
      tell("\(worker.name): letter \(id) done")
    case .failed:
      counts.failed += 1
      office.warn("mailbox \(worker.name): letter \(id) failed, \(attempt): \(verdict.reason)")
    case .later(let time):
      counts.retried += 1
      office.warn("mailbox \(worker.name): letter \(id) will be tried again, \(attempt): \(verdict.reason)")
      return Mailbox.monotonic(time)
    case .released: break
    }
    return nil
  }
}
