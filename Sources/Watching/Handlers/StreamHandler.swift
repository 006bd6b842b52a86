// A streaming handler: a child process that is started once, told of letter after letter on its standard
// input, and answers on its standard output (post-handler(7)). How many letters it may have in its hands is
// bounded; what it says is read and written only when that can be done without waiting.

import Linux
import PostOffice
import Text

/// One streaming handler at work.
final class StreamHandler {
  let settings: Settings
  /// Monotonic nanoseconds.
  let startedAt = Clock.monotonic
  let beacon: Beacon
  /// What it is told through, and its standard input. That stays open with us: should it have closed it, or ended, we
  /// meet no broken pipe before its own end tells what became of it.
  private var telling: File?
  private let input: File
  private let limit: Int
  private var child: Child?
  /// nil: nothing more will come.
  private var answers: File?
  private let words: StderrCapture
  /// Letters that are being prepared for it.
  var expected = 0
  /// Letters it has not answered, in the order in which it was given them.
  private var letters: [LetterID: Given] = [:]
  private var order: [LetterID] = []
  /// Lines that it has not taken yet.
  private var unsent: ArraySlice<UInt8> = []
  /// The beginning of an answer.
  private var unread: [UInt8] = []
  /// A letter that is tried again has it for itself, so that the one that kills it is found.
  private var hasLetterAlone = false
  /// Letters that wait for that, or until that is over.
  private var untold: [LetterID] = []
  /// It is given no more letters.
  private(set) var isClosed = false
  private var ending = Ending.none
  /// Why it cannot be told of letters.
  private(set) var trouble: String?
  /// Why it cannot be heard: it may have done its work.
  private var unheard: String?
  /// When it last answered, or got letters after it had none. Monotonic nanoseconds.
  private var lastSign: Int64
  /// Since when it has no letters.
  private(set) var idleSince: Int64
  /// When it must end, since it has no letters and was told that there are no more.
  private var endBy: Int64?

  private enum Ending { case none, timedOut, stopped, killed }

  /// So many letters are prepared for it at once: each is open meanwhile.
  private static let expectedLimit = 8
  /// The longest line that is read as an answer, bytes.
  private static let lineLimit = 64 << 10
  /// The longest reason that is noted, bytes.
  private static let reasonLimit = 1000

  /// A letter in its hands.
  struct Given {
    let claim: Claim
    let item: WorkItem
    fileprivate(set) var at: Int64
    /// It has been told of the letter.
    fileprivate(set) var isTold = true
  }

  /// What it said.
  enum Answer {
    /// - since: when it could begin with the letter, monotonic nanoseconds.
    case verdict(Verdict, Given, since: Int64)
    /// A line that is no answer.
    case chatter(String)
  }

  /// Starts it.
  /// - Parameters:
  ///   - beacon: that of the letters that it is given.
  ///   - limit: the most letters in its hands.
  init(
    _ command: HandlerCommand, _ beacon: Beacon, _ mailbox: Mailbox, _ settings: Settings, limit: Int
  ) throws(Errno) {
    self.settings = settings
    self.beacon = beacon
    self.limit = limit
    words = try StderrCapture()
    let ends = try Pipe()
    answers = consume ends.reading
    let writing = ends.writing
    try answers?.setNonBlocking()
    let told = try Pipe()
    input = told.reading
    telling = consume told.writing
    try telling?.setNonBlocking()
    child = try command.start(
      environment: mailbox.environment(settings), input: input.descriptor,
      output: .descriptor(writing.descriptor),
      errors: words.stream, beacon, folder: mailbox.office.path / mailbox.layout.root, umask: settings.umask,
      ownGroup: true)
    lastSign = Clock.monotonic
    idleSince = lastSign
    _ = consume writing  // ours must go, or its end never shows
  }

  // MARK: Letters for it

  /// For how many more letters it has room.
  var room: Int {
    isClosed || ending != .none || hasLetterAlone || !untold.isEmpty
      || expected >= StreamHandler.expectedLimit
      ? 0 : limit - letters.count - expected
  }

