// Settings files: post.conf, topic.conf, mailbox.conf. They use the letter's own header syntax,
// with `#` comments; an unknown name or a bad value is an error that names file and line.

import Linux

/// What the settings of a mailbox say, defaults filled in.
public struct Settings: Hashable, Sendable {
  /// The command line for /bin/sh that handles a letter; nil: letters wait to be read.
  public var handler: String?
  /// How the handler gets its letters.
  public var handlerMode = HandlerMode.exec
  /// The most letters given to one handler at once; nil: one, or as many as a streaming handler usually gets.
  public var batch: Int?
  /// Whether one letter may overtake another.
  public var order = Order.any
  /// The file mode creation mask of handlers, umask(2); nil: the watcher's own.
  public var umask: UInt32?
  /// How often a letter is given to a handler before it fails for good.
  public var tries = 20
  /// How long a handler may take; nil: as long as it wants.
  public var timeout: Duration? = .seconds(3600)
  /// The first delay before a letter is tried again, and the longest; each is twice the one before.
  public var retry: ClosedRange<Duration> = .seconds(1) ... .seconds(600)
  /// How many letters of this mailbox are handled at once.
  public var parallel = 1
  /// How long letters stay in `done/`; nil: forever.
  public var keepDone: Duration? = .seconds(7 * 86_400)
  /// How long a topic keeps letters for replay and new subscribers; nil: forever.
  public var keep: Duration? = .seconds(7 * 86_400)
  /// How much must be free on a topic's file system for it to take new letters.
  public var minFree = MinFree.off
  /// Whether new letters of a topic survive a power cut.
  public var durability = Durability.full
  /// The most handlers that a watcher runs at once, over all mailboxes.
  public var maxHandlers = 256

  public init() {}

  /// How a handler gets its letters.
  public enum HandlerMode: String, Sendable, CaseIterable {
    /// It is run for each letter, or with ``Settings/batch`` for so many.
    case exec
    /// It is started once, and told of letter after letter on its standard input.
    case stream
  }

  /// Whether one letter may overtake another.
  public enum Order: String, Sendable, CaseIterable {
    /// The oldest first, but retries and handlers that run at the same time overtake.
    case any
    /// One at a time, and nothing overtakes a letter that is in hands or waits for its next attempt.
    case strict
  }

  /// The letters that a streaming handler has in its hands, if the settings do not say.
  static let streamBatch = 64

  /// The most letters that one handler may have in its hands.
  var lettersAtOnce: Int { batch ?? (handlerMode == .stream ? Settings.streamBatch : 1) }

  /// A delay, spread by up to a quarter, so that letters which failed together do not all come back together.
  /// It is never longer than the longest.
  func spread(_ delay: Duration) -> Duration {
    let length = delay.nanoseconds
    return .nanoseconds(
      min(length / 4 * 3 + Host.random(below: length / 2 + 1), retry.upperBound.nanoseconds))
  }

  /// The delay after this attempt, the first being 1.
  public func delay(afterAttempt attempt: Int) -> Duration {
    var delay = retry.lowerBound
    for _ in 1..<max(1, attempt) {
      if delay == .zero || delay >= retry.upperBound { break }
      delay = delay * 2
    }
    return min(delay, retry.upperBound)
  }
}

