// A streaming handler: a process that is started once, reads a line for each letter on its standard input and answers
// on its standard output (post-handler(7)).
//
// - It has a bounded number of letters in its hands, and it is never waited for.
// - Every letter that it was given is answered, or returned by `finish()` or `takeUnanswered()`: none is lost.
// - Only an answer about a letter that it has counts.

import Linux
import PostOffice
import Text

final class StreamHandler {
  let settings: Settings
  /// The beacon of the letters that it is given.
  let beacon: Beacon
  /// The most letters in its hands.
  private let limit: Int
  let process: HandlerProcess
  /// The process's standard error, which is always captured.
  let standardError: StderrCapture
  let input: StreamInput
  let output: StreamOutput
  private var letters = StreamLetters()
  /// Letters that are being prepared for it.
  var expected = 0
  /// Why it was terminated, if we could not write to it or read from it.
  private var failure: End?
  /// When it last answered, or got a letter when it had none. Monotonic nanoseconds, as all times here.
  private var silentSince: Int64
  /// Since when it has no letters.
  private(set) var idleSince: Int64
  /// Since when it is given no more letters.
  private var closedAt: Int64?

  typealias Given = StreamLetters.Given

  /// A line of the handler.
  enum Answer {
    /// - since: when it could begin with the letter.
    case verdict(Verdict, Given, since: Int64)
    /// Not an answer about a letter that it has.
    case other(String)
  }

  enum End {
    /// It exited when no more letters were to come, or was stopped.
    case expected
    /// It says that it cannot run.
    case broken(String)
    /// It could not be sent its letters.
    case cannotWrite(String)
    /// It may have done its work, or a letter may have killed it.
    case died(String)
  }

  /// The most letters that are prepared for it at the same time: each is open meanwhile.
  private static let expectedLimit = 8
  /// The longest reason that is noted, bytes.
  private static let reasonLimit = 1000

  init(
    _ command: HandlerCommand, _ beacon: Beacon, _ mailbox: Mailbox, _ settings: Settings, limit: Int
  ) throws(Errno) {
    (self.settings, self.beacon, self.limit) = (settings, beacon, limit)
    standardError = try StderrCapture()
    output = try StreamOutput()
    input = try StreamInput()
    process = try HandlerProcess(
      command, environment: mailbox.environment(settings), input: input.handlersEnd,
      output: output.handlersEnd.map { .descriptor($0) } ?? .inherit, standardError: standardError, beacon,
      folder: mailbox.office.path / mailbox.layout.root, settings)
    (silentSince, idleSince) = (process.startedAt, process.startedAt)
    output.closeHandlersEnd()
  }

  // MARK: Letters for it

  /// How many more letters it may be given.
  var room: Int {
    let takesMore =
      !isClosed && process.termination == nil && letters.takesMore && expected < StreamHandler.expectedLimit
    return takesMore ? limit - letters.count - expected : 0
  }

  var hasLetters: Bool { !letters.isEmpty || expected > 0 }

  /// Puts a letter into its hands. ``send()`` sends it.
  func give(_ claim: Claim, _ item: WorkItem) {
    claim.letter.close()
    let now = Clock.monotonic
    if letters.isEmpty { silentSince = now }
    letters.add(claim, item, now: now)
    queueLetters(now)
  }

  /// Queues the lines of letters that may be sent now.
  private func queueLetters(_ now: Int64) {
    while let next = letters.nextToSend(now: now) { input.append(StreamMessage(next, settings).bytes) }
  }

  /// Writes what it takes without waiting.
  func send() {
    do throws(Errno) { try input.flush(closes: isClosed) } catch {
      // It would never answer a letter that it was not sent.
      failure = .cannotWrite(PostError(error, "cannot send letters to the handler").message)
      process.terminate(.stopped, now: Clock.monotonic)
    }
  }

  var isClosed: Bool { closedAt != nil }

  /// Gives it no more letters: when it has read those that it was sent, it reads the end.
  func close() {
    if isClosed { return }
    closedAt = Clock.monotonic
    send()
  }

  // MARK: Its answers

