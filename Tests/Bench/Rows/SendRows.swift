// One send by one process: what a shell script pays for each letter, on disk and in memory.

import Linux
import TestKit

enum SendRows {
  static let all = [row("send to 3 mailboxes", nil)] + inMemory + [careless]

  /// Without writes to a disk, the rest of the work shows.
  private static let inMemory: [Row] =
    (Sandbox.memory.flatMap(isTmpfs) ?? false) ? [row("send to 3 mailboxes, tmpfs", Sandbox.memory)] : []

  static let body = "a letter of some forty bytes, as they come\n"
  private static let mailboxes = ["stock", "invoice", "dispatch"]

  private static func isTmpfs(_ folder: Path) -> Bool {
    (try? Directory(folder).mountID().flatMap(Mount.numbered)?.type) == "tmpfs"
  }

  private static func row(_ name: String, _ base: Path?) -> Row {
    Row(
      name, [Figure("", .milliseconds)], note: "RUNS processes, one after the other; fsync each",
      peers: [
        Peer("floor, C, the fewest calls", "fsync each", goal: 0.74) { yard in
          try [floor(yard, try box(yard, on: base), [])]
        }
      ] + others(base)
    ) { yard in
      let box = try box(yard, on: base)
      return [try yard.runs(of: [Sandbox.binary, "send", "orders"], in: box, input: body)]
    }
  }

  /// The same without a promise against power cuts.
  private static let careless = Row(
    "send --durability none", [Figure("", .milliseconds)], note: "no fsync",
    peers: [
      Peer("floor, C, the fewest calls", "no fsync") { yard in
        try [floor(yard, try box(yard, on: nil), ["-s", "none"])]
      }
    ]
  ) { yard in
    let words: [Path] = [Sandbox.binary, "send", "--durability", "none", "orders"]
    return [try yard.runs(of: words, in: try box(yard, on: nil), input: body)]
  }

  /// A fresh spool with the shop's three mailboxes.
  static func box(_ yard: Yard, on base: Path?) throws -> Sandbox {
    try yard.spool("3-mailboxes", on: base) { box in
      for mailbox in mailboxes { try yard.post("subscribe", mailbox, "orders", in: box) }
    }
  }

  static func floor(_ yard: Yard, _ box: Sandbox, _ options: [Path], runs: Int? = nil) throws -> Double {
    let words = [try yard.program("floor")] + options + [box.spool, "send", "orders"]
    return try yard.runs(runs, of: words, in: box, input: body)
  }

  private static func others(_ base: Path?) -> [Peer] {
    [
      Peer("redis-cli XADD", Redis.durability, goal: 1.5) { yard in
        let box = try Sandbox(in: base)
        return try Redis.serving(yard, in: box) { client in
          [try yard.runs(of: client + ["XADD", "orders", "*", "body", Path(body)], in: box)]
        }
      },
      Peer("mosquitto_pub -q 1, 3 sessions", Mosquitto.durability) { yard in
        let box = try Sandbox(in: base)
        return try Mosquitto.serving(yard, in: box, subscribers: 3) { client in
          [try yard.runs(of: client + ["-m", Path(body)], in: box)]
        }
      },
      Peer("sqlite3 INSERT", "WAL, synchronous FULL: fsync each") { yard in
        let box = try Sandbox(in: base)
        let words = try SQLite.words(yard, in: box)
        return [try yard.runs(of: words + [Path(SQLite.insert(body))], in: box)]
      },
      Peer("beanstalkd, client in C", Beanstalk.durability) { yard in
        let box = try Sandbox(in: base)
        return try Beanstalk.serving(yard, in: box) { [try yard.runs(of: $0, in: box, input: body)] }
      },
      Peer("python3-dirq", "no fsync", goal: 6) { yard in
        let box = try Sandbox(in: base)
        return [try yard.runs(of: try Dirq.words(yard, in: box, Dirq.add), in: box, input: body)]
      },
      Peer("nq true", "no fsync") { yard in
        let box = try Sandbox(in: base)
        return [try yard.runs(of: [try yard.tool("nq", of: "nq"), "-q", "true"], in: box)]
      },
      Peer("sh: mktemp, cat, sync, mv, sync", "1 directory, fsync each", goal: 2.5) { yard in
        let box = try Sandbox(in: base)
        try yard.must(["mkdir", "tmp", "new"], in: box)
        try box.write("letter", body)
        return [try yard.loop(shellSend, in: box)]
      },
    ]
  }

  /// The usual way to write a file whole and durably.
  static let shellSend = """
    f=$(mktemp tmp/XXXXXXXXXX) && cat letter > "$f" && sync "$f" && mv "$f" new/ && sync new
    """
}

enum SQLite {
  /// A database with a table for letters, and the words of a shell for it.
  static func words(_ yard: Yard, in box: Sandbox) throws -> [Path] {
    let words = [try yard.tool("sqlite3", of: "sqlite3"), box.root / "letters.db"]
    let table = "CREATE TABLE letters (id INTEGER PRIMARY KEY, body TEXT);"
    try yard.must(words + [Path("PRAGMA journal_mode=WAL; \(table)")], in: box)
    return words
  }

  static let durable = "PRAGMA synchronous=FULL;\n"

  static func insert(_ body: String) -> String {
    durable + "INSERT INTO letters (body) VALUES ('\(body)');"
  }
}

enum Dirq {
  static let add = "queue.add(sys.stdin.read())"

  /// Python with a queue and a script that uses it; Debian's Python, for which the package is built.
  static func words(_ yard: Yard, in box: Sandbox, _ script: String) throws -> [Path] {
    let python = try yard.tool("python3", of: "python3-dirq")
    let head = """
      import sys
      from dirq.QueueSimple import QueueSimple
      queue = QueueSimple('\(box.root)/queue')

      """
    guard try yard.run([python, "-c", Path(head)], in: box).code == 0 else {
      throw Missing(package: "python3-dirq")
    }
    return [python, "-c", Path(head + script)]
  }
}
