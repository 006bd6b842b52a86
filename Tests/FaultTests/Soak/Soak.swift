// A soak: all commands at once, in real time, with the real program, and kills every second. The soak records outside
// of the spool what was accepted and what was handled, and compares them at the end.

import Glibc
import Linux
import TestKit

final class Soak {
  let box: Sandbox
  private var dice = Seeded(UInt64(Host.random))
  private let seconds: Int
  private let begun = Clock.monotonic
  /// How long letters are kept: short, so that the spool comes to its usual size before half time.
  private let keep: Int

  private var workers: [Worker] = []
  private var nextNumber = 1
  /// The numbers of the letters that were accepted, for sure.
  private(set) var accepted: Set<Int> = []
  /// Those whose senders were killed.
  private(set) var unknown: Set<Int> = []
  private(set) var sendersKilled = 0
  private(set) var holdersKilled = 0
  var troubles: [String] = []
  /// What `post read` has printed.
  private(set) var printed: [Copy] = []
  private(set) var sizes: [(spool: Int, logs: Int)] = []

  /// Subscribed to both topics all the time.
  static let steady = ["dispatch", "invoice", "ledger", "stock"]

  /// More letters are sent only while no mailbox has more waiting: else the soak measures which side is slower.
  private static let backlog = 100
  private var hasBacklog = false

  /// Something that runs again and again.
  private final class Worker {
    let start: () throws -> Running
    /// What to make of its end; it was killed if the code is 137.
    let end: (Sandbox.Run) -> Void
    /// Seconds before it is started again.
    let rest: Double
    /// It holds letters: each second one of these is killed.
    let isHolder: Bool
    /// It is killed soon after it began, in one of so many cases; 0: never.
    let mortality: Int
    var isSender = false
    var running: Running?
    var dueAt: Int64 = 0
    var killAt: Int64?

    init(
      rest: Double, isHolder: Bool = false, mortality: Int = 0, _ start: @escaping () throws -> Running,
      end: @escaping (Sandbox.Run) -> Void
    ) {
      (self.rest, self.isHolder, self.mortality) = (rest, isHolder, mortality)
      (self.start, self.end) = (start, end)
    }
  }

  init(seconds: Int) throws {
    self.seconds = seconds
    keep = max(1, min(10, seconds / 4))
    box = try Sandbox()
    try box.write("handled", "")
    try box.write(
      "handler.sh",
      """
      #!/bin/sh
      read -r body
      # One mailbox has bad luck now and then, and for some letters no hope.
      if test "$POST_MAILBOX" = dispatch; then
        case $(($$ % 20)) in 0 | 1) exit 75 ;; 2) exit 65 ;; esac
      fi
      echo "$POST_MAILBOX ${body%%:*} ${#body}" >> "$RECORD"

      """)
    // Works like a cautious script: first the work, then the settlement.
    try box.write(
      "ledger.sh",
      """
      #!/bin/bash
      while :; do
        id=$(post read ledger --lease 5s) || { sleep 0.02; continue; }
        body=$(post show "$id" --format body) || continue
        echo "ledger ${body%%:*} ${#body}" >> "$RECORD"
        post done ledger "$id" 2> /dev/null
      done

      """)
    for mailbox in Soak.steady {
      try must("subscribe", mailbox, "orders", "bills", "--retry", "20ms..200ms", "--parallel", "2")
    }
    for mailbox in ["dispatch", "stock"] {
      try must("subscribe", mailbox, "orders", "--", "\(box.root)/handler.sh")
    }
    try box.write("spool/post.conf", "Keep: \(keep)s\nKeep-Done: \(keep)s\n")
  }

  func must(_ words: String...) throws {
    let ended = try start(words).wait()
    if ended.code != 0 { troubles.append("post \(words) ended with \(ended.code): \(ended.errors)") }
  }

  func start(_ words: [String], input: String = "") throws -> Running {
    try box.start(
      [Sandbox.binary] + words.map { Path($0) }, input: Array(input.utf8),
      environment: ["RECORD": "\(box.root)/handled"])
  }

  // MARK: Running

  func run() throws {
    hire()
    let end = begun + Int64(seconds) * 1_000_000_000
    var nextKill = begun + 1_000_000_000
    var round = 0
    while Clock.monotonic < end {
      if round % 32 == 0 {
        hasBacklog = Soak.steady.contains { box.entries("new", of: $0).count > Soak.backlog }
      }
      round += 1
      try tend()
      if !hasBacklog, dice.oneIn(8) { try deliverForeign() }
      if Clock.monotonic >= nextKill {
        nextKill += 1_000_000_000
        let holders = workers.filter { $0.isHolder && $0.running?.hasEnded == false }
        if !holders.isEmpty {
          kill(dice.pick(holders))
          holdersKilled += 1
        }
      }
      if sizes.isEmpty, Clock.monotonic > begun + Int64(seconds) * 500_000_000 { try measure() }
      _ = try waitReadable([], atMost: 5_000_000)
    }
    try measure()
    for worker in workers where worker.running != nil {
      kill(worker)
      try finish(worker)
    }
  }

