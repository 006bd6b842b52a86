// The end of a soak: all letters are settled, and the soak compares what was handled with what was accepted.

import Linux
import TestKit

extension Soak {
  /// Lets all commands end.
  func drain() throws {
    // The handlers of killed watchers may live on for a moment, and leases end.
    let isQuiet = try eventually(within: 60) {
      _ = try start(["sweep"]).wait()
      return Soak.steady.allSatisfy { box.names(in: "spool/mailboxes/\($0)/cur").isEmpty }
    }
    if !isQuiet { troubles.append("stuck: letters stay in somebody's hands") }
    for mailbox in Soak.steady + ["visitor"] where box.exists("spool/mailboxes/\(mailbox)") {
      try must("retry", mailbox, "ALL")
    }
    // One mailbox fails now and then, also for good.
    for _ in 1...100 {
      let left = ["new", "later", "failed"].flatMap { box.entries($0, of: "dispatch") + box.entries($0) }
      if left.isEmpty { break }
      _ = try start(["watch", "--until-empty"]).wait()
      try must("retry", "dispatch", "ALL")
    }
    for mailbox in ["invoice", "ledger"] {
      _ = try start(["read", mailbox, "--all", "--", "\(box.root)/handler.sh"]).wait()
    }
    try must("sweep")
  }

  /// What lies where nothing should.
  func stuck() -> [String] {
    let places =
      ["orders", "bills"].flatMap { topic in
        ["new", "tmp", "held", "corrupt"].map { "topics/\(topic)/\($0)" }
      }
      + Soak.steady.flatMap { mailbox in
        ["new", "tmp", "cur", "later", "failed", "corrupt"].map { "mailboxes/\(mailbox)/\($0)" }
      }
    let rooms = ["topics/orders", "topics/bills"] + Soak.steady.map { "mailboxes/\($0)" }
    return places.flatMap { place in box.letters(in: "spool/\(place)").map { "\($0.folder)/\($0.name)" } }
      + rooms.flatMap { box.emptyBags(of: "spool/\($0)") }
  }

  struct Result {
    var accepted = 0
    var handled = 0
    /// Letters that were handled more than once, by mailbox.
    var twice: [String: Int] = [:]
    var lost: [Copy] = []
    var half: [Copy] = []
    var strange: [String] = []
  }

  /// Compares what was accepted with what was handled.
  func compare() throws -> Result {
    var result = Result()
    var counts = [Copy: Int]()
    for copy in printed { counts[copy, default: 0] += 1 }
    for line in try box.read("handled").split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 3, let number = Int(words[1].dropFirst()),
        Int(words[2]) == Body.text(number).utf8.count
      else {
        result.strange.append("torn: \(line.prefix(100))")
        continue
      }
      counts[Copy(mailbox: String(words[0]), number: number), default: 0] += 1
    }
    result.handled = counts.values.reduce(0, +)
    for (copy, count) in counts where count > 1 { result.twice[copy.mailbox, default: 0] += 1 }
    for (copy, _) in counts where !accepted.contains(copy.number) && !unknown.contains(copy.number) {
      result.strange.append("\(copy) was never sent, or refused")
    }
    result.accepted = accepted.count
    for number in accepted {
      for mailbox in Soak.steady where counts[Copy(mailbox: mailbox, number: number)] == nil {
        result.lost.append(Copy(mailbox: mailbox, number: number))
      }
    }
    for number in unknown {
      let without = Soak.steady.map { Copy(mailbox: $0, number: number) }.filter { counts[$0] == nil }
      if (1..<Soak.steady.count).contains(without.count) { result.half += without }
      if without.isEmpty { result.accepted += 1 }
    }
    return result
  }
}
