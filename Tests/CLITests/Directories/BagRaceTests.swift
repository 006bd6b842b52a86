// Senders, readers, watchers and sealers all at once, on directories that fill up again and again, with kills.

import Glibc
import Linux
import TestKit
import Testing

/// What happens, and what was accepted and handled, recorded outside of the spool.
private final class Rush {
  let box: Sandbox
  private var dice = Seeded(UInt64(Host.random))
  private let letters: Int
  private var next = 1
  private var workers: [Worker] = []
  private(set) var accepted: Set<Int> = []
  /// Their sender was killed before it could report them.
  private(set) var unknown: Set<Int> = []
  private(set) var printed: [Int] = []
  private(set) var kills = (senders: 0, holders: 0, sealers: 0)
  private(set) var bagsSeen: Set<String> = []
  private(set) var troubles: [String] = []

  private final class Worker {
    let start: () throws -> Running
    let end: (Sandbox.Run) -> Void
    /// It is killed in one of so many cases.
    let mortality: Int
    /// It is killed within so many milliseconds from its start.
    let lifetime: Int
    let kill: () -> Void
    /// Whether it may be started now.
    var isDue: () -> Bool = { true }
    var running: Running?
    var killAt: Int64?

    init(
      mortality: Int, lifetime: Int = 25, start: @escaping () throws -> Running,
      end: @escaping (Sandbox.Run) -> Void,
      kill: @escaping () -> Void
    ) {
      (self.mortality, self.lifetime, self.start, self.end, self.kill) = (
        mortality, lifetime, start, end, kill
      )
    }
  }

  static let rooms = ["mailboxes/stock", "mailboxes/invoice", "topics/orders"]
  private static let places = [
    "mailboxes/invoice/new", "mailboxes/stock/new", "mailboxes/stock/later", "mailboxes/stock/done",
    "mailboxes/invoice/done", "topics/orders/cur", "topics/orders/new",
  ]

  init(letters: Int) throws {
    self.letters = letters
    box = try Sandbox()
    try box.open("stock", "invoice")
    // Now and then it fails, and the letter waits in later/.
    try box.write(
      "handler.sh",
      "#!/bin/sh\nread -r body; test $(($$ % 16)) != 0 || exit 75\necho \"$body\" >> \"$POST_SPOOL/../handled\"\n"
    )
    try box.must(
      "subscribe", "stock", "orders", "--retry", "1ms..50ms", "--tries", "100", "--parallel", "2", "--",
      "\(box.root)/handler.sh")
    try box.write("handled", "")
  }

  func run() throws {
    for _ in 1...3 { hireSender() }
    for words in [["read", "invoice", "--all"], ["read", "invoice", "-n", "5"]] {
      hire(mortality: 6, words) { ended in
        self.printed += ended.text.split(separator: ";").compactMap { Int($0) }
      } kill: {
        self.kills.holders += 1
      }
    }
    // So that letters wait while their directory is sealed.
    for reader in workers.suffix(2) {
      reader.isDue = { self.box.names(in: "spool/mailboxes/invoice/new").count > 40 || self.dice.oneIn(50) }
    }
    hire(mortality: 1, lifetime: 1500, ["watch"]) { _ in
    } kill: {
      self.kills.holders += 1
    }
    hire(mortality: 4, ["sweep"]) { _ in
    } kill: {
      self.kills.sealers += 1
    }
    let deadline = Clock.monotonic + 300_000_000_000
    while next <= letters {
      guard Clock.monotonic < deadline else { throw Failure("only \(next) letters in five minutes") }
      if dice.oneIn(4) { try? box.swell("spool/\(dice.pick(Rush.places))") }
      for room in Rush.rooms { bagsSeen.formUnion(box.bags(of: "spool/\(room)")) }
      try tend()
      _ = try waitReadable([], atMost: 2_000_000)
    }
    for worker in workers {
      guard let running = worker.running.take() else { continue }
      running.kill(.kill)
      worker.kill()
      worker.end(try running.wait())
    }
  }

  private func hireSender() {
    var numbers = [Int]()
    workers.append(
      Worker(mortality: 5) {
        numbers = Array(self.next..<self.next + self.dice.number(1...25))
        self.next += numbers.count
        let input = numbers.map { "\($0);\n" }.joined()
        return try self.box.start(
          [Sandbox.binary, "send", "orders", "--lines", "--id"], input: Array(input.utf8))
      } end: { ended in
        self.allow(ended, "send")
        for (index, number) in numbers.enumerated() {
          if index < ended.lines.count { self.accepted.insert(number) } else { self.unknown.insert(number) }
        }
        if ended.code == 0, ended.lines.count != numbers.count { self.troubles.append("send was silent") }
      } kill: {
        self.kills.senders += 1
      })
  }