/// One thing that can be set: its name in the file, where it may stand, and how its value is read.
package struct Setting: Sendable {
  enum Scope: Sendable { case office, topic, mailbox }

  package let name: String
  let scopes: Set<Scope>
  /// What a good value looks like, for the error message.
  package let expects: String
  /// false: not a good value.
  let apply: @Sendable (String, inout Settings) -> Bool

  static let all: [Setting] = [
    Setting("Handler", [.mailbox], "a command line for /bin/sh", nonEmpty) { $0.handler = $1 },
    number("Tries", ofMailbox, upTo: 1_000_000) { $0.tries = $1 },
    duration("Timeout", ofMailbox, "30s", or: "none", from: .milliseconds(1)) { $0.timeout = $1 },
    Setting("Retry", ofMailbox, "two durations such as 1s..5m", durationRange) { $0.retry = $1 },
    number("Parallel", ofMailbox, upTo: 256) { $0.parallel = $1 },
    Setting("Handler-Mode", ofMailbox, "exec or stream", Settings.HandlerMode.init) { $0.handlerMode = $1 },
    number("Batch", ofMailbox, upTo: 1000) { $0.batch = $1 },
    Setting("Order", ofMailbox, "any or strict", Settings.Order.init) { $0.order = $1 },
    Setting("Umask", ofMailbox, "an octal number such as 027", fileModeMask) { $0.umask = $1 },
    number("Max-Handlers", [.office], upTo: 256) { $0.maxHandlers = $1 },
    duration("Keep-Done", ofMailbox, "7d", or: "forever") { $0.keepDone = $1 },
    duration("Keep", ofTopic, "7d", or: "forever") { $0.keep = $1 },
    Setting("Min-Free", ofTopic, "a size such as 100M, or a percentage such as 5%", MinFree.init) {
      $0.minFree = $1
    },
    Setting("Durability", ofTopic, Durability.expected, Durability.init) { $0.durability = $1 },
  ]

  /// What the office may say for all, and each for itself.
  private static let ofMailbox: Set<Scope> = [.office, .mailbox]
  private static let ofTopic: Set<Scope> = [.office, .topic]

  /// - Parameters:
  ///   - read: nil: not a good value.
  ///   - put: puts the value in force.
  private init<Value>(
    _ name: String, _ scopes: Set<Scope>, _ expects: String, _ read: @escaping @Sendable (String) -> Value?,
    _ put: @escaping @Sendable (inout Settings, Value) -> Void
  ) {
    (self.name, self.scopes, self.expects) = (name, scopes, expects)
    apply = { text, settings in
      guard let value = read(text) else { return false }
      put(&settings, value)
      return true
    }
  }

  private static func number(
    _ name: String, _ scopes: Set<Scope>, upTo limit: Int,
    _ put: @escaping @Sendable (inout Settings, Int) -> Void
  ) -> Setting {
    let read = { @Sendable (text: String) in Int(text).flatMap { (1...limit).contains($0) ? $0 : nil } }
    return Setting(name, scopes, "a whole number from 1 to \(limit)", read, put)
  }

  /// - Parameter word: stands for no duration at all.
  private static func duration(
    _ name: String, _ scopes: Set<Scope>, _ example: String, or word: String, from least: Duration = .zero,
    _ put: @escaping @Sendable (inout Settings, Duration?) -> Void
  ) -> Setting {
    let read = { @Sendable (text: String) -> Duration?? in
      if text == word { return .some(nil) }
      guard let duration = Duration(postText: text), duration >= least else { return nil }
      return duration
    }
    return Setting(name, scopes, "a duration such as \(example), or \(word)", read, put)
  }

  package static func named(_ name: String) -> Setting? {
    all.first { $0.name.lowercased() == name.lowercased() }
  }

  /// Checks a value given on the command line.
  package func check(_ value: String) throws(PostError) {
    var settings = Settings()
    if !apply(value, &settings) { throw PostError(.usage, refusal(of: value)) }
  }

  fileprivate func refusal(of value: String) -> String {
    "'\(visible(value))' is no value for \(name); use \(expects)"
  }
}

@Sendable private func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }

@Sendable private func fileModeMask(_ text: String) -> UInt32? {
  UInt32(text, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
}

/// `1s..5m`, or one duration for a delay that never grows.
@Sendable private func durationRange(_ text: String) -> ClosedRange<Duration>? {
  guard let dots = text.firstRange(of: "..") else { return Duration(postText: text).map { $0...$0 } }
  guard let first = Duration(postText: text[..<dots.lowerBound]),
    let last = Duration(postText: text[dots.upperBound...]), first <= last
  else { return nil }
  return first...last
}

/// A settings file's lines. It is read as bytes: in a Swift String, CR LF is one character.
struct SettingsFile {
  /// The largest settings file that is read.
  static let limit = 64 << 10

  let path: Path
  private(set) var lines: [[UInt8]] = []

  init(path: Path, bytes: [UInt8]) {
    self.path = path
    lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }
    if lines.last == [] { lines.removeLast() }
  }

  /// Puts the values in force.
  /// - Throws: bad settings, naming file and line.
  func apply(to settings: inout Settings, scope: Setting.Scope) throws(PostError) {
    for (index, line) in lines.enumerated() {
      let place = "\(path), line \(index + 1)"
      guard let field = SettingsFile.field(line) else {
        if SettingsFile.isBlank(line) { continue }
        throw PostError(.badSettings, "\(place): not of the form 'Name: value'")
      }
      guard let setting = Setting.named(field.name), setting.scopes.contains(scope) else {
        let known = Setting.all.filter { $0.scopes.contains(scope) }.map(\.name).joined(separator: ", ")
        throw PostError(.badSettings, "\(place): unknown name '\(visible(field.name))'; known are \(known)")
      }
      guard setting.apply(field.value, &settings) else {
        throw PostError(.badSettings, "\(place): \(setting.refusal(of: field.value))")
      }
    }
  }

  /// Gives a name a new value where it stands, or adds it at the end; comments and order stay.
  mutating func set(_ name: String, to value: String) {
    let line = Array("\(name): \(value)".utf8)
    let place = lines.lastIndex { SettingsFile.field($0)?.name.lowercased() == name.lowercased() }
    if let place { lines[place] = line } else { lines.append(line) }
  }

  var bytes: [UInt8] { lines.flatMap { $0 + [UInt8(ascii: "\n")] } }

  private static func isBlank(_ line: [UInt8]) -> Bool {
    let first = line.first { !$0.isBlank }
    return first == nil || first == UInt8(ascii: "#")
  }

  private static func field(_ line: [UInt8]) -> Headers.Field? {
    isBlank(line) ? nil : line.withUnsafeBytes { Headers.Field(line: $0[...]) }
  }
}

