// How the watcher serves a mailbox whose turn it is: it claims letters, and gives them to a handler.

import Linux
import PostOffice
import Scheduling

extension Watcher {
  /// One turn: a letter or a batch to a new handler, or some letters to a streaming one.
  func serve(_ worker: MailboxWorker) throws(PostError) {
    do throws(PostError) {
      if let closure {
        guard let claim = try claim(upTo: 1, Beacon(worker.mailbox), worker).first else { return }
        let item = worker.take([claim])
        let start = Clock.monotonic
        let verdict = closure(claim)
        let judged = worker.judge(verdict, on: claim, after: Clock.monotonic - start)
        return try settle(.init(claim, item, judged, worker.settings), worker)
      }
      if worker.isStreaming { return try serveStream(worker) }
      let claims = try claim(upTo: worker.lettersAtOnce, Beacon(worker.mailbox), worker)
      if !claims.isEmpty { try start(claims, worker.take(claims), worker) }
    } catch let error where error.kind == .badData {
      office.warn(error.message)
      worker.schedule.foundNothing()  // set aside; nothing good is left
    }
  }

  /// Claims letters, and says on the schedule if there are none.
  private func claim(upTo limit: Int, _ beacon: Beacon, _ worker: MailboxWorker) throws(PostError) -> [Claim]
  {
    let claims = try worker.mailbox.claim(upTo: limit, beacon)
    if claims.isEmpty {
      worker.isScanned = false
      switch worker.mailbox.block {
      case nil: worker.schedule.foundNothing()
      case .letter: worker.schedule.foundBlocked()
      case .claimer: worker.schedule.foundClaimer(now: Clock.monotonic)
      }
    } else if worker.isScanned {
      // Whatever comes of it, these are claimed.
      do throws(PostError) { try noticeMissed(worker) } catch { office.warn(error.message) }
    }
    return claims
  }

  /// Starts a handler on letters that were claimed together; one that takes its time is prepared before.
  func start(_ claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker) throws(PostError) {
    let isBatch = worker.lettersAtOnce > 1
    if let large = claims.last, !large.isVerified {
      return try prepare(large, of: claims, item, worker, copies: !isBatch)
    }
    if isBatch { return try run(claims, nil, item, worker) }
    let body: File
    do throws(Errno) { body = try claims[0].body() } catch {
      return try spoiled(claims[0], .errno(error), of: claims, item, worker)
    }
    try run(claims, body, item, worker)
  }

  /// Runs a handler.
  /// - Parameters:
  ///   - body: of the one letter; nil: the letters' files are its arguments.
  ///   - rest: letters of the same item that are to be tried afterwards.
  func run(
    _ claims: [Claim], _ body: consuming File?, _ item: WorkItem, _ worker: MailboxWorker, rest: [Claim] = []
  ) throws(PostError) {
    let isBatch =
      switch body {
      case .some: false
      case nil: true
      }
    do throws(Errno) {
      let folder = office.path / worker.mailbox.layout.root
      let command = HandlerCommand.shell(worker.settings.handler ?? "")
      let handler = try Handler(
        command, on: claims, body, worker.settings, folder: folder, isUnattended: true)
      jobs.append(Job(handler: handler, worker: worker, item: item, rest: rest))
    } catch .listTooLong where claims.count > 1 {
      office.warn(
        "mailbox \(worker.name): \(claims.count) files are more arguments than a handler takes; now each of them alone"
      )
      try goOn(with: claims, after: .done, item, worker, worker.settings)
    } catch .listTooLong where !isBatch && claims[0].isTooMuch(worker.settings) {
      try settleAll(claims, item, .failed(Verdict.tooMuch), worker)
      try goOn(with: rest, after: .done, item, worker, worker.settings)
    } catch {
      try couldNotStart(error, claims + rest, item, worker)
    }
  }

  private func couldNotStart(
    _ error: Errno, _ claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker
  ) throws(PostError) {
    guard PostError.Kind(of: error) == .tryAgain else {
      return try settleAll(claims, item, .broken("cannot be started: \(error)"), worker)
    }
    // The system is short of something; the handler is not to blame.
    try settleAll(claims, item, .release, worker)
    throw PostError(error, "cannot start the handler")
  }

  // MARK: Streaming handlers

