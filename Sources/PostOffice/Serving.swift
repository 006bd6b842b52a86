// How the watcher serves a mailbox whose turn it is: it claims letters, and gives them to a handler.

import Linux

extension Watcher {
  /// One turn: a letter or a batch to a new handler, or some letters to a streaming one.
  func serve(_ desk: Desk) throws(PostError) {
    do throws(PostError) {
      if let closure {
        guard let claim = try claim(upTo: 1, Beacon(desk.mailbox), desk).first else { return }
        let errand = desk.take([claim])
        let start = Clock.monotonic
        let verdict = closure(claim)
        return try end(claim, errand, desk.judge(verdict, on: claim, after: Clock.monotonic - start), desk)
      }
      if desk.isStreaming { return try serveStream(desk) }
      let claims = try claim(upTo: desk.lettersAtOnce, Beacon(desk.mailbox), desk)
      if !claims.isEmpty { try start(claims, desk.take(claims), desk) }
    } catch let error where error.kind == .badData {
      office.warn(error.message)
      desk.schedule.foundNothing()  // set aside; nothing good is left
    }
  }

  /// Claims letters, and says on the schedule if there are none.
  private func claim(upTo limit: Int, _ beacon: Beacon, _ desk: Desk) throws(PostError) -> [Claim] {
    let claims = try desk.mailbox.claim(upTo: limit, beacon)
    if claims.isEmpty {
      desk.isScanned = false
      switch desk.mailbox.block {
      case nil: desk.schedule.foundNothing()
      case .letter: desk.schedule.foundBlocked()
      case .claimer: desk.schedule.foundClaimer(now: Clock.monotonic)
      }
    } else if desk.isScanned {
      // Whatever comes of it, these are claimed.
      do throws(PostError) { try noticeMissed(desk) } catch { office.warn(error.message) }
    }
    return claims
  }

  /// Starts a handler on letters that were claimed together; one that takes its time is prepared before.
  func start(_ claims: [Claim], _ errand: Desk.Errand, _ desk: Desk) throws(PostError) {
    let isBatch = desk.lettersAtOnce > 1
    if let large = claims.last, !large.isVerified {
      return try prepare(large, of: claims, errand, desk, copies: !isBatch)
    }
    if isBatch { return try run(claims, nil, errand, desk) }
    let body: File
    do throws(Errno) { body = try claims[0].body() } catch {
      return try spoiled(claims[0], .errno(error), of: claims, errand, desk)
    }
    try run(claims, body, errand, desk)
  }

  /// Runs a handler.
  /// - Parameters:
  ///   - body: of the one letter; nil: the letters' files are its arguments.
  ///   - rest: letters of the same errand that are to be tried afterwards.
  func run(
    _ claims: [Claim], _ body: consuming File?, _ errand: Desk.Errand, _ desk: Desk, rest: [Claim] = []
  ) throws(PostError) {
    let isBatch =
      switch body {
      case .some: false
      case nil: true
      }
    do throws(Errno) {
      let folder = office.path / desk.mailbox.layout.root
      let command = HandlerCommand.shell(desk.settings.handler ?? "")
      let handler = try Handler(command, on: claims, body, desk.settings, folder: folder, isUnattended: true)
      jobs.append(Job(handler: handler, desk: desk, errand: errand, rest: rest))
    } catch .listTooLong where claims.count > 1 {
      office.warn(
        "mailbox \(desk.name): \(claims.count) files are more arguments than a handler takes; now each of them alone"
      )
      try goOn(with: claims, after: .done, errand, desk, desk.settings)
    } catch .listTooLong where !isBatch && claims[0].isTooMuch(desk.settings) {
      try endAll(claims, errand, .failed(Verdict.tooMuch), desk)
      try goOn(with: rest, after: .done, errand, desk, desk.settings)
    } catch {
      try couldNotStart(error, claims + rest, errand, desk)
    }
  }

  private func couldNotStart(
    _ error: Errno, _ claims: [Claim], _ errand: Desk.Errand, _ desk: Desk
  ) throws(PostError) {
    guard PostError.Kind(of: error) == .tryAgain else {
      return try endAll(claims, errand, .broken("cannot be started: \(error)"), desk)
    }
    // The system is short of something; the handler is not to blame.
    try release(claims, errand, desk)
    throw PostError(error, "cannot start the handler")
  }

  // MARK: Streaming handlers