extension Office {
  /// The settings of a mailbox: its own, else the office's, else the defaults.
  public func settings(of mailbox: Name) throws(PostError) -> Settings {
    let settings = try settings(of: MailboxLayout(mailbox).settings, .mailbox)
    // Otherwise a batch would seem done that nobody has seen.
    if settings.handlerMode == .exec, settings.lettersAtOnce > 1, let line = settings.handler,
      ShellWords.plain(line) == nil, ShellWords.adding(filesTo: line) == nil
    {
      throw PostError(
        .badSettings,
        "\(MailboxLayout(mailbox).settings): with Batch, files are added at the end of the Handler line, which is a "
          + "comment or an operator; write \"$@\" where they belong")
    }
    return settings
  }

  /// The settings of the office itself: its own, else the defaults.
  func settings() throws(PostError) -> Settings { try settings(of: nil, .office) }

  /// The settings of a topic: its own, else the office's, else the defaults.
  public func settings(ofTopic topic: Name) throws(PostError) -> Settings {
    try settings(of: TopicLayout(topic).settings, .topic)
  }

  private func settings(of room: Path?, _ scope: Setting.Scope) throws(PostError) -> Settings {
    var settings = Settings()
    try settingsFile(Layout.settings)?.apply(to: &settings, scope: .office)
    if let room { try settingsFile(room)?.apply(to: &settings, scope: scope) }
    return settings
  }

  /// What is wrong with one settings file; nil if nothing is, or if it is missing.
  func trouble(in path: Path, _ scope: Setting.Scope) -> PostError? {
    var settings = Settings()
    do throws(PostError) { try settingsFile(path)?.apply(to: &settings, scope: scope) } catch { return error }
    return nil
  }

  /// Changes some settings of a mailbox; the file is replaced whole.
  package func change(_ changes: [(name: String, value: String)], of mailbox: Name) throws(PostError) {
    guard !changes.isEmpty else { return }
    let layout = MailboxLayout(mailbox)
    var file = try settingsFile(layout.settings) ?? SettingsFile(path: layout.settings, bytes: [])
    for (name, value) in changes { file.set(name, to: value) }
    var checked = Settings()
    try file.apply(to: &checked, scope: .mailbox)
    try attemptWrite("cannot write \(layout.settings)", in: layout.root) { () throws(Errno) in
      try replace(layout.settings, with: String(decoding: file.bytes, as: UTF8.self), through: layout[.tmp])
    }
  }

  private func settingsFile(_ path: Path) throws(PostError) -> SettingsFile? {
    let bytes: [UInt8]
    do throws(Errno) {
      let file = try root.open(path, .readSettings)
      guard try file.status().kind == .regular else { throw .invalid }
      bytes = try file.readAll(limit: SettingsFile.limit + 1)
    } catch .noEntry {
      return nil
    } catch let error where error == .invalid || error == .noDeviceAddress {
      throw PostError(.badSettings, "\(path) is not a regular file; put one in its place")
    } catch {
      let trouble = PostError(error, "cannot read \(path)")
      // The one will not pass by itself, the other may.
      throw [.noPermission, .cannotCreate].contains(trouble.kind)
        ? PostError(.badSettings, trouble.message) : trouble
    }
    guard bytes.count <= SettingsFile.limit, String(validating: bytes, as: UTF8.self) != nil else {
      throw PostError(.badSettings, "\(path) is not UTF-8, or longer than \(SettingsFile.limit) bytes")
    }
    return SettingsFile(path: path, bytes: bytes)
  }
}
