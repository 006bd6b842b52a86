// The table of settings. One entry declares all there is to know about a setting but its default, which is that of its
// property in `Settings`. Errors and the flags of post subscribe are made from it; a test compares README and post-handler(7)
// with it. It is made when the first settings file or flag is read: what only an error or a help text needs is not.

import Linux
import Text

/// One setting. A class, though nothing in it ever changes: an array of a struct of ours needs metadata that the runtime makes
/// at first use.
package final class Setting: Sendable {
  package let name: String
  let scopes: Scope
  /// A line of documentation.
  package let help: String
  /// The flag of `post subscribe` that sets it, and what it calls the value.
  package let flag: (name: String, label: String)?
  private let expected: @Sendable () -> String
  private let read: @Sendable (String, inout Settings) -> Bool
  private let show: @Sendable (Settings) -> String?

  static let all: [Setting] = [
    Setting(
      "Handler", .mailbox, { $1(&$0.handler) }, .command, "a command line for /bin/sh; there is no default"),
    Setting(
      "Tries", .ofMailbox, { $1(&$0.tries) }, .number(upTo: 1_000_000), flag: ("tries", "N"),
      "attempts before a letter fails for good"),
    Setting(
      "Timeout", .ofMailbox, { $1(&$0.timeout) }, .duration("30s", or: "none", from: .milliseconds(1)),
      flag: ("timeout", "D"), "how long a handler may run before its process group is terminated; or none"),
    Setting(
      "Retry", .ofMailbox, { $1(&$0.retry) }, .durations, flag: ("retry", "D..D"),
      "first and longest delay before another attempt; each delay is twice the one before"),
    Setting(
      "Parallel", .ofMailbox, { $1(&$0.parallel) }, .number(upTo: 256), flag: ("parallel", "N"),
      "handlers that run at the same time"),
    Setting(
      "Batch", .ofMailbox, { $1(&$0.batch) }, .number(upTo: 1000), flag: ("batch", "N"),
      "the most letters for one run of a handler; above 1, it gets their files as arguments"),
    Setting(
      "Handler-Mode", .ofMailbox, { $1(&$0.handlerMode) }, .word, flag: ("mode", "exec|stream"),
      "exec: run the handler for each letter or batch; stream: start it once and send it a line for each letter"
    ),
    Setting(
      "Order", .ofMailbox, { $1(&$0.order) }, .word, flag: ("order", "any|strict"),
      "any: letters may overtake one that waits for a retry; strict: one letter at a time, and none overtakes"
    ),
    Setting(
      "Keep-Done", .ofMailbox, { $1(&$0.keepDone) }, .duration("7d", or: "forever"),
      "how long done/ keeps letters; or forever"),
    Setting(
      "Umask", .ofMailbox, { $1(&$0.umask) }, .mode,
      "the handler's file mode creation mask; by default the watcher's own"),
    Setting(
      "Keep", .ofTopic, { $1(&$0.keep) }, .duration("7d", or: "forever"),
      "how long the topic keeps letters for replay and new subscribers; or forever"),
    Setting(
      "Min-Free", .ofTopic, { $1(&$0.minFree) }, .space,
      "with less free on its disk, the topic refuses letters (exit 75); a size such as 100M, or a percentage such as 5%"
    ),
    Setting(
      "Durability", .ofTopic, { $1(&$0.durability) }, .word,
      "full: an accepted letter survives a power cut; none: post send does not wait for the disk"),
    Setting(
      "Max-Handlers", .office, { $1(&$0.maxHandlers) }, .number(upTo: 256),
      "the most handlers that a watcher runs at once"),
  ]

  /// The settings files that may contain it.
  struct Scope: OptionSet {
    let rawValue: UInt8
    static let office = Scope(rawValue: 1)
    static let topic = Scope(rawValue: 2)
    static let mailbox = Scope(rawValue: 4)
    /// The office's is the default for all.
    static let ofMailbox: Scope = [.office, .mailbox]
    static let ofTopic: Scope = [.office, .topic]

    /// Names of files.
    var files: String {
      let names = [(Scope.mailbox, "mailbox.conf"), (.topic, "topic.conf"), (.office, "post.conf")]
      return names.filter { contains($0.0) }.map(\.1).joined(separator: " or ")
    }
  }

  /// Gives a closure the setting's property. (To make a key path takes longer than to read a settings file.)
  private typealias Access<Value> = @Sendable (inout Settings, (inout Value) -> Void) -> Void

  private init<Value>(
    _ name: String, _ scopes: Scope, _ access: @escaping Access<Value>,
    _ syntax: Syntax<Value>, flag: (name: String, label: String)? = nil, _ help: String
  ) {
    (self.name, self.scopes, self.flag, self.help) = (name, scopes, flag, help)
    expected = syntax.expected
    read = { text, settings in
      guard let value = syntax.read(text) else { return false }
      access(&settings) { $0 = value }
      return true
    }
    show = { settings in
      var (settings, text) = (settings, String?.none)
      access(&settings) { text = syntax.show($0) }
      return text
    }
  }

  package static func named(_ name: String) -> Setting? {
    all.first { $0.name.lowercased() == name.lowercased() }
  }

  /// The settings that `post subscribe` has flags for.
  package static var flagged: [(setting: Setting, flag: (name: String, label: String))] {
    all.compactMap { setting in setting.flag.map { (setting, $0) } }
  }

  /// The default as it would be written; nil: there is none that could be.
  package var usual: String? { show(Settings()) }

  /// Puts a value in force.
  /// - Parameter name: what the error calls it; nil: its own name.
  /// - Returns: what is wrong with the value; nil: nothing.
  package func put(_ value: String, into settings: inout Settings, as name: String? = nil) -> String? {
    if read(value, &settings) { return nil }
    return invalidValue(value, for: name ?? self.name, expected: expected())
  }

  /// What is wrong with a name in a settings file.
  static func unknown(_ name: String, in scope: Scope) -> (cause: String, remedy: String) {
    if let elsewhere = named(name) {
      return ("'\(visible(name))' cannot be set here", "set it in \(elsewhere.scopes.files)")
    }
    let known = all.filter { $0.scopes.contains(scope) }.map(\.name)
    let near = Suggestion.names(near: name.utf8, among: known)
    let remedy =
      near.isEmpty
      ? "known are \(known.joined(separator: ", "))" : "did you mean \(near.joined(separator: " or "))?"
    return ("unknown setting '\(visible(name))'", remedy)
  }
}

