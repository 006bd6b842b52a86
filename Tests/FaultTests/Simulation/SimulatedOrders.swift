// What the simulation makes happen, and how it judges the way each thing ended.

import Glibc
import Linux
import TestKit

extension Simulation {
  private enum Order {
    case send, lines, subscribe, unsubscribe, read, lease, settle, command, watch, chore, retry
  }

  func startSomething() throws {
    let mailbox = world.dice.pick(Simulation.mailboxes)
    let topic = world.dice.pick(Simulation.topics)
    let open = leases.filter { !$0.isSettled }
    switch world.dice.pick([
      (22, Order.send), (10, .lines), (6, .subscribe), (5, .unsubscribe), (11, .read), (10, .lease),
      (open.isEmpty ? 0 : 12, .settle), (8, .command), (9, .watch), (9, .chore), (4, .retry),
    ]) {
    case .send:
      let numbers = newLetters(1, topic)
      try start(["send", topic, "--id", "-m", Body.text(numbers[0])]) { _ in .send(numbers) }
    case .lines:
      let numbers = newLetters(world.dice.number(2...6), topic)
      let input = numbers.map { Body.text($0) }.joined(separator: "\n")
      try start(["send", topic, "--id", "--lines"], input: input) { _ in .send(numbers) }
    case .subscribe:
      let isBoth = world.dice.oneIn(4)
      try startSubscribe(
        mailbox, isBoth ? Simulation.topics : [topic], from: world.dice.pick(["start", "start", "now"]))
    case .unsubscribe:
      // These come and go; the others stay, so that the simulation can be sure of them.
      guard mailbox == "audit" || (mailbox == "invoice" && topic == "bills"),
        let pair = model.pairs.first(where: { $0.mailbox == mailbox && $0.topic == topic })
      else { return }
      try start(["unsubscribe", mailbox, topic]) { moment in
        .unsubscribe(pair, order: pair.begin(subscribing: false, fromStart: false, moment))
      }
    case .read:
      let how = world.dice.pick([[], ["--all"], ["-n", "2"], ["--wait=3s"], ["--format", "body"]])
      try start(["read", mailbox] + how) { _ in .read(mailbox) }
    case .lease:
      let time = world.dice.pick(["1s", "30s", "10m", "1h"])
      try start(["read", mailbox, "--lease", time, "-n", world.dice.pick(["1", "2"])]) { _ in .lease(mailbox)
      }
    case .settle: try startSettling(world.dice.pick(open))
    case .command:
      let how = world.dice.pick([[], ["--all"], ["-n", "3"], ["--wait=5s"]])
      try start(["read", mailbox] + how + ["--", "\(box.root)/handler.sh"]) { _ in .handle }
    case .watch: try start(["watch", "--until-empty"]) { _ in .handle }
    case .chore:
      try start(
        world.dice.pick([["sweep"], ["sweep"], ["status"], ["list"], ["list", mailbox], ["list", topic]])
      ) {
        _ in .chore
      }
    case .retry:
      let waiting = entries("later", of: mailbox)
      let which = waiting.isEmpty || world.dice.oneIn(2) ? "ALL" : Simulation.id(of: world.dice.pick(waiting))
      try start(["retry", mailbox, which]) { _ in .chore }
    }
  }

  private func newLetters(_ count: Int, _ topic: String) -> [Int] {
    (0..<count).map { _ in
      lastNumber += 1
      model.letters[lastNumber] = SentLetter(number: lastNumber, topic: topic, begun: world.moment)
      return lastNumber
    }
  }

  func startSubscribe(_ mailbox: String, _ topics: [String], from: String) throws {
    let pairs = model.pairs.filter { $0.mailbox == mailbox && topics.contains($0.topic) }
    try start(["subscribe", mailbox] + topics.sorted() + ["--from", from]) { moment in
      .subscribe(
        pairs.map { ($0, order: $0.begin(subscribing: true, fromStart: from == "start", moment)) })
    }
  }

  private func startSettling(_ lease: Lease) throws {
    let verb = world.dice.pick(["done", "done", "done", "fail", "release"])
    if verb == "done" { try model.complete(lease.copy) }
    if verb == "fail" { failures.insert(lease.copy) }
    lease.isSettled = true
    try start([verb, lease.copy.mailbox, lease.id]) { _ in .settle(lease, verb: verb) }
  }

  /// Another program delivers a letter: it writes in tmp/, and renames to new/ when it is done.
  func deliverForeign() throws {
    if let draft = drafts.popLast() {
      let folder = try Directory(box.spool / "topics" / draft.topic)
      let isTaken = try folder.exists(Path("new/" + draft.name))
      // As Maildir demands, no name is taken twice at a time; but a name may come again.
      let name = isTaken ? "\(draft.number).foreign" : draft.name
      record("a foreign program delivers letter \(draft.number) as \(name)")
      let moment = world.nextMoment()
      try folder.rename(Path("tmp/" + draft.name), to: folder, Path("new/" + name))
      model.letters[draft.number] = SentLetter(
        number: draft.number, topic: draft.topic, begun: moment, acceptance: .accepted)
      return
    }
    lastNumber += 1
    let number = lastNumber
    let topic = world.dice.pick(Simulation.topics)
    let name = world.dice.oneIn(3) ? world.dice.pick(["order.json", "order", "x,A=1"]) : "\(number).foreign"
    let header = world.dice.oneIn(2) ? "Subject: foreign\nX-Number: \(number)\n\n" : ""
    try box.write("spool/topics/\(topic)/tmp/\(name)", header + Body.text(number))
    // A draft's age is that of its last change, by the wall clock of this world.
    let now = timespec(tv_sec: Int(world.wall / 1_000_000_000), tv_nsec: 0)
    utimensat(AT_FDCWD, "\(box.spool)/topics/\(topic)/tmp/\(name)", [now, now], 0)
    drafts.append((topic, name, number))
    record("a foreign program writes letter \(number)")
  }