  /// Reads its lines, and takes the letters that it has answered out of its hands.
  func takeAnswers() -> [Answer] {
    do throws(Errno) { return try output.readLines().map { answer($0) } } catch {
      failure = failure ?? .died(PostError(error, "cannot read what the handler says").message)
      process.terminate(.stopped, now: Clock.monotonic)
      return []
    }
  }

  private func answer(_ line: StreamOutput.OutputLine) -> Answer {
    if line.isCut { return .other(visible(Array(line.bytes.prefix(80))) + "...") }
    let other = Answer.other(visible(Array(line.bytes.prefix(200))))
    let parts = line.bytes.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, let given = letters[LetterID(Path(parts[1]))] else { return other }
    let reason = parts.count == 3 ? visible(Array(parts[2].prefix(StreamHandler.reasonLimit))) : ""
    let verdict: Verdict
    switch String(decoding: parts[0], as: UTF8.self) {
    case "done": verdict = .done
    case "retry": verdict = .retry(reason.isEmpty ? "the handler said retry" : reason)
    case "fail": verdict = .failed(reason.isEmpty ? "the handler said fail" : reason)
    default: return other
    }
    let since = max(given.at, silentSince)
    takeBack(given)
    return .verdict(verdict, given, since: since)
  }

  private func takeBack(_ given: Given) {
    letters.remove(given)
    let now = Clock.monotonic
    silentSince = now
    if letters.isEmpty {
      idleSince = now
    } else if !isClosed, letters.hasUnsent {
      queueLetters(now)
      send()
    }
  }

  // MARK: Its end

  /// When its standard error must be trimmed next. It writes little while it has no letters.
  var trimAt: Int64? { hasLetters ? standardError.trimAt : nil }

  /// When ``enforceLimits(now:)`` must be called next; nil: it may take its time.
  var deadline: Int64? {
    if process.termination != nil { return process.killAt }
    return [timeoutAt, exitBy].compactMap { $0 }.min()
  }

  /// With letters in its hands it must not be silent for longer than one may take, nor keep one for longer than all
  /// of them may take, one after another.
  private var timeoutAt: Int64? {
    guard let timeout = settings.timeout?.nanoseconds, let oldest = letters.oldest else { return nil }
    let (whole, isTooLong) = timeout.multipliedReportingOverflow(by: Int64(limit))
    return min(silentSince + timeout, isTooLong ? .max : oldest.at + min(whole, .max - oldest.at))
  }

  /// When it must have exited, since it has no letters and none will come.
  private var exitBy: Int64? {
    guard letters.isEmpty, let closedAt else { return nil }
    return max(closedAt, idleSince) + HandlerProcess.stopGrace
  }

  /// Terminates the handler if its time is over, kills it if the grace is over, and bounds its standard error.
  /// - Returns: whether it was terminated or killed: it takes no more letters.
  func enforceLimits(now: Int64) -> Bool {
    standardError.trim(now: now)
    guard let due = deadline, due <= now else { return false }
    process.killIfDue(now: now)
    process.terminate(exitBy.map { $0 <= now } == true ? .stopped : .timedOut, now: now)
    return true
  }

  /// Terminates the handler because the watcher stops.
  func stop(now: Int64) {
    close()
    process.terminate(.stopped, now: now)
  }

  /// Takes the letters that it has not answered out of its hands, in order.
  func takeUnanswered() -> [Given] { letters.removeAll() }

  /// Reaps the handler, which has ended.
  /// - Returns: the letters that it has not answered, in order, and how it ended.
  func finish() throws(Errno) -> (unanswered: [Given], end: End) {
    let wasClosed = isClosed
    closedAt = closedAt ?? Clock.monotonic  // a letter that is being prepared for it is released
    let exit = try process.reap(killsGroup: true)
    return (takeUnanswered(), end(with: exit, wasClosed: wasClosed))
  }

  private func end(with exit: Child.Exit, wasClosed: Bool) -> End {
    if let failure, case .cannotWrite = failure { return failure }
    if case .broken(let how) = Verdict(exit) { return .broken(how) }
    if let failure { return failure }
    if process.termination == .timedOut {
      return .died("silent for \(settings.timeout?.postText ?? "too long")")
    }
    if wasClosed { return .expected }
    switch exit {
    case .code(let code): return .died("the handler exited with \(code)")
    case .signal(let number): return .died("the handler was killed by signal \(number)")
    }
  }
}
