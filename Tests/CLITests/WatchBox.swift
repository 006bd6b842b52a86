// An office with handlers, for the tests of post watch.

import Linux
import TestKit
import Testing

/// A fresh office whose watcher is under test.
///
/// In handlers, `$POST_SPOOL/..` is the sandbox: what they leave there is read with `lines(of:)`.
struct WatchBox {
  private let watchers = Watchers()
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// The watchers that were started: killed with the test, and reaped. A zombie would stay in the test
  /// process, and Swift Testing's own wait for exit tests turns in circles on the first one it meets.
  private final class Watchers {
    var all: [Running] = []

    deinit {
      for watcher in all {
        watcher.kill(.kill)
        _ = try? watcher.wait()
      }
    }
  }

  /// Makes a mailbox that is subscribed, with a handler for /bin/sh and short delays.
  func subscribe(
    _ handler: String, _ settings: String..., as mailbox: String = "stock", to topic: String = "orders"
  ) throws {
    let made = try box.post("subscribe", mailbox, topic)
    try #require(made.code == 0, "\(made.errors)")
    try configure(mailbox, ["Handler: " + handler, "Retry: 10ms..20ms"] + settings)
  }

  /// Replaces a mailbox's settings in one step, as a careful editor would.
  func configure(_ mailbox: String, _ lines: [String]) throws {
    try box.write("draft", lines.map { $0 + "\n" }.joined())
    try Directory(box.root).replace(Path("spool/mailboxes/\(mailbox)/mailbox.conf"), with: "draft")
  }

  /// Writes a script for /bin/sh into the sandbox.
  /// - Returns: the handler line that runs it. What stands behind it becomes its arguments.
  func program(_ script: String, _ name: String = "program") throws -> String {
    "/bin/sh \(try box.write(name, script + "\n"))"
  }

  /// Sends a letter and returns its ID.
  @discardableResult
  func send(_ body: String = "4711", to topic: String = "orders") throws -> String {
    let sent = try box.post("send", topic, "--id", input: Array(body.utf8))
    try #require(sent.code == 0, "\(sent.errors)")
    return try #require(sent.lines.first)
  }

  /// Sends the numbers from 1, a letter each, with one command.
  func sendMany(_ count: Int, to topic: String = "orders") throws {
    let text = (1...count).map { "\($0)\n" }.joined()
    let sent = try box.post("send", topic, "--lines", input: Array(text.utf8))
    try #require(sent.code == 0, "\(sent.errors)")
  }

  /// Delivers a file as another Maildir program does: written in tmp/, moved to new/.
  func deliverForeign(_ name: String, _ text: String, to topic: String = "orders") throws {
    try box.write("spool/topics/\(topic)/tmp/\(name)", text)
    let folder = try Directory(box.spool / "topics" / topic)
    try folder.rename(Path("tmp/" + name), to: folder, Path("new/" + name))
  }

  func start(_ words: String...) throws -> Running { try start(words) }

  func start(_ words: [String], environment: [String: String] = [:]) throws -> Running {
    let watcher = try box.start(
      [Sandbox.binary, "watch"] + words.map { Path($0) }, environment: environment)
    watchers.all.append(watcher)
    return watcher
  }

  /// Lets a watcher do all that is to be done.
  @discardableResult
  func watchUntilEmpty() throws -> Sandbox.Run { try box.post("watch", "--until-empty") }

  /// The names in a place of a mailbox, its bags included.
  func names(_ place: String, of mailbox: String = "stock") -> [String] { box.entries(place, of: mailbox) }

  /// The attempts that letters in a place of a mailbox have had, by their bodies.
  func attempts(in place: String, of mailbox: String = "stock") -> [String: String] {
    var attempts = [String: String]()
    for (folder, name) in box.letters(in: "spool/mailboxes/\(mailbox)/\(place)") {
      guard let letter = try? box.read("\(folder)/\(name)"),
        let body = letter.firstRange(of: "\n\n")
      else { continue }
      let attempt = name.split(separator: ",").first { $0.hasPrefix("A=") }
      attempts[String(letter[body.upperBound...])] = attempt.map { String($0.dropFirst(2)) } ?? "none"
    }
    return attempts
  }

  /// The counts of new, cur, later, done, failed, their bags included.
  func counts(_ mailbox: String = "stock") -> [Int] {
    ["new", "cur", "later", "done", "failed"].map { names($0, of: mailbox).count }
  }

  /// The lines that handlers have written into a file of the sandbox.
  func lines(of file: String) -> [String] {
    ((try? box.read(file)) ?? "").split(separator: "\n").map(String.init)
  }

  func note(_ id: String, of mailbox: String = "stock") throws -> String {
    try box.read("spool/mailboxes/\(mailbox)/notes/\(id)")
  }

  /// The lines of post status that tell of trouble.
  func troubles() throws -> [String] {
    try box.post("status").lines.filter { $0.hasPrefix("!") }
  }

  /// Whether a process is there and no zombie.
  func isAlive(_ pid: String) -> Bool {
    guard let file = try? File(Path("/proc/\(pid)/stat"), .readFollowing),
      let bytes = try? file.readAll(limit: 4096)
    else { return false }
    let text = String(decoding: bytes, as: UTF8.self)
    return !text.isEmpty && !text.contains(") Z ")
  }

  /// Sends a signal to one process.
  func signal(_ name: String, _ pid: String) throws {
    _ = try box.run(["kill", Path("-" + name), Path(pid)])
  }

  /// How often a process has been switched to, /proc/PID/status.
  func switches(_ pid: Int32) -> Int {
    guard let file = try? File(Path("/proc/\(pid)/status"), .readFollowing),
      let bytes = try? file.readAll(limit: 1 << 16)
    else { return -1 }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .filter { $0.contains("ctxt_switches") }
      .compactMap { Int($0.filter(\.isNumber)) }.reduce(0, +)
  }

  /// Waits until a process has slept for a while.
  /// - Returns: how often it had been switched to by then; nil if it never came to rest.
  func rest(of pid: Int32, for milliseconds: Int64 = 300) -> Int? {
    var last = -1
    var since = Clock.monotonic
    let hasRest = eventually {
      let now = switches(pid)
      if now != last { (last, since) = (now, Clock.monotonic) }
      return Clock.monotonic - since > milliseconds * 1_000_000
    }
    return hasRest ? last : nil
  }
}
