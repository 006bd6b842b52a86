import Glibc
import Linux
import TestKit
import Testing

/// Every system call of every command fails, with every error it can return, once and from then on. An exit
/// code of 0 must be true; any other comes with a message, and the letter is in all mailboxes or in none. `make test`
/// tries some.
@Suite(.needsPtrace) struct ErrorTests {
  /// How many faults of each scenario `make test` tries.
  private static let share = 10

  @Test(arguments: Scenario.chosen(for: .errors))
  func anErrorAtAnyCallLosesTearsAndHalvesNothing(scenario: Scenario) throws {
    let stage = try Stage(scenario)
    let seed = Seeded.anySeed
    var dice = Seeded(seed)
    let possible = try stage.calls().enumerated().flatMap { index, call in
      Fault.possible(for: call).map { (index: index, name: call.name, fault: $0) }
    }
    var (faults, survived) = (0, 0)
    for (index, name, fault) in dice.part(of: possible, atMost: ErrorTests.share) {
      try stage.reset()
      guard let ended = try run(stage, fault, at: index, name) else { continue }
      faults += 1
      if ended.code == scenario.success { survived += 1 }
      let place: Comment =
        "\(name), call \(index), \(fault); seed \(seed)\nexit \(ended.code): \(ended.errors)"
      try judge(stage, ended, index, place)
    }
    print(
      "errors, \(scenario.name): \(faults) of \(possible.count) faults, \(survived) of them survived; "
        + "\(stage.toll.words); seed \(seed)")
  }

  @Test(arguments: Scenario.chosen(for: .errors))
  func interruptionsAndShortTransfersChangeNothing(scenario: Scenario) throws {
    let stage = try Stage(scenario)
    try stage.reset()
    let traced = try stage.start()
    var interrupted = [String: Int]()
    let ended = try stage.finish(traced) { call in
      // Twice in a row; then the call may happen.
      if Fault.possible(for: call).contains(where: { $0.errno.code == EINTR }),
        interrupted[call.name, default: 0] < 2
      {
        interrupted[call.name, default: 0] += 1
        return Errno(EINTR)
      }
      interrupted[call.name] = 0
      // At most 1000 bytes, and never all of them.
      if Fault.partial.contains(call.name), call.arguments[2] > 1,
        try !"\(traced.path(of: call.int(0)))".hasPrefix("anon_inode")  // an event comes whole or not at all
      {
        try traced.change(argument: 2, to: min(1000, call.arguments[2] / 2))
      }
      return nil
    }
    // The command reports a handler that fails.
    let isSilent = !ended.errors.contains("cannot")
    #expect(ended.code == scenario.success && isSilent, "exit \(ended.code): \(ended.errors)")
    try judge(stage, ended, 0, "interrupted")
  }

  /// The second fsync(2) of a file succeeds and proves nothing.
  @Test(arguments: [1, Int.max])
  func aForeignLetterThatCannotBeMadeDurableIsWrittenAnewOrStays(failures: Int) throws {
    let box = try Sandbox(in: Sandbox.memory)
    try box.open("stock")
    try box.script("cd spool/topics/orders; printf 'Subject: s\\n\\nbody' > tmp/f; mv tmp/f new/")
    let inode = try box.script("stat -c %i spool/topics/orders/new/f")
    let traced = try Traced(box, [Sandbox.binary, "sweep"])
    var count = 0
    while let call = try traced.next() {
      guard call.name == "fsync", count < failures else { continue }
      let path = "\(try traced.path(of: call.int(0)))"
      guard path.hasSuffix("/f") || path.contains("/tmp/1") else { continue }  // the letter, and its copy
      count += 1
      try traced.fail(.io)
    }
    let ended = try traced.wait()
    #expect(ended.errors.contains("cannot sort") == (failures > 1))
    #expect(box.topicEntries("tmp").isEmpty)
    if failures > 1 {
      #expect(box.topicEntries("new") == ["f"])
      #expect(box.entries("new").isEmpty)
    } else {
      #expect(try box.script("stat -c %i spool/mailboxes/stock/new/*") != inode)
      #expect(try box.must("read", "stock") == "body")
    }
  }

  /// - Returns: nil if the call was another one this time: a watcher's ways depend on when handlers end.
  private func run(_ stage: Stage, _ fault: Fault, at number: Int, _ name: String) throws -> Sandbox.Run? {
    let traced = try stage.start()
    for _ in 0..<number { _ = try stage.next(traced) }
    guard let call = try stage.next(traced), call.name == name, try !traced.readsPipe(call) else {
      // Its handler must not work on in the next run's office.
      traced.kill()
      _ = try traced.wait()
      stage.waitForHandlers()
      return nil
    }
    try traced.fail(fault.errno)
    var count = 1
    return try stage.finish(traced) { call in
      guard case .always = fault, call.name == name, count < stage.scenario.endurance,
        !(call.name == "write" && call.int(0) == 2),  // errors must be reported
        try !traced.readsPipe(call)
      else { return nil }
      count += 1
      return fault.errno
    }
  }

  private func judge(_ stage: Stage, _ ended: Sandbox.Run, _ number: Int, _ place: Comment) throws {
    let scenario = stage.scenario
    if ended.code != scenario.success {
      // A command that cannot be run ends as in a shell.
      let isBroken = ended.code == 126 && scenario.command.contains("--")
      #expect((64...78).contains(ended.code) || isBroken, place)
      #expect(ended.errors.hasPrefix("post: "), place)
    }
    try stage.passBy(number)
    let census = try stage.census()
    stage.expectOrder(census, place)
    if ended.code == 0, scenario.command.contains("--until-empty") {
      let open = scenario.has.filter { !census.hasEnded($0, in: scenario.mailbox) }
      stage.toll.expect(open == [], or: .stuck, "\(open) waits, but it said that nothing does, \(place)")
    }
    let accepted = accepted(ended, scenario)
    for (index, body) in scenario.sends.enumerated() {
      let isAccepted = index < accepted
      stage.expectAllOrNone(census, body, isAccepted: isAccepted, place)
      if !isAccepted { #expect(census.topics["orders"]?["cur"]?.contains(body) != true, "refused; \(place)") }
    }
    if let newcomer = scenario.newcomer, ended.code == 0 {
      for body in scenario.has {
        stage.toll.expect(census.count(of: body, in: newcomer) == 1, or: .lost, "\(body), \(place)")
      }
    }
    guard scenario.hands else { return }
    // Handed out, but not settled, and the command reported that: it comes again.
    let words = ["cannot move letter", "cannot read what the handler says"]
    try stage.expectEachOnce(ended, place) { _ in words.contains { ended.errors.contains($0) } }
  }

  /// How many letters the command reported as accepted.
  private func accepted(_ ended: Sandbox.Run, _ scenario: Scenario) -> Int {
    if ended.code == 0 { return scenario.sends.count }
    let words = ended.errors.split(separator: " ")
    guard let index = words.lastIndex(where: { $0.hasPrefix("letter") }),
      ended.errors.hasSuffix(" accepted\n")
    else { return 0 }
    return Int(words[index - 1]) ?? 0
  }
}

extension Traced {
  /// Whether a call reads a handler's standard error: pipe(7) has no I/O error.
  fileprivate func readsPipe(_ call: Call) throws -> Bool {
    guard call.name == "read" else { return false }
    return try "\(path(of: call.int(0)))".hasPrefix("pipe:")
  }
}
