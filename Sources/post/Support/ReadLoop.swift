// One run of post read over a mailbox: claim, do something, settle, and again.

import Linux
import PostOffice
import Text
import Watching

/// How long to wait for a letter when there is none.
enum Patience {
  case none
  /// nil: for as long as it takes.
  case upTo(Duration?)
}

struct ReadLoop {
  let mailbox: Mailbox
  /// The most letters to take.
  let limit: Int
  let patience: Patience
  /// Goes on waiting after the first letter.
  let follows: Bool
  /// The most letters that a command gets at once; nil: it gets the body of one.
  var batch: Int?

  /// Letters are done durably after so long, and so many: a power cut may give them back until then.
  private static let syncInterval: Int64 = 1_000_000_000
  private static let syncGroup = 4096

  /// Claims letters and gives each, or a batch of them, to `take`, which settles it and says whether to go on.
  /// - Returns: 0 if there was one, else 1.
  /// - Throws: if none could be read, what was wrong with those that waited.
  func run(
    lease: Duration? = nil, forCommand: Bool = false, signals: Int32? = nil,
    _ take: ([Claim]) throws(PostError) -> Bool
  ) throws(PostError) -> Int32 {
    var arrivals: ArrivalWaiter?
    var deadline: Int64?
    if case .upTo(let time) = patience {
      arrivals = try ArrivalWaiter(mailbox)
      deadline = time.map { Clock.monotonic + $0.nanoseconds }
    }
    var (count, unsynced) = (0, 0)
    var beacon = Beacon(mailbox)
    var lastSync = Clock.monotonic
    var trouble: PostError?
    defer { syncIfDone(count, lease) }
    mailbox.expect(limit)
    try mailbox.refresh()
    while count < limit {
      var claims = [Claim]()
      do throws(PostError) {
        if lease != nil {
          claims = try mailbox.claim(lease: lease).map { [$0] } ?? []
        } else {
          // Each command is a holder of its own.
          if forCommand { beacon = Beacon(mailbox) }
          claims = try mailbox.claim(upTo: min(batch ?? 1, limit - count), beacon)
        }
      } catch { trouble = error }
      if !claims.isEmpty {
        count += claims.count
        unsynced += claims.count
        guard try take(claims) else { break }
        if unsynced >= ReadLoop.syncGroup || Clock.monotonic - lastSync >= ReadLoop.syncInterval {
          syncIfDone(count, lease)
          (unsynced, lastSync) = (0, Clock.monotonic)
        }
      } else if trouble == nil, try mailbox.refreshDue() {
        continue
      } else {
        guard follows || count == 0, let arrivals else { break }
        if let error = trouble.take() { mailbox.office.warn(error.message) }
        syncIfDone(count, lease)
        guard try arrivals.wait(until: deadline, signals: signals) else { break }
      }
    }
    guard let trouble else { return count > 0 ? 0 : 1 }
    if count == 0 { throw trouble }
    mailbox.office.warn(trouble.message)
    return 0
  }

  private func syncIfDone(_ count: Int, _ lease: Duration?) {
    guard lease == nil, count > 0 else { return }
    mailbox.syncOrWarn()
  }

  /// Gives letters to a command.
  /// - Returns: for a single letter, what the command returned; else 0, or 75 if one is not done; 1 if
  ///   there was none.
  func handle(with words: [Path], _ settings: Settings, isSingle: Bool) throws(PostError) -> Int32 {
    let signals = try SignalFile.stopping()
    var code: Int32 = 0
    let result = try run(forCommand: true, signals: signals.file.descriptor) { (claims) throws(PostError) in
      let (exit, goesOn) = try give(claims, to: words, settings, signals)
      if exit != 0 { code = isSingle ? exit : PostError.Kind.tryAgain.rawValue }
      return goesOn
    }
    return result == 0 ? code : result
  }

