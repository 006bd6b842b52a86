// The simulation at rest: no command runs. The next ordinary commands finish what is left, and then all must
// be as it should.

import Linux
import TestKit

extension Simulation {
  /// Sees to it that all letters are settled, and compares the office with the model.
  func rest() throws {
    record("all come to rest")
    isGentle = true
    defer { isGentle = false }
    while !drafts.isEmpty { try deliverForeign() }
    try runAlone(["sweep"])
    try expectNothingLeftOver()
    try lookWhoIsSubscribed()
    try checkFailures()

    // Leases and retries become due.
    let times = Simulation.mailboxes.flatMap { entries("cur", of: $0) + entries("later", of: $0) }
      .compactMap { $0.split(separator: ",L=").last.flatMap { Double($0) } }
    let last = Int64(times.max() ?? 0) + 1
    world.pass(max(last * 1_000_000_000 - world.wall, 0))
    record("time passes until no lease is left")
    try runAlone(["sweep"])
    for mailbox in Simulation.mailboxes { try runAlone(["retry", mailbox, "ALL"]) }
    try runAlone(["watch", "--until-empty"])
    for mailbox in Simulation.mailboxes where !Simulation.served.contains(mailbox) {
      try runAlone(["read", mailbox, "--all"])
    }
    try runAlone(["sweep"])
    try expectNothingLeftOver()
    for place in ["new", "cur", "later", "failed"] {
      for mailbox in Simulation.mailboxes where !entries(place, of: mailbox).isEmpty {
        throw Failure("stuck: \(mailbox)/\(place) has \(entries(place, of: mailbox))")
      }
    }
    var done = [String: [Int]]()
    for copy in try copies(in: "done") { done[copy.mailbox, default: []].append(copy.number) }
    try model.check(done: done, world.nextMoment())
    try forget()
  }

  private func runAlone(_ words: [String]) throws {
    let mailbox = words.count > 1 ? words[1] : ""
    try start(words) { _ in words[0] == "read" ? .read(mailbox) : words[0] == "watch" ? .handle : .chore }
    try drain()
  }

  private func expectNothingLeftOver() throws {
    for topic in Simulation.topics {
      let folder = "spool/topics/\(topic)"
      for place in ["new", "tmp", "held", "corrupt"] where !box.names(in: "\(folder)/\(place)").isEmpty {
        throw Failure("stuck: \(topic)/\(place) has \(box.names(in: "\(folder)/\(place)"))")
      }
      var marks = [String]()
      try Directory(box.root / folder / "subscribers").forEachEntry { name, _ in
        if name.first == UInt8(ascii: ".") { marks.append(Path(name).description) }
      }
      if !marks.isEmpty { throw Failure("stuck: \(topic)/subscribers has \(marks)") }
    }
    for mailbox in Simulation.mailboxes {
      for place in ["tmp", "corrupt"] where !entries(place, of: mailbox).isEmpty {
        throw Failure("stuck: \(mailbox)/\(place) has \(entries(place, of: mailbox))")
      }
      for name in entries("cur", of: mailbox) + entries("later", of: mailbox) {
        let until = name.split(separator: ",L=").last.flatMap { Double($0) } ?? 0
        if until < Double(world.wall / 1_000_000_000) {
          throw Failure("stuck: \(mailbox) has \(name) in hands")
        }
      }
    }
  }

  private func lookWhoIsSubscribed() throws {
    let moment = world.nextMoment()
    for pair in model.pairs {
      let link = "spool/topics/\(pair.topic)/subscribers/\(pair.mailbox)"
      try pair.found(isSubscribed: try Directory(box.root).exists(Path(link)), moment)
    }
  }

  /// What is in failed/ was failed by a command or handler, or is out of tries.
  private func checkFailures() throws {
    for mailbox in Simulation.mailboxes {
      for (folder, name) in box.letters(in: "spool/mailboxes/\(mailbox)/failed") {
        let file = try box.read("\(folder)/\(name)")
        let copy = Copy(mailbox: mailbox, number: try Body.number(ofLetter: Array(file.utf8)))
        let attempt = Int(name.split(separator: ",A=").last ?? "") ?? 0
        guard failures.contains(copy) || attempt >= Simulation.tries[mailbox] ?? 20 else {
          throw Failure("\(copy) failed for no reason: \(name)")
        }
      }
    }
  }

  /// All letters are settled, and have expired.
  private func forget() throws {
    let folders =
      Simulation.topics.map { "topics/\($0)/cur" }
      + Simulation.mailboxes.flatMap { ["mailboxes/\($0)/done", "mailboxes/\($0)/notes"] }
    for place in folders {
      for (folder, name) in box.letters(in: "spool/\(place)") {
        try Directory(box.root / folder).remove(Path(name))
      }
    }
    model.forget()
    leases = []
    failures = []
  }
}