package func invalidValue(_ value: String, for name: String, expected: String) -> String {
  "invalid value '\(visible(value))' for \(name): expected \(expected)"
}

/// How the values of a type are written.
private struct Syntax<Value>: Sendable {
  /// What a good value looks like.
  let expected: @Sendable () -> String
  /// nil: not a good value.
  let read: @Sendable (String) -> Value?
  /// nil: it cannot be written.
  let show: @Sendable (Value) -> String?
}

extension Syntax<Int> {
  static func number(upTo limit: Int) -> Self {
    Self(
      expected: { "a number from 1 to \(limit)" },
      read: { Int($0).flatMap { (1...limit).contains($0) ? $0 : nil } }, show: { "\($0)" })
  }
}

// Of a property that may be nil, `return nil` means that the value is not a good one.

extension Syntax<Int?> {
  /// Without a value, it is 1.
  static func number(upTo limit: Int) -> Self {
    let number = Syntax<Int>.number(upTo: limit)
    let read = { @Sendable (text: String) -> Int?? in
      guard let value = number.read(text) else { return nil }
      return value
    }
    return Self(expected: number.expected, read: read, show: { number.show($0 ?? 1) })
  }
}

extension Syntax<String?> {
  static var command: Self {
    let read = { @Sendable (text: String) -> String?? in
      if text.isEmpty { return nil }
      return text
    }
    return Self(expected: { "a command line for /bin/sh" }, read: read, show: { $0 })
  }
}

extension Syntax<UInt32?> {
  static var mode: Self {
    let read = { @Sendable (text: String) -> UInt32?? in
      guard let mode = UInt32(text, radix: 8), mode <= 0o777 else { return nil }
      return mode
    }
    return Self(
      expected: { "an octal number such as 027" }, read: read, show: { $0.map { String($0, radix: 8) } })
  }
}

extension Syntax<MinFree> {
  static var space: Self {
    Self(
      expected: { "a size such as 100M, or a percentage such as 5%" }, read: { MinFree($0) },
      show: { $0.isOff ? "0" : nil })
  }
}

extension Syntax where Value: RawRepresentable<String> & CaseIterable & Sendable, Value.AllCases: Sendable {
  static var word: Self {
    Self(
      expected: { Value.allCases.map(\.rawValue).joined(separator: " or ") }, read: { Value(rawValue: $0) },
      show: { $0.rawValue })
  }
}

extension Syntax<Duration?> {
  /// - Parameter word: stands for no duration at all.
  static func duration(_ example: String, or word: String, from least: Duration = .zero) -> Self {
    let read = { @Sendable (text: String) -> Duration?? in
      if text == word { return .some(nil) }
      guard let duration = Duration(postText: text), duration >= least else { return nil }
      return duration
    }
    return Self(
      expected: { "a duration such as \(example), or \(word)" }, read: read, show: { $0?.postText ?? word })
  }
}

extension Syntax<ClosedRange<Duration>> {
  /// `1s..5m`, or one duration for a delay that never grows.
  static var durations: Self {
    let read = { @Sendable (text: String) -> ClosedRange<Duration>? in
      guard let dots = text.firstRange(of: "..") else { return Duration(postText: text).map { $0...$0 } }
      guard let first = Duration(postText: String(text[..<dots.lowerBound])),
        let last = Duration(postText: String(text[dots.upperBound...])), first <= last
      else { return nil }
      return first...last
    }
    return Self(
      expected: { "two durations such as 1s..5m" }, read: read,
      show: { "\($0.lowerBound.postText)..\($0.upperBound.postText)" })
  }
}