  /// Runs the command on a letter, or on a batch, and settles it. The letters of a batch that fails are tried
  /// one by one.
  private func give(
    _ claims: [Claim], to words: [Path], _ settings: Settings, _ signals: borrowing SignalFile
  ) throws(PostError) -> (exit: Int32, goesOn: Bool) {
    let handler: Handler
    do throws(Errno) {
      handler = try Handler(
        .words(words), on: claims, batch == nil ? try claims[0].body() : nil, settings, folder: nil,
        isUnattended: false)
    } catch .listTooLong where claims.count > 1 {
      return try giveEach(claims, to: words, settings, signals, false)
    } catch .listTooLong where batch == nil && claims[0].isTooMuch(settings) {
      complain(PostError(.badData, "letter \(claims[0].letter.id) failed: \(Verdict.tooMuch)"))
      try claims[0].settle(.failed(Verdict.tooMuch), settings: settings)
      return (PostError.Kind.badData.rawValue, true)
    } catch {
      try release(claims)
      let what = claims.count == 1 ? "letter \(claims[0].letter.id) waits" : "\(claims.count) letters wait"
      complain(PostError(error, "cannot run \(words.first ?? ""); \(what)"))
      return (exitOfShell(error), false)
    }
    let wasStopped = waitForEnd(of: handler, signals)
    let end: (verdict: Verdict?, exit: Child.Exit, standardError: [UInt8])
    do throws(Errno) { end = try handler.finish() } catch {
      throw PostError(error, "cannot tell how \(words.first ?? "") ended")
    }
    let exit: Int32 =
      switch end.exit {
      case .code(let code): code
      case .signal(let number): 128 + number  // as a shell says it
      }
    guard let verdict = end.verdict else {
      try release(claims)
      return (exit, false)
    }
    switch verdict {
    case .retry, .failed:
      if claims.count > 1 { return try giveEach(claims, to: words, settings, signals, wasStopped) }
    case .done, .broken, .release, .abandoned: break
    }
    try mailbox.office.forEach(claims) { (claim) throws(PostError) in
      try claim.settle(verdict, settings: settings)
    }
    if case .broken = verdict { return (exit, false) }
    return (exit, !wasStopped)
  }

  /// Runs the command on each letter of a batch that failed.
  private func giveEach(
    _ claims: [Claim], to words: [Path], _ settings: Settings, _ signals: borrowing SignalFile,
    _ wasStopped: Bool
  ) throws(PostError) -> (exit: Int32, goesOn: Bool) {
    var rest = claims[...]
    var (exit, goesOn): (Int32, Bool) = (0, !wasStopped)
    while goesOn, let next = rest.popFirst() {
      let one = try give([next], to: words, settings, signals)
      if one.exit != 0 {
        exit = one.exit
        // What waits for its next attempt holds up what comes after it.
        goesOn = one.goesOn && settings.order != .strict
      }
    }
    try release(Array(rest))
    return (exit, goesOn)
  }

  private func release(_ claims: [Claim]) throws(PostError) {
    try mailbox.office.forEach(claims) { (claim) throws(PostError) in try claim.release() }
  }

  /// Waits; a signal to us ends the command, and after it the round.
  /// - Returns: whether there was a signal.
  private func waitForEnd(of handler: Handler, _ signals: borrowing SignalFile) -> Bool {
    var wasStopped = false
    while true {
      let now = Clock.monotonic
      let ended = PollResult(
        [signals.file.descriptor], [handler], atMost: handler.deadline.map { $0 - now }
      ).ended
      // Signals first: Ctrl-C goes to the command as well, and it may have ended for that reason.
      while (try? signals.next()) != nil { wasStopped = true }
      if wasStopped { handler.stop(now: Clock.monotonic) }
      if ended[0] { return wasStopped }
      handler.enforceLimits(now: Clock.monotonic)
    }
  }

  /// What a shell would return for a command that cannot be started.
  private func exitOfShell(_ errno: Errno) -> Int32 {
    if errno == .noEntry { return 127 }
    let kind = PostError.Kind(of: errno)
    return kind == .tryAgain ? kind.rawValue : 126
  }
}

extension SignalFile {
  /// The signals that ask a program to stop, or to read its settings anew.
  static func stopping() throws(PostError) -> SignalFile {
    do throws(Errno) { return try SignalFile([.terminate, .interrupt, .hangUp]) } catch {
      throw PostError(error, "cannot take signals")
    }
  }
}
