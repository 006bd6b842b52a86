// How the watcher ends its claims: the handler's verdict is written down, or kept until it can be.

import Linux

extension Watcher {
  /// Ends a claim for which no handler runs.
  func end(_ claim: Claim, _ verdict: Verdict, _ desk: Desk) throws(PostError) {
    try end(Desk.Unsettled(claim: claim, verdict: verdict, settings: desk.settings, words: []), desk)
  }

  /// Ends a claim. If that cannot be written down for now, the letter stays in our hands, and it is tried again.
  private func end(_ end: Desk.Unsettled, _ desk: Desk) throws(PostError) {
    do throws(PostError) {
      let due = try settle(end.claim, end.verdict, end.settings, desk, end.words)
      desk.giveUp(end.claim.letter.id, due: due)
    } catch {
      // A letter that somebody took away, or a disk that is broken, is not waited for.
      let mayPass = [.tryAgain, .noPermission, .cannotCreate].contains(error.kind)
      if mayPass { desk.keep(end) } else { desk.giveUp(end.claim.letter.id, due: nil) }
      throw error
    }
  }

  /// Writes down what could not be written down before.
  func settleRest(_ desk: Desk) {
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
  private func closeIfOver(_ desk: Desk) {
    if !desk.isServed, desk.schedule.running == 0, desks[desk.name] === desk { desks[desk.name] = nil }
  }

  /// Ends a handler's work.
  func finish(_ job: Job) throws(PostError) {
    let (handler, desk) = (job.handler, job.desk)
    let claim = handler.claim
    defer { closeIfOver(desk) }
    let over: (verdict: Verdict?, exit: Child.Exit, words: [UInt8])
    do throws(Errno) { over = try handler.finish() } catch {
      desk.giveUp(claim.letter.id, due: nil)
      throw PostError(error, "cannot tell how a handler of mailbox \(desk.name) ended")
    }
    if !over.words.isEmpty { relay(desk.name, over.words) }
    if let verdict = over.verdict {
      try end(
        Desk.Unsettled(claim: claim, verdict: verdict, settings: handler.settings, words: over.words), desk)
    } else {
      defer { desk.giveUp(claim.letter.id, due: nil) }
      try claim.release()
      tell("\(desk.name): letter \(claim.letter.id) given back")
    }
  }

  /// - Returns: when the letter is to be tried again, if it is.
  private func settle(
    _ claim: Claim, _ verdict: Verdict, _ settings: Settings, _ desk: Desk, _ words: [UInt8]
  ) throws(PostError) -> Int64? {
    let id = claim.letter.id
    let settlement = try claim.settle(verdict, settings: settings, words: words)
    if case .broken(let reason) = verdict {
      desk.markBroken(reason, now: Clock.monotonic)
      return nil
    }
    desk.markWorking()
    if !unsynced.contains(where: { $0 === desk }) { unsynced.append(desk) }
    let attempt = "attempt \(claim.attempt) of \(settings.tries)"
    switch settlement {
    case .done: tell("\(desk.name): letter \(id) done")
    case .failed: office.warn("mailbox \(desk.name): letter \(id) failed, \(attempt): \(verdict.reason)")
    case .later(let time):
      office.warn("mailbox \(desk.name): letter \(id) will be tried again, \(attempt): \(verdict.reason)")
      return desk.monotonic(time)
    case .released: break
    }
    return nil
  }
}