  private func serveStream(_ desk: Desk) throws(PostError) {
    if let stream = desk.streams.first(where: { $0.room > 0 }) { return try fill(stream, desk) }
    if desk.streams.count >= desk.parallel { return desk.makeRoom() }
    let beacon = Beacon(desk.mailbox)
    // The first letter comes first: no handler is started for nothing.
    guard let first = try claim(upTo: 1, beacon, desk).first else { return }
    let stream: StreamHandler
    do throws(Errno) {
      stream = try StreamHandler(
        .shell(desk.settings.handler ?? ""), beacon, desk.mailbox, desk.settings, limit: desk.lettersAtOnce)
    } catch {
      return try couldNotStart(error, [first], desk.take([first]), desk)
    }
    streams.append((stream, desk))
    desk.streams.append(stream)
    try give([first], to: stream, desk)
  }

  private func fill(_ stream: StreamHandler, _ desk: Desk) throws(PostError) {
    // What was in trouble is tried with one letter at a time.
    let limit = desk.schedule.pausedUntil == nil ? min(stream.room, Watcher.streamBurst) : 1
    try give(try claim(upTo: limit, stream.beacon, desk), to: stream, desk)
  }

  private func give(_ claims: [Claim], to stream: StreamHandler, _ desk: Desk) throws(PostError) {
    for claim in claims {
      let errand = desk.take([claim])
      if claim.isVerified {
        stream.give(claim, errand)
      } else {
        try prepare(claim, of: [claim], errand, desk, for: stream, copies: false)
      }
    }
    stream.send()
    desk.makeRoom()
  }

  /// Hears what a streaming handler has said, tells it what it takes, and notices its end.
  func listen(to stream: StreamHandler, _ desk: Desk, _ sign: Ready.StreamSign) {
    if sign.listens {
      stream.send()
      desk.makeRoom()
    }
    if sign.hasSaid { takeAnswers(of: stream, desk) }
    if Clock.monotonic - stream.heardAt >= Watcher.hearInterval { _ = heard(stream, desk) }
    if sign.hasEnded { takeEnd(of: stream, desk) }
  }

  private func takeAnswers(of stream: StreamHandler, _ desk: Desk) {
    for answer in stream.takeAnswers() {
      switch answer {
      case .chatter(let line):
        office.warn(
          "mailbox \(desk.name): the handler said '\(line)', which is no answer about a letter it has")
      case .verdict(let verdict, let given, let since):
        let words = verdict == .done ? [] : heard(stream, desk)
        let judged = desk.judge(verdict, on: given.claim, after: Clock.monotonic - since)
        endOrWarn(given, judged, desk, words)
      }
    }
    desk.makeRoom()
  }

  /// What a handler has said on standard error, passed on.
  private func heard(_ stream: StreamHandler, _ desk: Desk) -> [UInt8] {
    let words = stream.takeWords()
    if !words.isEmpty { relay(desk.name, words) }
    return words
  }

  private func takeEnd(of stream: StreamHandler, _ desk: Desk) {
    takeAnswers(of: stream, desk)  // its last ones
    let words = heard(stream, desk)
    streams.removeAll { $0.handler === stream }
    do throws(Errno) {
      let (left, exit, reason) = try stream.finish()
      let now = Clock.monotonic
      if let trouble = stream.trouble {
        office.warn("mailbox \(desk.name): \(trouble)")
        desk.schedule.handlerDied(now: now)
        for given in left { releaseOrWarn(given, desk) }
      } else if case .broken(let how) = Verdict(exit) {
        desk.markBroken(how, now: now)
        for given in left { releaseOrWarn(given, desk) }
      } else if let reason {
        if !left.isEmpty || now - stream.startedAt < Schedule.quick {
          desk.schedule.handlerDied(now: now)
          desk.markDead(reason)
        }
        office.warn(
          "mailbox \(desk.name): \(reason), with \(left.count) letters in its hands; it is started again")
        for given in left where given.isTold { endOrWarn(given, .retry(reason), desk, words) }
        for given in left where !given.isTold { releaseOrWarn(given, desk) }
      } else {
        for given in left { releaseOrWarn(given, desk) }
      }
    } catch {
      office.warn(PostError(error, "cannot tell how a handler of mailbox \(desk.name) ended").message)
      // They come back as from a dead holder.
      for given in stream.takeLeft() { desk.giveUp(given.claim, of: given.errand, due: nil) }
      desk.schedule.hint()
    }
    desk.streams.removeAll { $0 === stream }
    closeIfOver(desk)
  }

  private func endOrWarn(_ given: StreamHandler.Given, _ verdict: Verdict, _ desk: Desk, _ words: [UInt8]) {
    do throws(PostError) { try end(given.claim, given.errand, verdict, desk, words) } catch {
      office.warn(error.message)
      desk.isInTrouble(error)
    }
  }

  private func releaseOrWarn(_ given: StreamHandler.Given, _ desk: Desk) {
    do throws(PostError) { try release([given.claim], given.errand, desk) } catch {
      office.warn(error.message)
      desk.isInTrouble(error)
    }
  }
}
