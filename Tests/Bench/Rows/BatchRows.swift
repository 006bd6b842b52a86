// Many letters by one process.

import Linux
import TestKit

enum BatchRows {
  static let all = [lines]

  private static let lines = Row(
    "send --lines to 3 mailboxes", [Figure("", .perSecond)], rounds: 3,
    note: "LINES letters; fsync each group",
    peers: [
      Peer("floor, C, groups of 512", "fsync each group", goal: 0.7) { yard in
        let box = try SendRows.box(yard, on: nil)
        return [try rate(yard, [try yard.program("floor"), box.spool, "lines", "orders", "512"], in: box)]
      },
      Peer("post send, a process each", "fsync each", goal: 10) { yard in
        let box = try SendRows.box(yard, on: nil)
        return [1e3 / (try yard.runs(of: [Sandbox.binary, "send", "orders"], in: box, input: SendRows.body))]
      },
      Peer("redis-cli --pipe, XADD", "appendfsync always: fsync each group") { yard in
        let box = try Sandbox()
        return try Redis.serving(yard, in: box) { client in
          let count = yard.scale.lines
          return [Double(count) / (try yard.time { try Redis.add(count, yard, in: box, client) })]
        }
      },
      Peer("mosquitto_pub -l -q 1, 3 sessions", Mosquitto.durability) { yard in
        let box = try Sandbox()
        return try Mosquitto.serving(yard, in: box, subscribers: 3) { [try rate(yard, $0 + ["-l"], in: box)] }
      },
      Peer("sqlite3, transactions of 512", "WAL, FULL: fsync each") { yard in
        let box = try Sandbox()
        let words = try SQLite.words(yard, in: box)
        let script = inserts(yard.scale.lines)
        return [Double(yard.scale.lines) / (try yard.time { try yard.must(words, in: box, input: script) })]
      },
      Peer("beanstalkd, client in C, LINES / 10", Beanstalk.durability) { yard in
        let box = try Sandbox()
        return try Beanstalk.serving(yard, in: box) {
          [try rate(yard, $0, count: max(1, yard.scale.lines / 10), in: box)]
        }
      },
      Peer("python3-dirq, one process", "no fsync") { yard in
        let box = try Sandbox()
        return [try rate(yard, try Dirq.words(yard, in: box, addLines), in: box)]
      },
    ]
  ) { yard in
    let box = try SendRows.box(yard, on: nil)
    return [try rate(yard, [Sandbox.binary, "send", "orders", "--lines"], in: box)]
  }

  private static let addLines = "for line in sys.stdin: queue.add(line)"

  /// Letters a second of a program that is given lines.
  private static func rate(_ yard: Yard, _ words: [Path], count: Int? = nil, in box: Sandbox) throws -> Double
  {
    let count = count ?? yard.scale.lines
    let input = Array((1...count).map { "letter \($0)\n" }.joined().utf8)
    return Double(count) / (try yard.time { try yard.must(words, in: box, input: input) })
  }

  private static func inserts(_ count: Int) -> [UInt8] {
    let transactions = stride(from: 1, through: count, by: 512).map { first in
      let letters = (first..<min(first + 512, count + 1)).map { number in
        "INSERT INTO letters (body) VALUES ('letter \(number)');\n"
      }
      return "BEGIN;\n" + letters.joined() + "COMMIT;\n"
    }
    return Array((SQLite.durable + transactions.joined()).utf8)
  }
}