  private func serveStream(_ worker: MailboxWorker) throws(PostError) {
    if let stream = worker.streams.first(where: { $0.room > 0 }) { return try fill(stream, worker) }
    if worker.streams.count >= worker.parallel { return worker.makeRoom() }
    let beacon = Beacon(worker.mailbox)
    // The first letter comes first: no handler is started for nothing.
    guard let first = try claim(upTo: 1, beacon, worker).first else { return }
    let stream: StreamHandler
    do throws(Errno) {
      stream = try StreamHandler(
        .shell(worker.settings.handler ?? ""), beacon, worker.mailbox, worker.settings,
        limit: worker.lettersAtOnce)
    } catch {
      return try couldNotStart(error, [first], worker.take([first]), worker)
    }
    streams.append((stream, worker))
    worker.streams.append(stream)
    try give([first], to: stream, worker)
  }

  private func fill(_ stream: StreamHandler, _ worker: MailboxWorker) throws(PostError) {
    // What was in trouble is tried with one letter at a time.
    let limit = worker.schedule.pausedUntil == nil ? min(stream.room, Watcher.streamBurst) : 1
    try give(try claim(upTo: limit, stream.beacon, worker), to: stream, worker)
  }

  private func give(_ claims: [Claim], to stream: StreamHandler, _ worker: MailboxWorker) throws(PostError) {
    for claim in claims {
      let item = worker.take([claim])
      if claim.isVerified {
        stream.give(claim, item)
      } else {
        try prepare(claim, of: [claim], item, worker, for: stream, copies: false)
      }
    }
    stream.send()
    worker.makeRoom()
  }

  /// Hears what a streaming handler has said, tells it what it takes, and notices its end.
  func listen(to stream: StreamHandler, _ worker: MailboxWorker, _ sign: PollResult.StreamSign) {
    if sign.listens {
      stream.send()
      worker.makeRoom()
    }
    if sign.hasSaid { takeAnswers(of: stream, worker) }
    if Clock.monotonic - stream.heardAt >= Watcher.hearInterval { _ = heard(stream, worker) }
    if sign.hasEnded { takeEnd(of: stream, worker) }
  }

  private func takeAnswers(of stream: StreamHandler, _ worker: MailboxWorker) {
    for answer in stream.takeAnswers() {
      switch answer {
      case .chatter(let line):
        office.warn(
          "mailbox \(worker.name): the handler said '\(line)', which is no answer about a letter it has")
      case .verdict(let verdict, let given, let since):
        let words = verdict == .done ? [] : heard(stream, worker)
        let judged = worker.judge(verdict, on: given.claim, after: Clock.monotonic - since)
        settleOrWarn(given, judged, worker, words)
      }
    }
    worker.makeRoom()
  }

  /// What a handler has said on standard error, passed on.
  private func heard(_ stream: StreamHandler, _ worker: MailboxWorker) -> [UInt8] {
    let words = stream.takeWords()
    if !words.isEmpty { relay(worker.name, words) }
    return words
  }

  private func takeEnd(of stream: StreamHandler, _ worker: MailboxWorker) {
    takeAnswers(of: stream, worker)  // its last ones
    let words = heard(stream, worker)
    streams.removeAll { $0.handler === stream }
    do throws(Errno) {
      let (left, exit, reason) = try stream.finish()
      let now = Clock.monotonic
      if let trouble = stream.trouble {
        office.warn("mailbox \(worker.name): \(trouble)")
        worker.schedule.handlerDied(now: now)
        for given in left { settleOrWarn(given, .release, worker) }
      } else if case .broken(let how) = Verdict(exit) {
        worker.markBroken(how, now: now)
        for given in left { settleOrWarn(given, .release, worker) }
      } else if let reason {
        if !left.isEmpty || now - stream.startedAt < MailboxSchedule.quick {
          worker.schedule.handlerDied(now: now)
          worker.markDead(reason)
        }
        office.warn(
          "mailbox \(worker.name): \(reason), with \(left.count) letters in its hands; it is started again")
        for given in left where given.isTold { settleOrWarn(given, .retry(reason), worker, words) }
        for given in left where !given.isTold { settleOrWarn(given, .release, worker) }
      } else {
        for given in left { settleOrWarn(given, .release, worker) }
      }
    } catch {
      office.warn(PostError(error, "cannot tell how a handler of mailbox \(worker.name) ended").message)
      // They come back as from a dead holder.
      for given in stream.takeLeft() { worker.giveUp(given.claim, of: given.item, due: nil) }
      worker.schedule.hint()
    }
    worker.streams.removeAll { $0 === stream }
    closeIfOver(worker)
  }

  private func settleOrWarn(
    _ given: StreamHandler.Given, _ verdict: Verdict, _ worker: MailboxWorker, _ words: [UInt8] = []
  ) {
    do throws(PostError) {
      try settle(.init(given.claim, given.item, verdict, worker.settings, words), worker)
    } catch {
      office.warn(error.message)
      worker.isInTrouble(error)
    }
  }
}
