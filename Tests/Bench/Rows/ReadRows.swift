// Reading: one letter by one process, a loop until nothing is left, and all at once.

import Linux
import TestKit

enum ReadRows {
  static let all = [one, loop, drain]

  /// Letters for all runs of a program that reads one, and its warm-ups.
  static func enough(_ yard: Yard) -> Int { yard.scale.runs + 10 }

  private static let one = Row(
    "read", [Figure("", .milliseconds)], note: "RUNS processes, fewer than RUNS + 10 waiting; fsync each",
    peers: [
      Peer("floor, C, the fewest calls", "fsync each") { yard in
        let box = try yard.spool(waiting: enough(yard))
        return [try yard.runs(of: [try yard.program("floor"), box.spool, "read", "stock"], in: box)]
      },
      Peer("redis-cli XREADGROUP NOACK", Redis.durability) { yard in
        let box = try Sandbox()
        return try Redis.serving(yard, in: box) { client in
          try Redis.add(enough(yard), yard, in: box, client)
          try yard.must(client + ["XGROUP", "CREATE", "orders", "stock", "0"], in: box)
          let words: [Path] = [
            "XREADGROUP", "GROUP", "stock", "me", "COUNT", "1", "NOACK", "STREAMS", "orders", ">",
          ]
          return [try yard.runs(of: client + words, in: box)]
        }
      },
      Peer("sqlite3 DELETE RETURNING", "WAL, synchronous FULL: fsync each") { yard in
        let box = try Sandbox()
        let words = try SQLite.words(yard, in: box)
        let letters = (1...enough(yard)).map { "('letter \($0)')" }.joined(separator: ",")
        try yard.must(words + [Path("INSERT INTO letters (body) VALUES \(letters);")], in: box)
        let oldest = "(SELECT min(id) FROM letters)"
        let take = SQLite.durable + "DELETE FROM letters WHERE id = \(oldest) RETURNING body;"
        return [try yard.runs(of: words + [Path(take)], in: box)]
      },
      Peer("python3-dirq lock, get, remove", "no fsync") { yard in
        let box = try Sandbox()
        let add = "for n in range(\(enough(yard))): queue.add('letter')"
        try yard.must(try Dirq.words(yard, in: box, add), in: box)
        return [try yard.runs(of: try Dirq.words(yard, in: box, "name = queue.first()\n" + takeOne), in: box)]
      },
    ]
  ) { yard in
    let box = try yard.spool(waiting: enough(yard))
    return [try yard.runs(of: [Sandbox.binary, "read", "stock"], in: box)]
  }

  private static let takeOne = """
    if not queue.lock(name): sys.exit(1)
    sys.stdout.write(queue.get(name).decode()); queue.remove(name)
    """

  private static let loop = Row(
    "while post read", [Figure("", .perSecond)], rounds: 3, note: "LETTERS, until none is left; fsync each",
    peers: [
      Peer("the same with LETTERS / 10", "fsync each", goal: 0.9) { yard in
        [try rate(yard, letters: max(1, yard.scale.letters / 10))]
      },
      Peer("while the floor's read", "fsync each") { yard in
        [try rate(yard, letters: yard.scale.letters, "\(try yard.program("floor")) spool read stock")]
      },
    ]
  ) { yard in [try rate(yard, letters: yard.scale.letters)] }

  /// Letters a second of a loop that reads one after the other until there are none.
  private static func rate(_ yard: Yard, letters: Int, _ read: String? = nil) throws -> Double {
    let box = try yard.spool(waiting: letters)
    let loop = "while \(read ?? "\(Sandbox.binary) read stock") > /dev/null; do :; done"
    let seconds = try yard.time { try yard.must(["/bin/sh", "-c", Path(loop)], in: box) }
    return try counted(yard, letters, in: box) / seconds
  }

  private static func counted(_ yard: Yard, _ letters: Int, in box: Sandbox) throws -> Double {
    let left = try yard.count("new", in: box)
    guard left == 0 else { throw Failure("of \(letters) letters, \(left) are left") }
    return Double(letters)
  }

  private static let drain = Row(
    "read --all", [Figure("", .perSecond)], rounds: 3, note: "10 x LETTERS; fsync once",
    peers: [
      Peer("floor, C, the fewest calls", "fsync once") { yard in
        try drained(yard, [try yard.program("floor"), "spool", "all", "stock"])
      },
      Peer("sh: for f in new/*; cat, mv", "no fsync") { yard in
        let loop = "cd spool/mailboxes/stock; for f in new/*; do cat $f && mv $f done/; done"
        return try drained(yard, ["/bin/sh", "-c", Path(loop)], letters: yard.scale.letters)
      },
      Peer("python3-dirq, one process", "no fsync") { yard in
        let box = try Sandbox()
        let count = yard.scale.manyLetters
        let add = "for n in range(\(count)): queue.add('letter')"
        try yard.must(try Dirq.words(yard, in: box, add), in: box)
        let take = "for name in queue:\n" + takeOne.split(separator: "\n").map { "  \($0)\n" }.joined()
        let words = try Dirq.words(yard, in: box, take)
        return [Double(count) / (try yard.time { try yard.must(words, in: box) })]
      },
    ]
  ) { yard in try drained(yard, [Sandbox.binary, "read", "stock", "--all"]) }

  private static func drained(_ yard: Yard, _ words: [Path], letters: Int? = nil) throws -> [Double] {
    let letters = letters ?? yard.scale.manyLetters
    let box = try yard.spool(waiting: letters)
    let seconds = try yard.time { try yard.must(words, in: box) }
    return [try counted(yard, letters, in: box) / seconds]
  }
}