  private func hire(
    mortality: Int, lifetime: Int = 25, _ words: [String], end: @escaping (Sandbox.Run) -> Void,
    kill: @escaping () -> Void
  ) {
    workers.append(
      Worker(mortality: mortality, lifetime: lifetime) {
        try self.box.start([Sandbox.binary] + words.map { Path($0) })
      } end: { ended in
        self.allow(ended, "\(words)")
        end(ended)
      } kill: {
        kill()
      })
  }

  private func allow(_ ended: Sandbox.Run, _ what: String) {
    if ![0, 1, 137].contains(ended.code) {
      troubles.append("\(what) ended with \(ended.code): \(ended.errors.prefix(300))")
    }
    if what.contains("\"sweep\"") || what == "send", ended.errors != "" {
      troubles.append("\(what) says \(ended.errors.prefix(300))")
    }
  }

  private func tend() throws {
    for worker in workers {
      let now = Clock.monotonic
      if let running = worker.running {
        if let time = worker.killAt, time <= now {
          worker.killAt = nil
          if !running.hasEnded {
            Glibc.kill(running.pid, SIGKILL)  // this process alone: its handlers live on
            worker.kill()
          }
        }
        if running.hasEnded {
          worker.running = nil
          worker.end(try running.wait())
        }
      } else if worker.isDue() {
        worker.running = try worker.start()
        let life = Int64(dice.number(0...worker.lifetime * 1000)) * 1000
        worker.killAt = dice.oneIn(worker.mortality) ? now + life : nil
      }
    }
  }

  /// Everything is read and handled.
  func drain() throws -> Bool {
    try eventually(within: 120) {
      try box.must("sweep")
      _ = try box.startPost("watch", "--until-empty").wait(atMost: 120)
      printed += try box.post("read", "invoice", "--all").text.split(separator: ";").compactMap { Int($0) }
      return ["stock", "invoice"].allSatisfy { mailbox in
        ["new", "cur", "later"].allSatisfy { box.entries($0, of: mailbox).isEmpty }
      }
    }
  }

  /// How often each letter was handled.
  func counts() throws -> (stock: [Int: Int], invoice: [Int: Int]) {
    func count(_ numbers: [Int]) -> [Int: Int] { Dictionary(numbers.map { ($0, 1) }, uniquingKeysWith: +) }
    let handled = try box.read("handled").split(whereSeparator: { $0 == ";" || $0.isNewline }).compactMap {
      Int($0)
    }
    return (count(handled), count(printed))
  }
}

@Suite(.needsSwelling) struct BagRaceTests {
  private static let letters = Host.environment("POST_RUSH").flatMap { Int($0.description) } ?? 3000

  @Test func whileAllIsSealedNothingIsLostAndLittleComesTwice() throws {
    let rush = try Rush(letters: BagRaceTests.letters)
    try rush.run()
    let box = rush.box
    #expect(try rush.drain(), "letters stay behind")
    let counts = try rush.counts()
    var (lost, half, twice) = (0, 0, 0)
    for number in rush.accepted.union(rush.unknown).sorted() {
      let both = [counts.stock[number] ?? 0, counts.invoice[number] ?? 0]
      if rush.accepted.contains(number), both.contains(0) { lost += 1 }
      if both.contains(0), both != [0, 0] { half += 1 }
      twice += both.reduce(0) { $0 + max(0, $1 - 1) }
    }
    let kinds = Dictionary(grouping: rush.bagsSeen) { Path($0).name.description.prefix { $0 != "." } }
    print(
      "bags, all at once: \(rush.accepted.count) letters accepted, killed \(rush.kills); lost \(lost), half delivered "
        + "\(half), twice \(twice); bags \(kinds.mapValues(\.count).sorted { $0.key < $1.key })")
    #expect(lost == 0 && half == 0)
    #expect(rush.troubles.isEmpty, "\(rush.troubles.prefix(10))")
    // A reader that is killed has a letter or two in hands.
    #expect(twice <= 2 * rush.kills.holders)
    #expect(rush.bagsSeen.count > 20)

    let check = try box.post("check")
    #expect(check.code == 0, "\(check.text.prefix(1000))")
    try box.must("sweep")
    for mailbox in ["stock", "invoice"] {
      for kind in ["new", "again", "later"] {
        #expect(box.bags(of: "spool/mailboxes/\(mailbox)", kind).isEmpty)
      }
    }
    for room in Rush.rooms { #expect(box.emptyBags(of: "spool/\(room)").isEmpty, "\(room)") }
    try box.write("spool/post.conf", "Keep: 0s\nKeep-Done: 0s\n")
    #expect(
      try eventually {
        try box.must("sweep")
        return Rush.rooms.allSatisfy { box.bags(of: "spool/\($0)").isEmpty }
      })
  }
}