  // MARK: The results

  /// Reads what a command has printed since the last time.
  func takeOutput(of job: Job) throws {
    let output = job.command.traced.outputSoFar
    let fresh = output.utf8.dropFirst(job.taken)
    switch job.role {
    case .read(let mailbox):
      for number in try Body.numbers(Substring(fresh)) {
        let copy = Copy(mailbox: mailbox, number: number)
        record("\(job.name) prints \(copy)")
        try expectFree(copy)
        try model.complete(copy)
        job.completions.insert(copy)
      }
    case .lease(let mailbox):
      for id in Substring(fresh).split(separator: "\n") { try takeLease(String(id), mailbox, job) }
    default: return
    }
    job.taken = output.utf8.count
  }

  private func takeLease(_ id: String, _ mailbox: String, _ job: Job) throws {
    let mine = entries("cur", of: mailbox).first { Simulation.id(of: $0) == id && $0.contains(",L=") }
    guard let mine, let until = Int64(mine.split(separator: ",L=").last ?? "") else {
      // The lease was over before its holder could settle the letter; then the letter went its way.
      return record("\(job.name) prints \(id), which is leased no more")
    }
    let file = try box.read("spool/mailboxes/\(mailbox)/cur/\(mine)")
    let copy = Copy(mailbox: mailbox, number: try Body.number(ofLetter: Array(file.utf8)))
    let lease = Lease(copy, id: id, taken: job.begun, until: until * 1_000_000_000)
    // The command was slow: its own lease is over, and what it finds is another holder's.
    let isKnown = leases.contains { $0.id == id && $0.copy == copy && $0.until == lease.until }
    if isKnown { return record("\(job.name) prints \(id), which is leased by another") }
    record("\(job.name) leases \(copy) until \(until)")
    if !lease.isOver(world) { try expectFree(copy) }
    leases.append(lease)
  }

  /// Draws the conclusions from a command's end.
  /// - Parameter code: nil: it was killed.
  func judge(_ job: Job, code: Int32?) throws {
    let moment = world.nextMoment()
    var allowed: Set<Int32> = [0]
    switch job.role {
    case .send(let numbers):
      let printed = job.command.traced.outputSoFar.split(separator: "\n").count
      if code == 0, printed != numbers.count { throw Failure("\(job.name) has printed \(printed) IDs") }
      for (index, number) in numbers.enumerated() {
        if index < printed {
          model.letters[number]?.acceptance = .accepted
          if !job.command.wasFaulted { model.letters[number]?.ended = moment }
        } else {
          // Letters are accepted in groups: killed, it may have accepted more than it came to print.
          model.letters[number]?.acceptance = code == nil ? .unknown : .refused
        }
      }
    case .subscribe(let orders):
      for (pair, order) in orders { pair.end(order, succeeded: code == 0, moment) }
      allowed = [0, 75]
    case .unsubscribe(let pair, let order):
      pair.end(order, succeeded: code == 0 || code == 66, moment)
      allowed = [0, 66]
    case .read, .lease: allowed = [0, 1]
    case .handle: allowed = [0, 1, 65, 75, 78, 127, 137]
    case .settle(let lease, let verb):
      allowed = [0, 66]
      let isOver = leases.contains { $0.copy == lease.copy && $0.isOver(world) }
      if code == 66, !isOver { throw Failure("\(job.name): its lease is in force") }
      if lease.isOver(world) { model.excuse(lease.copy, "a lease was over before it was settled") }
      if code == nil, verb == "done", try !copies(in: "done").contains(lease.copy) {
        model.excuse(lease.copy, "post done was killed")
      }
    case .chore: allowed = job.command.words[0] == "retry" ? [0, 66] : [0]
    }
    if let code, !allowed.contains(code), !job.command.wasFaulted {
      throw Failure("\(job.name) ended with \(code)")
    }
  }

  // MARK: What is there

  func entries(_ place: String, of mailbox: String) -> [String] {
    box.letters(in: "spool/mailboxes/\(mailbox)/\(place)").map(\.name)
  }

  /// The letters that are in one place of the mailboxes.
  func copies(in place: String) throws -> [Copy] {
    try Simulation.mailboxes.flatMap { mailbox in
      try box.letters(in: "spool/mailboxes/\(mailbox)/\(place)").map { folder, name in
        let file = try box.read("\(folder)/\(name)")
        return Copy(mailbox: mailbox, number: try Body.number(ofLetter: Array(file.utf8)))
      }
    }
  }

  /// The ID that a file name in a mailbox begins with.
  static func id(of entry: String) -> String {
    var name = entry[...]
    for mark in [",D=", ",L=", ",B=", ",A="] {
      if let place = name.ranges(of: mark).last { name = name[..<place.lowerBound] }
    }
    return String(name)
  }
}
