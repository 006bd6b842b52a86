// One letter to very many mailboxes, by one process.

import Linux
import TestKit

enum FanOutRows {
  static let all = [1, 10, 100, 1000].map(row)

  /// Fewer processes than elsewhere: each does more.
  private static func runs(_ mailboxes: Int, _ yard: Yard) -> Int {
    mailboxes >= 100 ? max(1, yard.scale.runs / 4) : yard.scale.runs
  }

  private static func row(_ mailboxes: Int) -> Row {
    let each = Figure("each beyond the first", .microseconds, goal: mailboxes == 1000 ? "15 us" : "")
    let unit = mailboxes == 1 ? "mailbox" : "mailboxes"
    return Row(
      "send to \(mailboxes) \(unit)", [Figure("", .milliseconds)] + (mailboxes == 1 ? [] : [each]), rounds: 3,
      note: "fsync each; from 17 on of the letter, or syncfs",
      peers: [
        Peer("floor, C, the fewest calls", "fsync each; from 17 on of the letter, or syncfs") { yard in
          try figures(mailboxes) { count in
            let box = try box(yard, count)
            return try SendRows.floor(yard, box, try floorsChoice(count, box), runs: runs(count, yard))
          }
        },
        Peer("mosquitto_pub -q 1, as many sessions", Mosquitto.durability) { yard in
          try figures(mailboxes) { count in
            let box = try Sandbox()
            return try Mosquitto.serving(yard, in: box, subscribers: count) { client in
              try yard.runs(runs(count, yard), of: client + ["-m", Path(SendRows.body)], in: box)
            }
          }
        },
      ]
    ) { yard in
      try figures(mailboxes) { count in
        let words: [Path] = [Sandbox.binary, "send", "orders"]
        return try yard.runs(runs(count, yard), of: words, in: try box(yard, count), input: SendRows.body)
      }
    }
  }

  /// What makes very many links durable at once: the letter's own fsync, where the file system has a journal.
  private static func floorsChoice(_ mailboxes: Int, _ box: Sandbox) throws -> [Path] {
    let mount = try Directory(box.spool).mountID().flatMap { Mount.numbered($0) }
    return mailboxes > 16 && mount?.commitsLinksWithFile == true ? ["-s", "letter"] : []
  }

  /// - Parameter send: how long a send to so many takes, milliseconds.
  private static func figures(_ mailboxes: Int, _ send: (Int) throws -> Double) throws -> [Double] {
    let all = try send(mailboxes)
    if mailboxes == 1 { return [all] }
    return [all, (all - (try send(1))) * 1e3 / Double(mailboxes - 1)]
  }

  /// Kept, because it takes longer to make than to use.
  private static func box(_ yard: Yard, _ mailboxes: Int) throws -> Sandbox {
    try yard.kept("\(mailboxes)-mailboxes") { box in
      for number in 1...mailboxes { try yard.post("subscribe", "box\(number)", "orders", in: box) }
    }
  }
}
