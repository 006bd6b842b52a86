// The stage of the tests that kill a command at its calls, or let them fail: a scenario is played again and again, and
// then the test checks what must be true of the office, however the command ended.

import Glibc
import Linux
import TestKit
import Testing

/// An office that a scenario can be played in again and again.
struct Stage {
  let box: Sandbox
  let scenario: Scenario
  let toll = Toll()

  init(_ scenario: Scenario) throws {
    self.scenario = scenario
    box = try scenario.makeBox()
    try box.script(
      """
      \(scenario.preparation)
      touch id; mv id template-id
      if test -d spool; then mv spool template; else mkdir empty; fi
      """)
  }

  /// Sets the scene anew.
  func reset() throws {
    let copy = box.exists("template") ? "cp -a template spool" : ":"
    _ = try box.shell("rm -rf spool handled; cp template-id id; \(copy)")
    try box.swell(scenario.swollen.map { "spool/\($0)" })
  }

  /// Starts the scenario's command and lets it run until its own first call: what the language's runtime
  /// does before main does not belong to the scenario.
  func start() throws -> Traced {
    let id = try box.read("id").filter { !$0.isNewline }
    let words = scenario.command.map { Path($0 == "ID" ? id : $0) }
    let traced = try Traced(box, [Sandbox.binary] + words, input: scenario.input, clockOffset: 0)
    while let call = try traced.next() {
      if call.name == "rt_sigaction", call.int(0) == SIGPIPE { return traced }
    }
    throw Failure("the program never came to its main")
  }

  /// The calls of the command, unharmed.
  func calls() throws -> [Call] {
    try reset()
    var calls = [Call]()
    let ended = try finish(try start()) { call in
      calls.append(call)
      return nil
    }
    #expect(ended.code == scenario.success, "unharmed: \(ended.errors)")
    return calls
  }

  /// No command of a scenario makes so many calls.
  static let callLimit = 20_000

  /// Lets a command go on until its next call. It does not really sleep while none of its handlers runs: time
  /// passes for it alone.
  func next(_ traced: Traced) throws -> Call? {
    while let call = try traced.next() {
      guard try isNap(call, of: traced) else { return call }
      try traced.sleep(through: call)
    }
    return nil
  }

  /// Whether a command only lets time pass: it waits for nothing, or is a watcher without a running handler.
  private func isNap(_ call: Call, of traced: Traced) throws -> Bool {
    guard call.name == "ppoll" else { return false }
    let isAlone = call.arguments[1] == 0 || (scenario.command[0] == "watch" && call.arguments[1] == 2)
    return try isAlone && traced.patience(of: call) ?? 0 > 0
  }

  /// Lets a command run to its end.
  /// - Parameter fault: the error with which a call fails.
  func finish(_ traced: Traced, _ fault: (Call) throws -> Errno?) throws -> Sandbox.Run {
    for _ in 0..<Stage.callLimit {
      guard let call = try next(traced) else { return try traced.wait() }
      if let errno = try fault(call) { try traced.fail(errno) }
    }
    traced.kill()
    let ended = try traced.wait()
    throw Failure("it turned in circles: \(ended.errors.suffix(300))")
  }

  /// What the command has handed out so far: printed, or given to its handler.
  func handedOut(_ run: Sandbox.Run) -> [String: Int] {
    let handled = (try? box.read("handled")) ?? ""
    var counts = [String: Int]()
    // `post read` prints bodies with nothing between them; here each has one character.
    let isHandled = scenario.command.contains("--") || scenario.command[0] == "watch"
    let bodies =
      isHandled
      ? handled.split(separator: "\n").map(String.init) : run.text.map { String($0) }
    for body in bodies { counts[body, default: 0] += 1 }
    return counts
  }
}

extension Stage {
  /// One of the ordinary commands that also put an office in order.
  func passBy(_ number: Int) throws {
    guard box.exists("spool") else { return }
    waitForHandlers()
    let isRead = number % 2 == 1 && scenario.mailbox == "stock" && box.exists("spool/mailboxes/stock")
    if isRead { _ = try box.post("read", "stock", "--peek") } else { try box.must("sweep") }
  }

  /// A handler that outlives its watcher for a moment is no leftover.
  func waitForHandlers() {
    _ = eventually {
      box.entries("cur", of: scenario.mailbox).allSatisfy {
        (try? box.shines($0, of: scenario.mailbox)) != true
      }
    }
  }

  /// The census of an office after another command has run. Readers may leave an empty bag; the next sweep does not.
  func census() throws -> Census {
    func take() -> Census { Census(of: box, known: scenario.known, leased: scenario.leases) }
    let census = take()
    if census.emptyBags.isEmpty { return census }
    try box.must("sweep")
    return take()
  }

  /// What is true of every office at rest.
  func expectOrder(_ census: Census, _ place: Comment) {
    toll.expect(census.torn == [], or: .torn, "\(census.torn), \(place)")
    let leftovers = census.leftovers + census.emptyBags
    toll.expect(leftovers == [], or: .stuck, "\(leftovers), \(place)")
    for mailbox in scenario.subscribers {
      for body in scenario.has {
        let count = census.count(of: body, in: mailbox)
        toll.expect(count == 1, or: .lost, "\(body) is \(count) times in \(mailbox), \(place)")
      }
    }
  }

  /// A letter is in every mailbox, or in none.
  func expectAllOrNone(_ census: Census, _ body: String, isAccepted: Bool = false, _ place: Comment) {
    let counts = scenario.subscribers.map { census.count(of: body, in: $0) }
    let kept = census.topics["orders"]?["cur"]?.count { $0 == body } ?? 0
    toll.expect(
      Set(counts + [kept]).count == 1 && kept <= 1, or: .half, "\(body) in \(counts), kept \(kept), \(place)")
    if isAccepted { toll.expect(kept == 1, or: .lost, "\(body) was accepted, \(place)") }
  }

  /// Reads what is left: each letter was handed out once, before or now.
  /// - Parameter mayComeTwice: had been handed out, and could not be settled any more.
  func expectEachOnce(_ ended: Sandbox.Run, _ place: Comment, mayComeTwice: (String) -> Bool) throws {
    let first = handedOut(ended)
    let rest = try box.post("read", scenario.mailbox, "--all").text
    for body in scenario.has {
      let count = (first[body] ?? 0) + rest.count { String($0) == body }
      toll.expect(count > 0, or: .lost, "\(body) never came, \(place)")
      if count > 1 {
        toll.twice += 1
        #expect(count == 2 && mayComeTwice(body), "\(body) came \(count) times, \(place)")
      }
    }
  }
}
