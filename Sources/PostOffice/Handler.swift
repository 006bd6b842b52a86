// A handler: a child process with the letter's body as its standard input. It inherits the open
// file of the claim, and with it the beacon: the letter stays claimed while watcher or handler live.

import Linux

/// How a handler is called.
package enum HandlerCommand: Sendable {
  /// A command line for /bin/sh, as in a crontab.
  case shell(String)
  /// A program and its arguments, looked for in PATH.
  case words([Path])

  var words: [Path] {
    switch self {
    case .shell(let line): ["/bin/sh", "-c", Path(line)]
    case .words(let words): words
    }
  }
}

/// One handler at work on one claimed letter.
package final class Handler {
  package let claim: Claim
  package let settings: Settings
  private var child: Child?
  private let words: File?
  private var ending = Ending.none
  /// When it must be acted on next, monotonic nanoseconds; nil: it may take its time.
  package private(set) var deadline: Int64?

  /// After SIGTERM a handler has so long to end by itself; then SIGKILL. Nanoseconds.
  package static let grace: Int64 = 5_000_000_000

  private enum Ending { case none, timedOut, stopped }

  /// What a handler says on standard error is kept in memory up to so much between two looks; more
  /// fails in the handler, with EPERM. Bytes.
  static let wordsCapacity: Int64 = 64 << 20
  /// From so much on, only its end is kept.
  static let wordsTrimmed: Int64 = 1 << 20
  /// How often that is looked at. Nanoseconds.
  static let trimInterval: Int64 = 1_000_000_000

  /// Starts a handler.
  /// - Parameter isUnattended: it works for the watcher, out of sight: in a process group of its own, and what it says
  ///   on standard error is kept for the letter's note. Else it is a command that somebody runs by
  ///   hand, and shares terminal and standard error with us.
  package init(
    _ command: HandlerCommand, on claim: Claim, _ settings: Settings, folder: Path?, isUnattended: Bool
  ) throws(Errno) {
    self.claim = claim
    self.settings = settings
    var errors = Child.Stream.inherit
    if isUnattended {
      // In memory, not a pipe: a handler that outlives its watcher must not die of writing to it.
      let memory = try File.inMemory(capacity: Handler.wordsCapacity)
      errors = .descriptor(memory.descriptor)
      words = consume memory
    } else {
      words = nil
    }
    try claim.rewindToBody()
    child = try Child(
      command.words, environment: claim.environment(settings), input: claim.letter.file.descriptor,
      errors: errors, folder: folder, ownGroup: isUnattended)
    deadline = settings.timeout.map { Clock.monotonic + $0.nanoseconds }
  }

  /// Readable once the handler has ended; -1 if there is none.
  private var descriptor: Int32 { child?.ended.descriptor ?? -1 }

  /// How often we look for ourselves, when the kernel cannot wake us. Nanoseconds.
  private static let blindInterval: Int64 = 100_000_000

  /// Waits until a handler has ended, a descriptor can be read, or the time is over. Should the system be
  /// short of memory or descriptors, no end is missed: then we look for ourselves, now and then.
  /// - Parameter nanoseconds: the longest wait; nil waits for as long as it takes.
  /// - Returns: which descriptors may be ready, and which handlers have ended.
  package static func wait(
    _ descriptors: [Int32], for handlers: [Handler], atMost nanoseconds: Int64?
  ) -> (ready: [Bool], ended: [Bool]) {
    let all = descriptors + handlers.map(\.descriptor)
    let isBlind = handlers.contains { $0.descriptor < 0 }
    let glance = min(nanoseconds ?? .max, blindInterval)
    do throws(Errno) {
      let ready = try waitReadable(all, atMost: isBlind ? glance : nanoseconds)
      let ended = zip(handlers, ready.dropFirst(descriptors.count)).map { $1 || isBlind && $0.hasEnded }
      return (Array(ready.prefix(descriptors.count)), ended)
    } catch {
      _ = try? waitReadable([], atMost: glance)
      return (descriptors.map { $0 >= 0 }, handlers.map(\.hasEnded))
    }
  }

  private var hasEnded: Bool { (try? child?.hasEnded()) == true }

  /// Keeps it within its bounds: of its words the end, and if its deadline is over, its process group
  /// is asked to end, and later made to.
  package func tend(now: Int64) {
    trimWords()
    guard let due = deadline, due <= now else { return }
    switch ending {
    case .none: end(.timedOut, now: now)
    case .timedOut, .stopped:
      child?.signal(.kill)
      deadline = nil
    }
  }

  /// Asks the handler to end because the watcher stops: its letter will be given back.
  package func stop(now: Int64) {
    if case .none = ending { end(.stopped, now: now) }
  }

  private func end(_ reason: Ending, now: Int64) {
    ending = reason
    child?.signal(.terminate)
    deadline = now + Handler.grace
  }

  /// The end of what it has said. The position of the file is shared with the handler: it stands
  /// behind its last word.
  private func lastWords() -> [UInt8] {
    guard let end = try? words?.position() else { return [] }
    let size = Int(min(end, Int64(Mailbox.wordsLimit)))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size])
      count = (try? words?.read(into: bytes, at: end - Int64(size))) ?? 0
    }
  }

  private func trimWords() {
    guard let end = try? words?.position(), end > Handler.wordsTrimmed else { return }
    let last = lastWords()
    // What it writes in this moment may be lost: it has said more than enough.
    try? words?.seek(to: 0)
    try? words?.write(last)
    try? words?.punchHole(from: Int64(last.count), length: Handler.wordsCapacity - Int64(last.count))
  }

  /// Reaps the ended handler and tells what its work came to.
  /// - Returns: the verdict (nil: the letter is given back, no attempt spent), the raw exit, and what
  ///   it said on standard error.
  package func finish() throws(Errno) -> (verdict: Verdict?, exit: Child.Exit, words: [UInt8]) {
    guard let ended = child.take() else { preconditionFailure("a handler finishes once") }
    // What it started goes with it; while it is a zombie, its group still bears its number.
    if case .none = ending {} else { ended.signal(.kill) }
    let exit = try ended.reap()
    let said = lastWords()
    let verdict: Verdict? =
      switch (ending, exit) {
      case (.none, _): Verdict(exit)
      // It may have ended in the moment in which it was told to: done is done, or it would be done twice.
      case (_, .code(0)): .done
      case (.timedOut, _): .retry("not finished after \(settings.timeout?.postText ?? "its time")")
      case (.stopped, _): nil
      }
    return (verdict, exit, said)
  }
}

