// The time from the moment in which `post send` is called to the first instruction of the handler:
// with nothing else to do, and with a slow neighbour that has a long queue.

import Linux
import TestKit

enum LatencyRows {
  static let all = [idle, fairness]

  private static let idle = Row(
    "latency, idle watcher", quantiles, rounds: 3,
    note: "from the send's start to the handler's first instruction",
    peers: [
      // The usual solution without post.
      Peer("mktemp, sync, mv; inotifywait -m | while read", "fsync each", goal: 2) { yard in
        try shellLoop(yard, send: SendRows.shellSend)
      },
      // The loop alone: it waits for the same send as the watcher.
      Peer("post send; inotifywait -m | while read", "fsync each") { yard in
        try shellLoop(yard, send: nil)
      },
    ]
  ) { yard in
    let box = try quickBox(yard, "idle") { _ in }
    let latencies = try serving(["quick"], in: box, yard) { try send(in: box, yard, to: $0) }
    return percentiles(latencies)
  }

  private static let quantiles = ["p50", "p95", "p99"].map { Figure($0, .milliseconds) }

  private static func percentiles(_ latencies: [Double]) -> [Double] {
    [50, 95, 99].map { percentile($0, latencies) }
  }

  private static let fairness = Row(
    "fairness",
    [
      Figure("p50", .milliseconds, goal: "< 50 ms"), Figure("p95", .milliseconds),
      Figure("max", .milliseconds, isWorst: true),
    ], rounds: 3,
    note: "beside one where 10 x LETTERS wait for sleep 1",
    peers: [
      Peer("the same mailbox alone") { yard in
        let box = try quickBox(yard, "idle") { _ in }
        return spread(try serving(["quick"], in: box, yard) { try send(in: box, yard, to: $0) })
      }
    ]
  ) { yard in
    let box = try quickBox(yard, "fairness") { box in
      try yard.post("subscribe", "slow", "backlog", in: box)
      let bodies = (1...yard.scale.manyLetters).map { "letter \($0)\n" }.joined()
      try yard.post("send", "backlog", "--lines", in: box, input: bodies)
    }
    try yard.configure("slow", ["Handler: sleep 1"], in: box)
    let latencies = try serving(["quick", "slow"], in: box, yard) { watcher in
      try yard.wait(for: watcher, in: box, lookingEvery: 10) {
        try yard.count("cur", of: "slow", in: box) > 0
      }
      return try send(in: box, yard, to: watcher)
    }
    return spread(latencies)
  }

  private static func spread(_ latencies: [Double]) -> [Double] {
    [percentile(50, latencies), percentile(95, latencies), percentile(100, latencies)]
  }

  /// A fresh spool with a mailbox `quick`, whose handler records when it began, and what else is prepared.
  private static func quickBox(
    _ yard: Yard, _ name: String, and prepare: (Sandbox) throws -> Void
  ) throws -> Sandbox {
    let box = try yard.spool(name) { box in
      try yard.post("subscribe", "quick", "news", in: box)
      try prepare(box)
    }
    try yard.configure("quick", ["Handler: \(try yard.program("stamp")) \(box.root)/stamps"], in: box)
    return box
  }

  /// Runs a watcher while `body` runs.
  private static func serving<Value>(
    _ mailboxes: [String], in box: Sandbox, _ yard: Yard, _ body: (Running) throws -> Value
  ) throws -> Value {
    let watcher = try box.start([Sandbox.binary, "watch"] + mailboxes.map { Path($0) })
    let value = try body(watcher)
    try yard.stop(watcher, in: box)
    return value
  }

  /// Sends letters, each when the one before has arrived.
  /// - Parameter words: what sends a letter; empty: `post send`.
  /// - Returns: the latency of each, milliseconds.
  private static func send(
    in box: Sandbox, _ yard: Yard, to watcher: Running, by words: [Path] = []
  ) throws -> [Double] {
    // The watcher must watch before the first letter comes, and the first letter is not like the others.
    try yard.pause(milliseconds: settling)
    return Array(
      try (0...yard.scale.sends).map { number in
        let start = Clock.wall
        if words.isEmpty {
          try yard.post("send", "news", in: box, input: "letter \(number)\n")
        } else {
          try yard.must(words, in: box)
        }
        var stamps = [Int64]()
        try yard.wait(for: watcher, in: box, lookingEvery: 2, atMost: patience) {
          stamps = ((try? box.read("stamps")) ?? "").split(separator: "\n").compactMap { Int64($0) }
          return stamps.count > number
        }
        try yard.pause(milliseconds: gap)
        return Double(stamps[number] - start) / 1e6
      }.dropFirst())
  }

  /// How long a watcher, or its substitute, gets to come to rest. Milliseconds.
  private static let settling: Int64 = 1000
  /// After this long the bench gives up on a letter. Seconds.
  private static let patience: Int64 = 60
  /// Between one letter's arrival and the next letter. Milliseconds.
  private static let gap: Int64 = 20

  /// The usual solution without `post watch`.
  /// - Parameter script: what sends a letter from the mailbox's folder; nil: `post send`.
  private static func shellLoop(_ yard: Yard, send script: String?) throws -> [Double] {
    let box = try quickBox(yard, "idle") { _ in }
    _ = try yard.tool("inotifywait", of: "inotify-tools")
    let loop = """
      cd spool/mailboxes/quick || exit
      inotifywait -m -q -e create -e moved_to --format %f new | while read -r name; do
        \(try yard.program("stamp")) ../../../stamps < "new/$name" && mv "new/$name" done/
      done
      """
    let watcher = try box.start(["/bin/bash", "-c", Path(loop)])
    try box.write("spool/mailboxes/quick/letter", "a letter\n")
    let words = script.map { ["/bin/sh", "-c", Path("cd spool/mailboxes/quick && " + $0)] }
    let latencies = try send(in: box, yard, to: watcher, by: words ?? [])
    watcher.kill(.kill)
    _ = try yard.end(of: watcher)
    return percentiles(latencies)
  }
}
