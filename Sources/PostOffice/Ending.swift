// How the watcher ends its claims: the handler's verdict is written down, or kept until it can be.

import Linux

extension Watcher {
  /// Ends a claim.
  func end(
    _ claim: Claim, _ errand: Desk.Errand, _ verdict: Verdict, _ desk: Desk, _ words: [UInt8] = [],
    _ settings: Settings? = nil
  ) throws(PostError) {
    let settings = settings ?? desk.settings
    try end(
      Desk.Unsettled(claim: claim, errand: errand, verdict: verdict, settings: settings, words: words), desk)
  }

  /// Ends claims that were made together in the same way.
  /// - Throws: the last trouble, after everything else was done; others are told.
  func endAll(
    _ claims: [Claim], _ errand: Desk.Errand, _ verdict: Verdict, _ desk: Desk, _ words: [UInt8] = []
  ) throws(PostError) {
    try office.forEach(claims) { (claim) throws(PostError) in try end(claim, errand, verdict, desk, words) }
  }

  /// Gives letters back, no attempt spent.
  func release(_ claims: [Claim], _ errand: Desk.Errand, _ desk: Desk) throws(PostError) {
    try office.forEach(claims) { (claim) throws(PostError) in
      defer { desk.giveUp(claim, of: errand, due: nil) }
      settled[desk.key] = desk
      try claim.release()
      desk.mailbox.window.cameBack()
      desk.schedule.hint()  // it waits again
      tell("\(desk.name): letter \(claim.letter.id) given back")
    }
  }

  /// Ends a claim. If that cannot be written down for now, the letter stays in our hands, and it is tried again.
  private func end(_ end: Desk.Unsettled, _ desk: Desk) throws(PostError) {
    do throws(PostError) {
      let due = try settle(end.claim, end.verdict, end.settings, desk, end.words)
      desk.giveUp(end.claim, of: end.errand, due: due)
    } catch {
      if desk.mailbox.isInHands(end.claim) {
        desk.keep(end)
        burdened[desk.key] = desk
      } else {
        desk.giveUp(end.claim, of: end.errand, due: nil)  // somebody took it away
      }
      throw error
    }
  }

  /// Writes down what could not be written down before.
  func settleRest(_ desk: Desk) {
    burdened[desk.key] = nil
    for rest in desk.takeUnsettled() {
      do throws(PostError) { try end(rest, desk) } catch {
        let id = rest.claim.letter.id
        office.warn("\(error.message); letter \(id) was handled, and is held until that can be written down")
        desk.isInTrouble(error)
      }
    }
    closeIfOver(desk)
  }

  /// A desk that is served no longer goes with its last letter.
  func closeIfOver(_ desk: Desk) {
    guard !desk.schedule.isOpen, desk.schedule.running == 0, desk.streams.isEmpty else { return }
    remove(desk)
  }

  /// Ends a handler's work.
  func finish(_ job: Job) throws(PostError) {
    let (handler, desk) = (job.handler, job.desk)
    defer { closeIfOver(desk) }
    let over: (verdict: Verdict?, exit: Child.Exit, words: [UInt8])
    do throws(Errno) { over = try handler.finish() } catch {
      for claim in handler.claims + job.rest { desk.giveUp(claim, of: job.errand, due: nil) }
      throw PostError(error, "cannot tell how a handler of mailbox \(desk.name) ended")
    }
    if !over.words.isEmpty { relay(desk.name, over.words) }
    guard let verdict = over.verdict else {
      return try release(handler.claims + job.rest, job.errand, desk)
    }
    if handler.claims.count > 1 { return try finishBatch(job, verdict, over.words) }
    let claim = handler.claims[0]
    let judged = desk.judge(verdict, on: claim, after: Clock.monotonic - handler.startedAt)
    do throws(PostError) {
      try end(claim, job.errand, judged, desk, over.words, handler.settings)
    } catch {
      do throws(PostError) { try release(job.rest, job.errand, desk) } catch { office.warn(error.message) }
      throw error
    }
    try goOn(with: job.rest, after: judged, job.errand, desk, handler.settings)
  }

  /// A batch is done as a whole; else its letters are tried one by one, for it may be one of them that
  /// spoils it for all.
  private func finishBatch(_ job: Job, _ verdict: Verdict, _ words: [UInt8]) throws(PostError) {
    let (desk, claims) = (job.desk, job.handler.claims)
    switch verdict {
    case .done:
      desk.markWorking()
      try endAll(claims, job.errand, verdict, desk)
    case .broken: try endAll(claims, job.errand, verdict, desk, words)
    case .retry(let reason), .failed(let reason):
      office.warn(
        "mailbox \(desk.name): a batch of \(claims.count) letters failed, \(reason); now each of them alone")
      try goOn(with: claims, after: .done, job.errand, desk, job.handler.settings)
    }
  }

  /// Whether a handler may be started on letters that were claimed earlier. If the settings have changed, they may be
  /// meant for another kind of handler by now.
  func mayGoOn(_ desk: Desk, _ settings: Settings) -> Bool {
    stopping == nil && desk.schedule.isOpen && !desk.schedule.isPausedByHand && settings == desk.settings
  }

  /// Gives the next letter of a batch that failed to a handler of its own.
  func goOn(
    with rest: [Claim], after verdict: Verdict, _ errand: Desk.Errand, _ desk: Desk, _ settings: Settings
  ) throws(PostError) {
    guard let next = rest.first else { return }
    var goesOn = mayGoOn(desk, settings)
    switch verdict {
    case .broken: goesOn = false
    case .retry: if desk.settings.order == .strict { goesOn = false }
    case .done, .failed: break
    }
    guard goesOn else { return try release(rest, errand, desk) }
    try run([next], nil, errand, desk, rest: Array(rest.dropFirst()))
  }

  /// - Returns: when the letter is to be tried again, if it is.
  private func settle(
    _ claim: Claim, _ verdict: Verdict, _ settings: Settings, _ desk: Desk, _ words: [UInt8]
  ) throws(PostError) -> Int64? {
    let id = claim.letter.id
    let settlement = try claim.settle(verdict, settings: settings, words: words)
    unsynced[desk.key] = desk
    settled[desk.key] = desk
    if case .broken(let reason) = verdict {
      desk.mailbox.window.cameBack()
      desk.markBroken(reason, now: Clock.monotonic)
      return nil
    }
    let attempt = "attempt \(claim.attempt) of \(settings.tries)"
    switch settlement {
    case .done:
      counts.done += 1
      tell("\(desk.name): letter \(id) done")
    case .failed:
      counts.failed += 1
      office.warn("mailbox \(desk.name): letter \(id) failed, \(attempt): \(verdict.reason)")
    case .later(let time):
      counts.retried += 1
      office.warn("mailbox \(desk.name): letter \(id) will be tried again, \(attempt): \(verdict.reason)")
      return desk.monotonic(time)
    case .released: break
    }
    return nil
  }
}

extension Office {
  /// Does something with each claim; one that goes wrong does not keep the others back.
  /// - Throws: the last trouble, after everything else was done; others are told.
  package func forEach(
    _ claims: [Claim], _ work: (Claim) throws(PostError) -> Void
  ) throws(PostError) {
    var trouble: PostError?
    for claim in claims {
      do throws(PostError) { try work(claim) } catch {
        if let trouble { warn(trouble.message) }
        trouble = error
      }
    }
    if let trouble { throw trouble }
  }
}
