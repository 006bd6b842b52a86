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
    var round = 1
    while round < attempt, delay != .zero, delay < retry.upperBound {
      delay = delay * 2
      round += 1
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
  /// nil: not a good value.
  let apply: @Sendable (String, inout Settings) -> Bool?

  static let all: [Setting] = [
    Setting(name: "Handler", scopes: [.mailbox], expects: "a command line for /bin/sh") { text, settings in
      guard !text.isEmpty else { return nil }
      settings.handler = text
      return true
    },
    Setting(name: "Tries", scopes: [.office, .mailbox], expects: "a whole number from 1 to 1000000") {
      guard let number = Int($0), (1...1_000_000).contains(number) else { return nil }
      $1.tries = number
      return true
    },
    Setting(name: "Timeout", scopes: [.office, .mailbox], expects: "a duration such as 30s, or none") {
      guard let limit = optionalDuration($0, none: "none"), limit != .zero else { return nil }
      $1.timeout = limit
      return true
    },
    Setting(name: "Retry", scopes: [.office, .mailbox], expects: "two durations such as 1s..5m") {
      guard let range = durationRange($0) else { return nil }
      $1.retry = range
      return true
    },
    Setting(name: "Parallel", scopes: [.office, .mailbox], expects: "a whole number from 1 to 256") {
      guard let number = Int($0), (1...256).contains(number) else { return nil }
      $1.parallel = number
      return true
    },
    Setting(name: "Handler-Mode", scopes: [.office, .mailbox], expects: "exec or stream") {
      guard let mode = Settings.HandlerMode(rawValue: $0) else { return nil }
      $1.handlerMode = mode
      return true
    },
    Setting(name: "Batch", scopes: [.office, .mailbox], expects: "a whole number from 1 to 1000") {
      guard let number = Int($0), (1...1000).contains(number) else { return nil }
      $1.batch = number
      return true
    },
    Setting(name: "Order", scopes: [.office, .mailbox], expects: "any or strict") {
      guard let order = Settings.Order(rawValue: $0) else { return nil }
      $1.order = order
      return true
    },
    Setting(name: "Umask", scopes: [.office, .mailbox], expects: "an octal number such as 027") {
      guard let mask = UInt32($0, radix: 8), mask <= 0o777 else { return nil }
      $1.umask = mask
      return true
    },
    Setting(name: "Max-Handlers", scopes: [.office], expects: "a whole number from 1 to 256") {
      guard let number = Int($0), (1...256).contains(number) else { return nil }
      $1.maxHandlers = number
      return true
    },
    Setting(name: "Keep-Done", scopes: [.office, .mailbox], expects: "a duration such as 7d, or forever") {
      guard let limit = optionalDuration($0, none: "forever") else { return nil }
      $1.keepDone = limit
      return true
    },
    Setting(name: "Keep", scopes: [.office, .topic], expects: "a duration such as 7d, or forever") {
      guard let limit = optionalDuration($0, none: "forever") else { return nil }
      $1.keep = limit
      return true
    },
    Setting(
      name: "Min-Free", scopes: [.office, .topic], expects: "a size such as 100M, or a percentage such as 5%"
    ) {
      guard let least = MinFree($0) else { return nil }
      $1.minFree = least
      return true
    },
    Setting(name: "Durability", scopes: [.office, .topic], expects: Durability.expected) {
      guard let durability = Durability(rawValue: $0) else { return nil }
      $1.durability = durability
      return true
    },
  ]

  package static func named(_ name: String) -> Setting? {
    all.first { $0.name.lowercased() == name.lowercased() }
  }

  /// Checks a value given on the command line.
  package func check(_ value: String) throws(PostError) {
    var settings = Settings()
    guard apply(value, &settings) != nil else {
      throw PostError(.usage, "'\(visible(value))' is no value for \(name); use \(expects)")
    }
  }
}

/// Outer nil: neither a duration nor the word.
private func optionalDuration(_ text: String, none: String) -> Duration?? {
  if text == none { return .some(nil) }
  return Duration(postText: text).map { .some($0) }
}

/// `1s..5m`, or one duration for a delay that never grows.
private func durationRange(_ text: String) -> ClosedRange<Duration>? {
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
      guard setting.apply(field.value, &settings) != nil else {
        throw PostError(
          .badSettings,
          "\(place): '\(visible(field.value))' is no value for \(setting.name); use \(setting.expects)")
      }
    }
  }

  /// Gives a name a new value where it stands, or adds it at the end; comments and order stay.
  mutating func set(_ name: String, to value: String) {
    let line = Array("\(name): \(value)".utf8)
    let places = lines.indices.filter {
      SettingsFile.field(lines[$0])?.name.lowercased() == name.lowercased()
    }
    guard let last = places.last else { return lines.append(line) }
    lines[last] = line
  }

  var bytes: [UInt8] { lines.flatMap { $0 + [UInt8(ascii: "\n")] } }

  private static func isBlank(_ line: [UInt8]) -> Bool {
    let first = line.first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
    return first == nil || first == UInt8(ascii: "#")
  }

  private static func field(_ line: [UInt8]) -> Headers.Field? {
    if isBlank(line) { return nil }
    return line.withUnsafeBytes { Headers.Field(line: $0[...]) }
  }
}

extension Office {
  /// The settings of a mailbox: its own, else the office's, else the defaults.
  public func settings(of mailbox: Name) throws(PostError) -> Settings {
    var settings = Settings()
    try settingsFile(Layout.settings)?.apply(to: &settings, scope: .office)
    try settingsFile(MailboxLayout(mailbox).settings)?.apply(to: &settings, scope: .mailbox)
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
  func settings() throws(PostError) -> Settings {
    var settings = Settings()
    try settingsFile(Layout.settings)?.apply(to: &settings, scope: .office)
    return settings
  }

  /// The settings of a topic: its own, else the office's, else the defaults.
  public func settings(ofTopic topic: Name) throws(PostError) -> Settings {
    var settings = Settings()
    try settingsFile(Layout.settings)?.apply(to: &settings, scope: .office)
    try settingsFile(TopicLayout(topic).settings)?.apply(to: &settings, scope: .topic)
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
