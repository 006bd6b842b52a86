// A simulation of a busy office: commands, held at any of their system calls, in any order that the dice
// choose, some of them killed; and a wall clock that jumps. One thread; every step is a throw of the dice.

import Linux
import TestKit

final class Simulation {
  let seed: UInt64
  let box: Sandbox
  let world: World
  let model: Model
  var jobs: [Job] = []
  var handlers: [HeldHandler] = []
  var leases: [Lease] = []
  /// Letters that a foreign program is writing.
  var drafts: [(topic: String, name: String, number: Int)] = []
  /// Why letters may be in failed/.
  var failures: Set<Copy> = []
  var lastNumber = 0
  private(set) var steps = 0
  private var jobCount = 0
  /// Handlers do their work, and the simulation injects no faults.
  var isGentle = false

  var kills = 0
  var clockSteps = 0
  var faults = 0
  private var history: [String] = []
  private(set) var digest: UInt64 = 14_695_981_039_346_656_037

  static let topics = ["orders", "bills"]
  static let mailboxes = ["audit", "dispatch", "invoice", "stock"]
  /// Those with a handler.
  static let served = ["dispatch", "stock"]
  static let tries = ["audit": 20, "dispatch": 20, "invoice": 3, "stock": 4]

  init(seed: UInt64) throws {
    self.seed = seed
    box = try (try? Sandbox(in: "/dev/shm")) ?? Sandbox()
    world = World(seed: seed)
    model = Model(Simulation.mailboxes.flatMap { mailbox in Simulation.topics.map { Pair(mailbox, $0) } })
    try box.write("handler.sh", HeldHandler.script)
    try Directory(box.root).makeDirectory("gates")
  }

  /// Makes the office.
  func open() throws {
    isGentle = true
    for mailbox in Simulation.mailboxes {
      try startSubscribe(mailbox, mailbox == "audit" ? ["orders"] : Simulation.topics, from: "start")
      try drain()
      let handler = Simulation.served.contains(mailbox) ? "Handler: exec \(box.root)/handler.sh\n" : ""
      try box.write(
        "spool/mailboxes/\(mailbox)/mailbox.conf",
        handler + "Retry: 1s..1m\nTries: \(Simulation.tries[mailbox] ?? 20)\nParallel: 2\n")
    }
    try box.write("spool/post.conf", "Keep: forever\nKeep-Done: forever\n")
    isGentle = false
  }

  /// Runs so many steps, and now and then lets all commands come to rest and checks the office.
  func run(steps count: Int, restEvery: Int = 200) throws {
    try open()
    while steps < count {
      let next = min(steps + restEvery, count)
      while steps < next { try step() }
      try drain()
      try rest()
    }
  }

  func record(_ text: @autoclosure () -> String) {
    let line = "step \(steps): \(text())"
    history.append(line)
    if history.count > 400 { history.removeFirst(200) }
    if Simulation.isVerbose { print(line) }
  }

  private static let isVerbose = Host.environment("POST_VERBOSE") != nil

  /// What happened last, for people.
  var lastHistory: String { history.suffix(80).joined(separator: "\n") }

  var summary: String {
    "\(jobCount) commands, \(kills) killed, \(faults) with faults, \(clockSteps) clock steps"
  }

