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

  /// Starts a handler.
  /// - Parameter capturesErrors: keeps what it says on standard error for the letter's note, instead
  ///   of letting it through to ours.
  package init(
    _ command: HandlerCommand, on claim: Claim, _ settings: Settings, folder: Path?, capturesErrors: Bool
  ) throws(Errno) {
    self.claim = claim
    self.settings = settings
    // In memory, not a pipe: a handler that outlives its watcher must not die of writing to it.
    var errors = Child.Stream.inherit
    if capturesErrors {
      let memory = try File.inMemory()
      errors = .descriptor(memory.descriptor)
      words = consume memory
    } else {
      words = nil
    }
    try claim.rewindToBody()
    child = try Child(
      command.words, environment: claim.environment(settings), input: claim.letter.file.descriptor,
      errors: errors, folder: folder)
    deadline = settings.timeout.map { Clock.monotonic + $0.nanoseconds }
  }

  /// Readable once the handler has ended.
  package var descriptor: Int32 { child?.ended.descriptor ?? -1 }

  /// Whether its deadline is over; then its process group is asked to end, and later made to.
  package func actOnDeadline(now: Int64) {
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

  /// Reaps the ended handler and tells what its work came to.
  /// - Returns: the verdict (nil: the letter is given back, no attempt spent), the raw exit, and what
  ///   it said on standard error.
  package func finish() throws(Errno) -> (verdict: Verdict?, exit: Child.Exit, words: [UInt8]) {
    guard let ended = child.take() else { preconditionFailure("a handler finishes once") }
    // What it started goes with it; while it is a zombie, its group still bears its number.
    if case .none = ending {} else { ended.signal(.kill) }
    let exit = try ended.reap()
    let said = try words?.tail(limit: Mailbox.wordsLimit) ?? []
    let verdict: Verdict? =
      switch (ending, exit) {
      case (.none, _): Verdict(exit)
      case (.timedOut, _): .retry("not finished after \(settings.timeout?.postText ?? "its time")")
      case (.stopped, .code(0)): .done
      case (.stopped, _): nil
      }
    return (verdict, exit, said)
  }
}

extension Claim {
  /// What the handler learns from its environment: ours, and what there is to know about the letter.
  func environment(_ settings: Settings) -> [Path] {
    var own: [(name: String, value: Path)] = [
      ("POST_SPOOL", mailbox.office.path),
      ("POST_ID", letter.id.path),
      ("POST_TOPIC", Path(letter.topic ?? "")),
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