  var hasLetters: Bool { !letters.isEmpty || expected > 0 }

  /// Puts a letter into its hands. It is told of it by ``send()``.
  func give(_ claim: Claim, _ item: WorkItem) {
    let id = claim.letter.id
    claim.letter.close()
    let now = Clock.monotonic
    if letters.isEmpty { lastSign = now }
    letters[id] = Given(claim: claim, item: item, at: now)
    order.append(id)
    if claim.attempt == 1, !hasLetterAlone, untold.isEmpty { return tell(of: claim) }
    letters[id]?.isTold = false
    untold.append(id)
    tellNext()
  }

  /// Tells it of letters that have waited, as far as they may come now: one that is tried again, if it has no other.
  private func tellNext() {
    while let id = untold.first, let next = letters[id], !hasLetterAlone {
      let isRetry = next.claim.attempt > 1
      if isRetry, letters.count > untold.count { return }
      untold.removeFirst()
      hasLetterAlone = isRetry
      letters[id]?.at = Clock.monotonic
      letters[id]?.isTold = true
      tell(of: next.claim)
    }
  }

  private func tell(of claim: Claim) { unsent += StreamMessage(claim, settings).bytes }

  /// Writes what it takes without waiting.
  func send() {
    while !unsent.isEmpty {
      do throws(Errno) {
        // No one is told any more what it has not been told by then.
        guard let count = try telling?.writeSome(unsent) else { break }
        unsent = unsent.dropFirst(count)
      } catch .again { return } catch {
        // It would never answer what it was not told of.
        unsent = []
        trouble = PostError(error, "the handler cannot be told of letters").message
        return breakOff()
      }
    }
    unsent = []
    if isClosed { telling = nil }
  }

  /// Gives it no more letters: when it has read what it was told of, it reads the end.
  func close() {
    if isClosed { return }
    isClosed = true
    if letters.isEmpty { endBy = Clock.monotonic + Handler.stopGrace }
    send()
  }

  // MARK: What it says

  /// Readable when it has said something.
  var voice: Int32? { answers?.descriptor }
  /// Readable when it has ended.
  var end: Int32? { child?.endDescriptor }
  /// Writable when it takes more of what it is to be told; nil: nothing is to be told.
  var ear: Int32? { unsent.isEmpty ? nil : telling?.descriptor }

  var hasEnded: Bool { (try? child?.hasEnded()) == true }

  /// What it has said.
  func takeAnswers() -> [Answer] {
    if answers == nil { return [] }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { buffer.deallocate() }
    let count: Int
    do throws(Errno) { count = try answers?.read(into: buffer) ?? 0 } catch .again { return [] } catch {
      unheard = PostError(error, "cannot read what the handler says").message
      answers = nil  // or we should be woken for it again and again
      breakOff()
      return []
    }
    if count == 0 {
      answers = nil  // it has closed its standard output: nothing more will come
      return []
    }
    unread += UnsafeRawBufferPointer(rebasing: buffer[..<count])
    var found = [Answer]()
    var start = 0
    while let end = unread[start...].firstIndex(of: UInt8(ascii: "\n")) {
      found.append(answer(unread[start..<end]))
      start = end + 1
    }
    unread.removeSubrange(..<start)
    if unread.count > StreamHandler.lineLimit {
      found.append(.chatter(visible(Array(unread.prefix(80))) + "..."))
      unread = []
    }
    return found
  }

  private func answer(_ line: ArraySlice<UInt8>) -> Answer {
    let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, let given = letters[LetterID(Path(parts[1]))] else { return chatter(line) }
    let said = parts.count == 3 ? visible(Array(parts[2].prefix(StreamHandler.reasonLimit))) : ""
    let verdict: Verdict
    switch String(decoding: parts[0], as: UTF8.self) {
    case "done": verdict = .done
    case "retry": verdict = .retry(said.isEmpty ? "the handler said retry" : said)
    case "fail": verdict = .failed(said.isEmpty ? "the handler said fail" : said)
    default: return chatter(line)
    }
    let since = max(given.at, lastSign)
    takeBack(given)
    return .verdict(verdict, given, since: since)
  }