  private func hire() {
    for topic in ["orders", "bills"] { workers.append(sender(topic, count: 1...1)) }
    workers.append(sender("orders", count: 2...12))
    for _ in 1...2 { holder { try self.start(["watch"]) } }
    holder(rest: 0.05) {
      try self.start(["read", "invoice", "--all", "--wait=1s", "--", "\(self.box.root)/handler.sh"])
    }
    holder {
      try self.box.start([self.box.root / "ledger.sh"], environment: ["RECORD": "\(self.box.root)/handled"])
    }
    workers.append(
      Worker(rest: 0.1, mortality: 8) {
        try self.start(["read", "visitor", "--all"])
      } end: { ended in
        do {
          self.printed += try Body.numbers(ended.text[...]).map { Copy(mailbox: "visitor", number: $0) }
        } catch { self.troubles.append("\(error)") }
        self.allow([0, 1, 66, 137], ended, "read visitor")
      })
    var isIn = false
    workers.append(
      Worker(rest: 0.4, mortality: 6) {
        isIn.toggle()
        return try self.start([isIn ? "subscribe" : "unsubscribe", "visitor", "orders"])
      } end: {
        self.allow([0, 66, 137], $0, "subscribe")
      })
    chore(["sweep"], rest: 0.7, mortality: 4)
    chore(["status"], rest: 0.5)
    chore(["list"], rest: 0.9)
    for mailbox in Soak.steady { chore(["list", mailbox], rest: 1.3) }
    chore(["retry", "dispatch", "ALL"], rest: 1.1, mortality: 4)
  }

  private func sender(_ topic: String, count: ClosedRange<Int>) -> Worker {
    var numbers = [Int]()
    let worker = Worker(rest: 0.02, mortality: 2) {
      numbers = (0..<self.dice.number(count)).map { self.nextNumber + $0 }
      self.nextNumber += numbers.count
      let bodies = numbers.map { Body.text($0) }
      if bodies.count == 1 { return try self.start(["send", topic, "--id"], input: bodies[0]) }
      return try self.start(["send", topic, "--id", "--lines"], input: bodies.joined(separator: "\n"))
    } end: { ended in
      self.allow([0, 137], ended, "send")
      for (index, number) in numbers.enumerated() {
        if index < ended.lines.count { self.accepted.insert(number) }
        // Letters are accepted in groups: killed, it may have accepted more than it came to print.
        if index >= ended.lines.count, ended.code == 137 { self.unknown.insert(number) }
      }
      if ended.code == 137 { self.sendersKilled += 1 }
      if ended.code == 0, ended.lines.count != numbers.count { self.troubles.append("send was silent") }
    }
    worker.isSender = true
    return worker
  }

  private func holder(rest: Double = 0, _ start: @escaping () throws -> Running) {
    workers.append(Worker(rest: rest, isHolder: true, start) { self.allow([0, 1, 75, 137], $0, "a holder") })
  }

  private func chore(_ words: [String], rest: Double, mortality: Int = 0) {
    workers.append(
      Worker(rest: rest, mortality: mortality) {
        try self.start(words)
      } end: { ended in
        self.allow(mortality > 0 ? [0, 137] : [0], ended, "\(words)")
      })
  }

  private func allow(_ codes: Set<Int32>, _ ended: Sandbox.Run, _ what: String) {
    if !codes.contains(ended.code) {
      troubles.append("\(what) ended with \(ended.code): \(ended.errors.prefix(200))")
    }
  }

  /// Starts what is due, reaps what has ended, kills what is due to be killed.
  private func tend() throws {
    for worker in workers {
      let now = Clock.monotonic
      if let running = worker.running {
        if let time = worker.killAt, time <= now { kill(worker) }
        if running.hasEnded { try finish(worker) }
      } else if worker.dueAt <= now, !(worker.isSender && hasBacklog) {
        worker.running = try worker.start()
        let isDoomed = worker.mortality > 0 && dice.oneIn(worker.mortality)
        worker.killAt = isDoomed ? now + Int64(dice.number(0...25_000)) * 1000 : nil
      }
    }
  }

  /// Only the program itself: its handlers live on.
  private func kill(_ worker: Worker) {
    worker.killAt = nil
    if let pid = worker.running?.pid { Glibc.kill(pid, SIGKILL) }
  }

  private func finish(_ worker: Worker) throws {
    guard let running = worker.running.take() else { return }
    worker.end(try running.wait())
    worker.dueAt = Clock.monotonic + Int64(worker.rest * 1e9)
  }

  private func deliverForeign() throws {
    let number = nextNumber
    nextNumber += 1
    let name = "\(number).foreign"
    let topic = dice.pick(["orders", "bills"])
    try box.write("spool/topics/\(topic)/tmp/\(name)", Body.text(number))
    let folder = try Directory(box.spool / "topics" / topic)
    try folder.rename(Path("tmp/" + name), to: folder, Path("new/" + name))
    accepted.insert(number)
  }

  /// Kilobytes: of the spool, and of the logs in it, which grow for a day.
  private func measure() throws {
    let text = try box.shell("du -sk --exclude=log spool; du -sck spool/mailboxes/*/log | tail -n 1").lines
    let numbers = text.compactMap { $0.split(separator: "\t").first.flatMap { Int($0) } }
    if numbers.count == 2 { sizes.append((numbers[0], numbers[1])) }
  }
}
