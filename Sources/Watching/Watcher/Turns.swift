// A mailbox's turn: letters are claimed and given to a handler. Every letter that is claimed here is in the hands of
// a handler or preparation afterwards, or it was settled, released or kept (CrashSafety I26).

import Linux
import PostOffice
import Scheduling

extension Watcher {
  /// Serves a mailbox: a letter or a batch goes to a new handler, or some letters to a streaming one.
  func serve(_ worker: MailboxWorker) throws(PostError) {
    do throws(PostError) {
      if let closure { return try serve(worker, with: closure) }
      if worker.isStreaming { return try serveStream(of: worker) }
      let claims = try claim(upTo: worker.lettersAtOnce, Beacon(worker.mailbox), worker)
      if !claims.isEmpty { try start(claims, worker.take(claims), worker) }
    } catch let error where error.kind == .badData {
      office.warn(error.message)
      worker.schedule.foundNothing()  // the only letters left were corrupt
    }
  }

  private func serve(_ worker: MailboxWorker, with closure: Closure) throws(PostError) {
    guard let claim = try claim(upTo: 1, Beacon(worker.mailbox), worker).first else { return }
    let item = worker.take([claim])
    let start = Clock.monotonic
    let verdict = closure(claim)
    let judged = worker.judge(verdict, on: claim, after: Clock.monotonic - start)
    try settle(.init(claim, item, judged, worker.settings), worker)
  }

  /// Claims letters, and notes in the schedule if there are none.
  func claim(upTo limit: Int, _ beacon: Beacon, _ worker: MailboxWorker) throws(PostError) -> [Claim] {
    let claims = try worker.mailbox.claim(upTo: limit, beacon)
    if claims.isEmpty {
      worker.noteNothingClaimed()
    } else if worker.isScanned {
      // The letters are claimed: they must be handled whatever goes wrong here.
      do throws(PostError) { try noteMissedLetter(of: worker) } catch { office.warn(error.message) }
    }
    return claims
  }

  /// Starts a handler on letters that were claimed together. If one of them is large, it is prepared first.
  func start(_ claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker) throws(PostError) {
    let isBatch = worker.lettersAtOnce > 1
    if let large = claims.last, !large.isVerified {
      return try prepare(large, of: claims, item, worker, copies: !isBatch)
    }
    if isBatch { return try run(claims, nil, item, worker) }
    let body: File
    do throws(Errno) { body = try claims[0].body() } catch {
      return try dropFlawed(claims[0], .errno(error), of: claims, item, worker)
    }
    try run(claims, body, item, worker)
  }

  /// Runs a handler.
  /// - Parameters:
  ///   - body: of the only letter; nil: the letters' files are arguments.
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
      work.jobs.append(RunningWork.Job(handler: handler, worker: worker, item: item, rest: rest))
    } catch .listTooLong where claims.count > 1 {
      office.warn(
        "mailbox \(worker.name): \(claims.count) files are too many arguments for a handler; now each of them alone"
      )
      try goOn(with: claims, after: .done, item, worker, worker.settings)
    } catch .listTooLong where !isBatch && claims[0].isTooMuch(worker.settings) {
      try settleAll(claims, item, .failed(Verdict.tooMuch), worker)
      try goOn(with: rest, after: .done, item, worker, worker.settings)
    } catch {
      try endUnstarted(claims + rest, error, item, worker)
    }
  }

  /// Settles or releases letters whose handler could not be started.
  func endUnstarted(
    _ claims: [Claim], _ error: Errno, _ item: WorkItem, _ worker: MailboxWorker
  ) throws(PostError) {
    guard PostError.Kind(of: error) == .tryAgain else {
      return try settleAll(claims, item, .broken("cannot be started: \(error)"), worker)
    }
    // The system is short of something: the handler is not to blame.
    try settleAll(claims, item, .release, worker)
    throw PostError(error, "cannot start the handler")
  }
}
