// The same with very many letters waiting: none of them may slow anything down. Preparing them takes long, so
// all rounds use one spool; what they add and take is small beside what waits.

import Linux
import TestKit

enum BacklogRows {
  static let all = Scale().backlogs.flatMap { [send($0), read($0), start($0)] }

  private static func box(_ yard: Yard, _ waiting: Int) throws -> Sandbox {
    try yard.kept("\(waiting)-waiting") { box in try yard.fill(box, letters: waiting) }
  }

  private static func send(_ waiting: Int) -> Row {
    let words: [Path] = [Sandbox.binary, "send", "orders"]
    return Row(
      "send, \(waiting) waiting", [Figure("", .milliseconds)], note: "1 mailbox; fsync each",
      peers: [
        Peer("the same, 10 waiting", "fsync each", goal: 0.77) { yard in
          let box = try yard.spool(waiting: 10)
          return [try yard.runs(of: words, in: box, input: SendRows.body)]
        },
        Peer("redis-cli XADD, as many waiting", Redis.durability) { yard in
          let box = try Sandbox()
          return try Redis.serving(yard, in: box) { client in
            try Redis.add(waiting, yard, in: box, client)
            let words: [Path] = ["XADD", "orders", "*", "body", Path(SendRows.body)]
            return [try yard.runs(of: client + words, in: box)]
          }
        },
      ]
    ) { yard in [try yard.runs(of: words, in: try box(yard, waiting), input: SendRows.body)] }
  }

  private static func read(_ waiting: Int) -> Row {
    let words: [Path] = [Sandbox.binary, "read", "stock"]
    return Row(
      "read, \(waiting) waiting", [Figure("", .milliseconds)], note: "fsync each",
      peers: [
        Peer("the same, fewer than RUNS + 10 waiting", "fsync each", goal: 0.67) { yard in
          [try yard.runs(of: words, in: try yard.spool(waiting: ReadRows.enough(yard)))]
        }
      ]
    ) { yard in [try yard.runs(of: words, in: try box(yard, waiting))] }
  }

  private static func start(_ waiting: Int) -> Row {
    Row(
      "watch starts, \(waiting) waiting",
      [
        Figure("first handler after", .milliseconds, goal: "50 ms"),
        Figure("peak memory", .mebibytes, goal: "24 MiB", isWorst: true),
      ], rounds: 3, note: "",
      peers: [Peer("the same, 10 waiting") { yard in try started(yard, in: try yard.spool(waiting: 10)) }]
    ) { yard in try started(yard, in: try box(yard, waiting)) }
  }

  /// How long a watcher has run when its memory is measured. Milliseconds.
  private static let working: Int64 = 1000

  /// - Returns: milliseconds from the start of a watcher to its first handler's first instruction; its memory, MiB.
  private static func started(_ yard: Yard, in box: Sandbox) throws -> [Double] {
    try yard.must(["rm", "-f", "stamps"], in: box)
    try yard.configure("stock", ["Handler: \(try yard.program("stamp")) \(box.root)/stamps"], in: box)
    let start = Clock.wall
    let watcher = try box.startPost("watch", "stock")
    defer { watcher.kill(.kill) }
    var first: Int64?
    try yard.wait(for: watcher, in: box, lookingEvery: 2, atMost: 60) {
      first = ((try? box.read("stamps")) ?? "").split(separator: "\n").first.flatMap { Int64($0) }
      return first != nil
    }
    try yard.pause(milliseconds: working)
    let memory = try MailboxRows.status("VmHWM", of: watcher)
    try yard.stop(watcher, in: box)
    return [Double((first ?? start) - start) / 1e6, Double(memory) / 1024]
  }
}