  /// Takes something into the sum that two runs of a seed must agree on.
  func count(_ text: String) {
    for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 1_099_511_628_211 }
  }

  // MARK: Steps

  private enum Move { case start, resume, kill, handler, clock, time, foreign, stop }

  func step() throws {
    steps += 1
    let isBusy = !jobs.isEmpty
    let move = world.dice.pick([
      (jobs.count < 6 ? 30 : 0, Move.start), (isBusy ? 60 : 0, .resume), (isBusy ? 4 : 0, .kill),
      (handlers.isEmpty ? 0 : 14, .handler), (2, .clock), (2, .time), (4, .foreign), (isBusy ? 1 : 0, .stop),
    ])
    switch move {
    case .start: try startSomething()
    case .resume:
      let turns = world.dice.oneIn(2)
      try resume(
        pickJob(), calls: turns ? world.dice.number(1...4) : calls(), turns: turns,
        isPatient: !world.dice.oneIn(3))
    case .kill: try kill(world.dice.pick(jobs))
    case .handler: try endHandler()
    case .clock:
      let seconds = world.dice.pick([-3600, -3600, 3600, -60, 60, -1, 1, -40_000, 40_000])
      // Not beyond a day from where it was: a foreign draft that is older would be debris.
      guard
        abs(world.wall + Int64(seconds) * 1_000_000_000 - world.monotonic - World.start) < 80_000_000_000_000
      else { return }
      clockSteps += 1
      world.setClock(by: Int64(seconds) * 1_000_000_000)
      record("the clock is set by \(seconds) s")
    case .time:
      let seconds = world.dice.pick([1, 10, 70, 700])
      world.pass(Int64(seconds) * 1_000_000_000)
      record("\(seconds) s pass")
    case .foreign: try deliverForeign()
    case .stop: try stopOne()
    }
  }

  /// A command that waits most likely has nothing to do yet.
  private func pickJob() -> Job { world.dice.pick(jobs.map { ($0.isWaiting ? 1 : 4, $0) }) }

  private func calls() -> Int {
    switch world.dice.number(1...10) {
    case 1...4: world.dice.number(1...4)
    case 5...7: world.dice.number(5...30)
    default: world.dice.number(30...300)
    }
  }

  @discardableResult
  func resume(_ job: Job, calls: Int, turns: Bool = false, isPatient: Bool) throws -> HeldCommand.Stop {
    job.command.isPatient = isPatient
    let stop = try job.command.run(calls: calls, turns: turns)
    job.isWaiting = false
    switch stop {
    case .ended: try end(job)
    case .waits:
      job.isWaiting = true
      record("\(job.name) waits")
    case .held: record("\(job.name) stands at \(job.command.call?.name ?? "-")")
    }
    return stop
  }

  /// Lets all commands and handlers come to their ends.
  func drain() throws {
    var rounds = 0
    var idle = 0
    while !jobs.isEmpty || !handlers.isEmpty {
      rounds += 1
      steps += isGentle ? 0 : 1
      guard rounds < 20_000 else { throw Failure("stuck: \(jobs.map(\.name)) do not end") }
      if !handlers.isEmpty, jobs.isEmpty || world.dice.oneIn(4) {
        try endHandler()
        idle = 0
      } else {
        // When all wait, and no handler is running, time passes.
        let isPatient = !handlers.isEmpty || idle <= jobs.count * 2
        let stop = try resume(world.dice.pick(jobs), calls: isGentle ? 1000 : calls(), isPatient: isPatient)
        if case .waits = stop { idle += 1 } else { idle = 0 }
      }
    }
  }

  // MARK: Commands

  /// Starts a command; it has not made a call yet.
  func start(_ words: [String], input: String = "", _ role: (Int) -> Job.Role) throws {
    let moment = world.nextMoment()
    let command = try HeldCommand(
      box, words, input: input, world: world, environment: ["GATES": "\(box.root)/gates"])
    jobCount += 1
    let job = Job(jobCount, command, role(moment), moment)
    if !isGentle, world.dice.oneIn(4) { command.faultRate = 12 }
    command.onCall = { [unowned self, unowned command] call in
      count("\(job.number) \(call.name)")
      if Simulation.isVerbose { record("    #\(job.number) \(command.description(of: call))") }
    }
    command.onOutput = { [unowned self, unowned job] in try takeOutput(of: job) }
    command.onChild = { [unowned self, unowned job] pid in try meetHandler(pid, of: job) }
    command.onSignal = { [unowned self] pid in
      for handler in handlers where handler.pid == pid { try handler.waitForEnd() }
      handlers.removeAll { $0.pid == pid }
    }
    jobs.append(job)
    record("\(job.name) begins")
  }

  private func meetHandler(_ pid: Int32, of job: Job) throws {
    let handler = try HeldHandler(pid, of: job, gates: box.root / "gates")
    record("\(job.name) gives \(handler.copy) to a handler")
    try expectFree(handler.copy)
    handlers.append(handler)
  }

  /// Exactly one holds a letter at a time.
  func expectFree(_ copy: Copy) throws {
    if let other = handlers.first(where: { $0.copy == copy }) {
      throw Failure("\(copy) is in two hands, one of them a handler of \(other.job.name)")
    }
    let ours = leases.filter { $0.copy == copy }
    if ours.contains(where: { !$0.isSettled }), !ours.contains(where: { $0.isOver(world) }) {
      throw Failure("\(copy) is in two hands, one of them with a lease in force")
    }
  }

  private func endHandler() throws {
    let handler = world.dice.pick(handlers)
    handlers.removeAll { $0 === handler }
    let code = isGentle ? 0 : world.dice.pick([(14, 0), (3, 75), (2, 65), (1, 1), (1, -9), (1, 127)])
    record("the handler of \(handler.copy), for \(handler.job.name), ends with \(code)")
    count("\(handler.copy) \(code)")
    if code < 0 { return try handler.kill() }
    try handler.end(with: code)
    if code == 65 { failures.insert(handler.copy) }
    guard code == 0 else { return }
    try model.complete(handler.copy)
    if handler.job.isGone {
      model.excuse(handler.copy, "the holder died before its handler ended")
    } else {
      handler.job.completions.insert(handler.copy)
    }
  }

  private func kill(_ job: Job) throws {
    record("\(job.name) is killed at \(job.command.call?.name ?? "its beginning")")
    count("kill \(job.number)")
    kills += 1
    job.command.kill()
    _ = try job.command.traced.wait()
    try bury(job)
  }

  private func bury(_ job: Job) throws {
    leave(job)
    for copy in try copies(in: "cur") where job.completions.contains(copy) {
      model.excuse(copy, "its holder was killed before it settled")
    }
    try judge(job, code: nil)
  }

  private func stopOne() throws {
    let job = world.dice.pick(jobs)
    guard case .handle = job.role else { return }
    record("\(job.name) is told to stop")
    _ = try box.run(["kill", "-TERM", Path("\(job.command.traced.pid)")])
  }

  private func end(_ job: Job) throws {
    let ended = try job.command.traced.wait()
    let words = ended.errors.isEmpty ? "" : ", says \(ended.errors.prefix(300))"
    record("\(job.name) ends with \(ended.code)\(words)")
    count("end \(job.number) \(ended.code)")
    // Asked to stop before it listened, it was killed by the signal.
    if ended.code == 128 + 15 { return try bury(job) }
    leave(job)
    if let handler = handlers.first(where: { $0.job === job }) {
      throw Failure("\(job.name) left a handler of \(handler.copy) alone")
    }
    try judge(job, code: ended.code)
  }

  private func leave(_ job: Job) {
    job.isGone = true
    if job.command.wasFaulted { faults += 1 }
    jobs.removeAll { $0 === job }
  }
}
