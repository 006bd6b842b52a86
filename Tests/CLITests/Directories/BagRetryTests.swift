// Bags of later: letters to be tried again come back when they are due, and no command reads them all.

import Linux
import TestKit
import Testing

@Suite(.needsPtrace) struct BagRetryTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// Puts letters that failed once into a directory, each due so many seconds from now.
  private func fail(_ delays: [Int], in folder: String, now: Int64) throws {
    let path = box.spool / "mailboxes/stock" / folder
    if try !Directory(box.spool).exists(Path("mailboxes/stock/\(folder)")) {
      _ = try box.run(["mkdir", "-p", path])
    }
    let directory = try Directory(path)
    for (number, delay) in delays.enumerated() {
      let name = "1000000000.M\(1000 + number)R1P1Q1.host,A=1,L=\(now + Int64(delay))"
      try directory.open(Path(name), .create(permissions: 0o444)).write("\(number)")
    }
  }

  private func until(_ name: String) -> Int64? {
    name.split(separator: ",").first { $0.hasPrefix("L=") }.flatMap {
      Int64($0.dropFirst(2).prefix { $0 != "." })
    }
  }

  /// Sweeps with a clock that is off by so many seconds.
  private func sweep(at offset: Int64) throws {
    let sweep = try Traced(box, [Sandbox.binary, "sweep"], clockOffset: offset)
    #expect(try sweep.wait().code == 0)
  }

  /// Runs a reader with such a clock.
  /// - Returns: how many calls listed what is in `later` and its bags.
  private func look(at offset: Int64) throws -> Int {
    let reader = try Traced(box, [Sandbox.binary, "read", "stock", "--peek"], clockOffset: offset)
    var count = 0
    while let call = try reader.next() {
      guard call.name == "getdents64" else { continue }
      if "\(try reader.path(of: call.int(0)))".contains("later") { count += 1 }
    }
    #expect(try reader.wait().code == 0)
    return count
  }

  /// A letter moves a few times at most on its way, and a look that finds nothing due costs nothing.
  @Test func manyLettersComeBackInTimeAndAreNotAllListed() throws {
    let begun = Clock.wall / 1_000_000_000
    try box.script("echo 'Retry: 3h..3h' > spool/mailboxes/stock/mailbox.conf")
    // Every four seconds one, for two hours; a hundred are due.
    let delays = (0..<2000).map { $0 < 100 ? -10 : 600 + 4 * $0 }
    try fail(delays, in: "bags/later.1000000000", now: begun)
    _ = try look(at: 0)
    #expect(box.entries("new").count == 100)
    #expect(box.entries("later").count == 1900)
    #expect(box.bags(of: "spool/mailboxes/stock", "later").count < 40)
    // Nothing is due: the directory itself is listed, no bag.
    #expect(try look(at: 60) == 2)
    var listed = 0  // calls
    for offset in stride(from: Int64(600), through: 9000, by: 300) {
      listed += try look(at: offset)
      let now = Clock.wall / 1_000_000_000 + offset
      let late = box.entries("later").compactMap { until($0) }.filter { $0 < now - 2 }
      #expect(late.isEmpty, "at \(offset) \(late.count) are late")
      let early = box.entries("new").count - delays.count { begun + Int64($0) <= now + 2 }
      #expect(early <= 0, "at \(offset) \(early) are early")
    }
    #expect(box.entries("new").count == 2000)
    #expect(box.entries("later").isEmpty && box.bags(of: "spool/mailboxes/stock", "later").isEmpty)
    // Each look lists the directory itself, and the bags whose time has come: two calls each, and one where they are
    // found empty. A letter is in a handful of bags on its way.
    #expect(listed < 29 * 12, "\(listed) calls")
  }

  /// Bags of a distant time were filled before the clock was set back.
  @Test(.needsSwelling) func lettersInBagsWaitNoLongerWhenTheClockIsSetBack() throws {
    try box.script("echo 'Retry: 100s..100s' > spool/mailboxes/stock/mailbox.conf")
    let day: Int64 = 86_400
    let now = Clock.wall / 1_000_000_000
    try fail([50, 90], in: "later", now: now + day)
    try box.swell("spool/mailboxes/stock/later")
    try sweep(at: day)
    let bags = box.bags(of: "spool/mailboxes/stock", "later")
    #expect(bags.count == 1 && box.names(in: "spool/mailboxes/stock/later").isEmpty)
    try sweep(at: 0)
    let times = box.entries("later").compactMap { until($0) }
    #expect(
      times.count == 2 && times.allSatisfy { $0 <= Clock.wall / 1_000_000_000 + 101 }, "\(times), \(now)")
    try sweep(at: 110)
    #expect(box.entries("new").count == 2 && box.bagNames.isEmpty)
  }

  @Test(.needsSwelling) func aFullLaterIsSealedByWhoeverFails() throws {
    try box.script("echo 'Retry: 50s..50s' > spool/mailboxes/stock/mailbox.conf")
    try box.send(1...2)
    try box.swell("spool/mailboxes/stock/later")
    #expect(try box.post("read", "stock", "--", "false").code == 1)
    #expect(box.bags(of: "spool/mailboxes/stock", "later").count == 1)
    #expect(try box.must("read", "stock", "--all") == "2")
    try sweep(at: 120)
    #expect(box.bagNames.isEmpty)
    #expect(try box.readOne() == "1")
  }

  /// An ID finds its letter also there.
  @Test func aLetterInABagOfLaterCanBeRetriedAtOnce() throws {
    try fail(
      [500, 600], in: "bags/later.\(Clock.wall / 1_000_000_000 + 400)", now: Clock.wall / 1_000_000_000)
    #expect(try box.must("list", "stock").split(separator: "\n").count == 2)
    #expect(try box.post("check").code == 0)
    try box.must("retry", "stock", "1000000000.M1001")
    #expect(try box.readOne() == "1")
    try box.must("retry", "stock", "1000000000.M1000")
    #expect(try box.readOne() == "0")
    try sweep(at: 500)
    #expect(box.bagNames.isEmpty)
  }
}