extension Claim {
  /// What the handler learns from its environment: ours, and what there is to know about the letter.
  func environment(_ settings: Settings) -> [Path] {
    // A foreign program's letter does not say which topic it came through; mostly there is only one.
    let topics = letter.topic == nil ? (try? mailbox.office.topics(of: mailbox.name)) ?? [] : []
    let topic = letter.topic ?? (topics.count == 1 ? topics[0].name.description : "")
    var own: [(name: String, value: Path)] = [
      ("POST_SPOOL", mailbox.office.path),
      ("POST_ID", letter.id.path),
      ("POST_TOPIC", Path(topic)),
      ("POST_MAILBOX", Path(mailbox.name.description)),
      ("POST_ATTEMPT", Path(String(attempt))),
      ("POST_TRIES", Path(String(settings.tries))),
      ("POST_DATE", Path(letter.date ?? "")),
      ("POST_FROM", Path(letter.from ?? "")),
      ("POST_SUBJECT", Path(letter.subject ?? "")),
      ("POST_TYPE", Path(letter.contentType ?? "")),
      ("POST_FILE", path),
    ]
    let told: Set = ["POST-TOPIC", "DATE", "FROM", "SUBJECT", "CONTENT-TYPE"]
    var taken = Set<String>()
    for field in letter.headers.fields where !told.contains(field.name.uppercased()) {
      let bytes = field.name.uppercased().utf8.map { $0.isLetterOrDigit ? $0 : UInt8(ascii: "_") }
      let name = "POST_HEADER_" + String(decoding: bytes, as: UTF8.self)
      if taken.insert(name).inserted { own.append((name, Path(field.value))) }
    }
    let inherited = Host.allEnvironment.filter { !$0.bytes.starts(with: "POST_".utf8) }
    return inherited + own.map { Path(Array($0.name.utf8) + [UInt8(ascii: "=")] + $0.value.bytes) }
  }
}
