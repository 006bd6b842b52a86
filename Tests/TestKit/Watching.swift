// Mailboxes with handlers, and the watchers that serve them.
//
// In handlers, `$POST_SPOOL/..` is the sandbox: what they leave there is read with `lines(of:)`.

import Linux
import Testing

extension Sandbox {
  /// Makes a mailbox that is subscribed, with a handler for /bin/sh and short delays.
  package func subscribe(
    _ handler: String, _ settings: String..., as mailbox: String = "stock", to topic: String = "orders"
  ) throws {
    let made = try post("subscribe", mailbox, topic)
    try #require(made.code == 0, "\(made.errors)")
    try configure(mailbox, ["Handler: " + handler, "Retry: 10ms..20ms"] + settings)
  }

  /// Replaces a mailbox's settings in one step, as a careful editor would.
  package func configure(_ mailbox: String, _ lines: [String]) throws {
    try write("draft", lines.map { $0 + "\n" }.joined())
    try Directory(root).replace(Path("spool/mailboxes/\(mailbox)/mailbox.conf"), with: "draft")
  }

  /// Writes a script for /bin/sh into the sandbox.
  /// - Returns: the handler line that runs it. Words after it become its arguments.
  package func program(_ script: String, _ name: String = "program") throws -> String {
    "/bin/sh \(try write(name, script + "\n"))"
  }

  /// Sends a letter and returns its ID.
  @discardableResult
  package func send(_ body: String = "4711", to topic: String = "orders") throws -> String {
    let sent = try post("send", topic, "--id", input: Array(body.utf8))
    try #require(sent.code == 0, "\(sent.errors)")
    return try #require(sent.lines.first)
  }

  /// Sends the numbers from 1, a letter each, with one command.
  package func sendMany(_ count: Int, to topic: String = "orders") throws {
    let text = (1...count).map { "\($0)\n" }.joined()
    let sent = try post("send", topic, "--lines", input: Array(text.utf8))
    try #require(sent.code == 0, "\(sent.errors)")
  }

  /// Delivers a file as another Maildir program does: written in tmp/, moved to new/.
  package func deliverForeign(_ name: String, _ text: String, to topic: String = "orders") throws {
    try write("spool/topics/\(topic)/tmp/\(name)", text)
    let folder = try Directory(spool / "topics" / topic)
    try folder.rename(Path("tmp/" + name), to: folder, Path("new/" + name))
  }

  /// Starts a watcher. It ends with the sandbox.
  package func startWatcher(_ words: String...) throws -> Running { try startWatcher(words) }

  package func startWatcher(_ words: [String], environment: [String: String] = [:]) throws -> Running {
    let watcher = try start([Sandbox.binary, "watch"] + words.map { Path($0) }, environment: environment)
    keep(watcher)
    return watcher
  }

  /// Runs a watcher until nothing is left to do.
  @discardableResult
  package func watchUntilEmpty() throws -> Sandbox.Run { try post("watch", "--until-empty") }

  /// The attempts that letters in a place of a mailbox have had, by their bodies.
  package func attempts(in place: String, of mailbox: String = "stock") -> [String: String] {
    var attempts = [String: String]()
    for (folder, name) in letters(in: "spool/mailboxes/\(mailbox)/\(place)") {
      guard let letter = try? read("\(folder)/\(name)"),
        let body = letter.firstRange(of: "\n\n")
      else { continue }
      let attempt = name.split(separator: ",").first { $0.hasPrefix("A=") }
      attempts[String(letter[body.upperBound...])] = attempt.map { String($0.dropFirst(2)) } ?? "none"
    }
    return attempts
  }

  /// The counts of new, cur, later, done, failed, their bags included.
  package func counts(_ mailbox: String = "stock") -> [Int] {
    ["new", "cur", "later", "done", "failed"].map { entries($0, of: mailbox).count }
  }

  /// The lines that handlers have written into a file of the sandbox.
  package func lines(of file: String) -> [String] {
    ((try? read(file)) ?? "").split(separator: "\n").map(String.init)
  }

  package func note(_ id: String, of mailbox: String = "stock") throws -> String {
    try read("spool/mailboxes/\(mailbox)/notes/\(id)")
  }

  /// The lines of post status that report trouble.
  package func troubles() throws -> [String] {
    try post("status").lines.filter { $0.hasPrefix("!") }
  }

  /// Whether a process is there and no zombie.
  package func isAlive(_ pid: String) -> Bool {
    guard let file = try? File(Path("/proc/\(pid)/stat"), .readFollowing),
      let bytes = try? file.readAll(limit: 4096)
    else { return false }
    let text = String(decoding: bytes, as: UTF8.self)
    return !text.isEmpty && !text.contains(") Z ")
  }

  /// Sends a signal to one process.
  package func signal(_ name: String, _ pid: String) throws {
    _ = try run(["kill", Path("-" + name), Path(pid)])
  }
}

extension Running {
  /// How many context switches the program has made, /proc/PID/status.
  package var switches: Int {
    guard let file = try? File(Path("/proc/\(pid)/status"), .readFollowing),
      let bytes = try? file.readAll(limit: 1 << 16)
    else { return -1 }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .filter { $0.contains("ctxt_switches") }
      .compactMap { Int($0.filter(\.isNumber)) }.reduce(0, +)
  }

  /// Waits until the program has slept for a while.
  /// - Returns: its number of context switches then; nil if it never came to rest.
  package func rest(for milliseconds: Int64 = 300) -> Int? {
    var last = -1
    var since = Clock.monotonic
    let hasRest = eventually {
      let now = switches
      if now != last { (last, since) = (now, Clock.monotonic) }
      return Clock.monotonic - since > milliseconds * 1_000_000
    }
    return hasRest ? last : nil
  }
}