  private func chatter(_ line: ArraySlice<UInt8>) -> Answer { .chatter(visible(Array(line.prefix(200)))) }

  private func takeBack(_ given: Given) {
    letters[given.claim.letter.id] = nil
    let now = Clock.monotonic
    lastSign = now
    // Mostly they are answered in order; what was answered out of it is dropped when its turn comes.
    var stale = 0
    while stale < order.count, letters[order[stale]] == nil { stale += 1 }
    order.removeFirst(stale)
    if letters.count == untold.count { hasLetterAlone = false }
    if letters.isEmpty {
      idleSince = now
      if isClosed { endBy = now + Handler.stopGrace }
    } else if !isClosed, !untold.isEmpty {
      tellNext()
      send()
    }
  }

  /// What it has said on standard error.
  func takeWords() -> [UInt8] {
    heardAt = Clock.monotonic
    return words.take()
  }

  /// When its words are to be looked at.
  var lookAt: Int64? { hasLetters ? words.lookAt : nil }

  /// When its words were taken last, monotonic nanoseconds.
  private(set) var heardAt = Clock.monotonic

  // MARK: Its end

  /// When it must be acted on next, monotonic nanoseconds; nil: it may take its time.
  var deadline: Int64? {
    switch ending {
    case .timedOut, .stopped: return lastSign + Handler.grace
    case .killed: return nil
    case .none: return [silentUntil, endBy].compactMap { $0 }.min()
    }
  }

  /// With letters in its hands it must not be silent for longer than one may take, nor keep one for longer
  /// than all would take one after another.
  private var silentUntil: Int64? {
    guard let timeout = settings.timeout?.nanoseconds, let first = order.first, let oldest = letters[first]
    else { return nil }
    let (whole, isTooLong) = timeout.multipliedReportingOverflow(by: Int64(limit))
    return min(lastSign + timeout, isTooLong ? .max : oldest.at + min(whole, .max - oldest.at))
  }

  /// If its deadline is over, its process group is asked to end, and later made to.
  /// - Returns: whether that has come: it takes no more letters.
  func tend(now: Int64) -> Bool {
    words.tend(now: now)
    guard let due = deadline, due <= now else { return false }
    switch ending {
    case .none: end(endBy.map { $0 <= now } == true ? .stopped : .timedOut, now)
    case .timedOut, .stopped:
      child?.signal(.kill)
      ending = .killed
    case .killed: break
    }
    return true
  }

  /// Tells it to end now.
  func stop(now: Int64) {
    close()
    if case .none = ending { end(.stopped, now) }
  }

  private func end(_ reason: Ending, _ now: Int64) {
    ending = reason
    wasTimedOut = reason == .timedOut
    lastSign = now
    child?.signal(.terminate)
  }

  /// It is ended, for we cannot speak with it.
  private func breakOff() {
    if ending == .none { end(.stopped, Clock.monotonic) }
  }

  private var wasTimedOut = false

  /// Takes the letters that it has not answered out of its hands, in order.
  func takeLeft() -> [Given] {
    defer { (letters, order) = ([:], []) }
    return order.compactMap { letters[$0] }
  }

  /// Reaps it.
  /// - Returns: the letters that it has not answered, in order, and what is to be said of its end; nil: it
  ///   ended because it was told to.
  func finish() throws(Errno) -> (left: [Given], exit: Child.Exit, reason: String?) {
    guard let ended = child.take() else { preconditionFailure("a handler finishes once") }
    ended.signal(.kill)  // what it started goes with it
    let exit = try ended.reap()
    let left = takeLeft()
    defer { isClosed = true }  // whoever still has a letter for it gives that back
    if let unheard { return (left, exit, unheard) }
    if wasTimedOut { return (left, exit, "silent for \(settings.timeout?.postText ?? "too long")") }
    if isClosed { return (left, exit, nil) }
    switch exit {
    case .code(let code): return (left, exit, "its handler ended with exit \(code)")
    case .signal(let number): return (left, exit, "its handler was ended by signal \(number)")
    }
  }
}
