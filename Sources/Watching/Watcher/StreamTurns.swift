// A mailbox's turn with streaming handlers, and what these answer: letters are claimed and sent to a handler that has
// room, and settled as it answers.

import Linux
import PostOffice
import Scheduling

extension Watcher {
  /// The most letters that a streaming handler gets in one turn.
  private static let streamBurst = 32
  /// The standard error of streaming handlers is relayed this often. Nanoseconds.
  private static let relayInterval: Int64 = 1_000_000_000

  // MARK: Letters for handlers

  /// Gives letters to a handler that has room, or one letter to a new handler.
  func serveStream(of worker: MailboxWorker) throws(PostError) {
    if let stream = worker.streams.first(where: { $0.room > 0 }) { return try fill(stream, worker) }
    if worker.streams.count >= worker.parallel { return worker.makeRoom() }
    let beacon = Beacon(worker.mailbox)
    // The letter is claimed first: no handler is started for nothing.
    guard let first = try claim(upTo: 1, beacon, worker).first else { return }
    let stream: StreamHandler
    do throws(Errno) {
      stream = try StreamHandler(
        .shell(worker.settings.handler ?? ""), beacon, worker.mailbox, worker.settings,
        limit: worker.lettersAtOnce)
    } catch {
      return try endUnstarted([first], error, worker.take([first]), worker)
    }
    work.streams.append((stream, worker))
    worker.streams.append(stream)
    try give([first], to: stream, worker)
  }

  private func fill(_ stream: StreamHandler, _ worker: MailboxWorker) throws(PostError) {
    // After a pause one letter is tried at a time.
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

  // MARK: Answers of handlers

  /// Sends streaming handlers what they take, settles what they have answered, and reaps those that have ended.
  func serveStreams(_ events: [PollResult.StreamEvents]) {
    for ((stream, worker), event) in zip(work.streams, events) {
      if event.isWritable {
        stream.send()
        worker.makeRoom()
      }
      if event.isReadable { settleAnswers(of: stream, worker) }
      if Clock.monotonic - stream.standardError.takenAt >= Watcher.relayInterval {
        _ = relayStandardError(of: stream, worker)
      }
      if event.hasEnded { reap(stream, worker) }
    }
  }

  private func settleAnswers(of stream: StreamHandler, _ worker: MailboxWorker) {
    for answer in stream.takeAnswers() {
      switch answer {
      case .other(let line):
        office.warn("mailbox \(worker.name): the handler said '\(line)', which answers no letter that it has")
      case .verdict(let verdict, let given, let since):
        let standardError = verdict == .done ? [] : relayStandardError(of: stream, worker)
        let judged = worker.judge(verdict, on: given.claim, after: Clock.monotonic - since)
        settle(given, judged, worker, standardError)
      }
    }
    worker.makeRoom()
  }

  /// - Returns: what the handler has written on standard error.
  private func relayStandardError(of stream: StreamHandler, _ worker: MailboxWorker) -> [UInt8] {
    let standardError = stream.standardError.take()
    if !standardError.isEmpty { relay(worker.name, standardError) }
    return standardError
  }

  private func reap(_ stream: StreamHandler, _ worker: MailboxWorker) {
    settleAnswers(of: stream, worker)  // its last ones
    let standardError = relayStandardError(of: stream, worker)
    work.streams.removeAll { $0.handler === stream }
    do throws(Errno) {
      let (unanswered, end) = try stream.finish()
      settle(unanswered, of: stream, after: end, worker, standardError)
    } catch {
      office.warn(PostError(error, "cannot tell how a handler of mailbox \(worker.name) ended").message)
      // They come back as from a dead holder.
      for given in stream.takeUnanswered() { worker.giveUp(given.claim, of: given.item, due: nil) }
      worker.schedule.hint()
    }
    worker.streams.removeAll { $0 === stream }
    removeIfFinished(worker)
  }

  /// Settles or releases the letters that a handler had not answered when it ended.
  private func settle(
    _ unanswered: [StreamHandler.Given], of stream: StreamHandler, after end: StreamHandler.End,
    _ worker: MailboxWorker, _ standardError: [UInt8]
  ) {
    let now = Clock.monotonic
    /// On letters that may have killed it.
    var verdict = Verdict.release
    switch end {
    case .expected: break
    case .broken(let how): worker.markBroken(how, now: now)
    case .cannotWrite(let message):
      office.warn("mailbox \(worker.name): \(message)")
      worker.schedule.noteHandlerDeath(now: now)
    case .died(let reason):
      if !unanswered.isEmpty || now - stream.process.startedAt < MailboxSchedule.quick {
        worker.markDead(reason, now: now)
      }
      let letters = unanswered.count == 1 ? "1 letter" : "\(unanswered.count) letters"
      office.warn("mailbox \(worker.name): \(reason), with \(letters) unanswered; it is started again")
      verdict = .retry(reason)
    }
    for given in unanswered { settle(given, given.isSent ? verdict : .release, worker, standardError) }
  }

  private func settle(
    _ given: StreamHandler.Given, _ verdict: Verdict, _ worker: MailboxWorker, _ standardError: [UInt8]
  ) {
    do throws(PostError) {
      try settle(.init(given.claim, given.item, verdict, worker.settings, standardError), worker)
    } catch {
      office.warn(error.message)
      worker.noteTrouble(error)
    }
  }
}
