// The table of settings.

import Linux
import Text

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

  package func refusal(of value: String) -> String {
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
