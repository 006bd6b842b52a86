import Glibc
import Linux
import TestKit
import Testing

/// Two claimers and a reclaimer, each stopped at any of its system calls while the others go on: no process gets what a
/// living holder has. `make test` tries some, in an order that its seed chooses, `make faults` many times as
/// many, `make acceptance` all pairs.
@Suite(.needsPtrace) struct ClaimPairsTests {
  /// The commands that meet; the letters are the numbers 1 and 2, the first may be in the hands of a dead holder.
  private static let readers = [
    ["read", "stock"], ["read", "stock", "--all"], ["read", "stock", "--", "cat"],
  ]
  private static let sweeps = [["sweep"], ["check", "--repair"]]

  struct Meeting: Sendable, CustomTestStringConvertible {
    let one: [String]
    let other: [String]
    let third: [String]
    var hasDeadHolder = false
    var testDescription: String {
      "\(one.joined(separator: " ")), \(other.joined(separator: " ")), \(third.joined(separator: " "))"
        + (hasDeadHolder ? ", after a death" : "")
    }
  }

  private static let meetings = [
    Meeting(one: readers[0], other: readers[0], third: sweeps[0]),
    Meeting(one: readers[1], other: sweeps[0], third: readers[0]),
    Meeting(one: sweeps[0], other: readers[1], third: readers[0], hasDeadHolder: true),
    Meeting(one: sweeps[0], other: sweeps[1], third: readers[1], hasDeadHolder: true),
    Meeting(one: readers[2], other: sweeps[0], third: readers[0]),
    Meeting(one: readers[0], other: readers[1], third: sweeps[0], hasDeadHolder: true),
  ]

  private static let takesAll = Host.environment("POST_PAIRS") != nil
  /// How long one meeting goes on otherwise, nanoseconds.
  private static let patience: Int64 = Seeded.takesAll ? 20_000_000_000 : 1_000_000_000

  /// Calls that neither change what others see, nor look at what others change: to stop before one is to stop before
  /// the next.
  private static let unseen: Set<String> = [
    "brk", "mmap", "munmap", "mprotect", "madvise", "mremap", "rt_sigaction", "rt_sigprocmask", "lseek",
    "fstat",
    "clock_gettime", "getrandom", "getpid", "geteuid", "uname", "pread64", "read", "statfs", "fstatfs",
    "getcwd",
    "memfd_create", "signalfd4", "inotify_init1", "ppoll", "pidfd_open", "pipe2", "dup3",
  ]

  private let box: Sandbox

  init() throws {
    box = try Sandbox(in: Sandbox.memory)
    try box.script(
      """
      post subscribe stock orders; printf '1\\n2\\n' | post send orders --lines; cp -a spool fresh
      # It has claimed the first letter, and is killed before it has printed it.
      strace -o /dev/null -e trace=write -e inject=write:signal=KILL:when=1 post read stock > /dev/null || true
      mv spool dead
      """)
  }

  private func reset(_ meeting: Meeting) throws {
    try box.script("rm -rf spool; cp -a \(meeting.hasDeadHolder ? "dead" : "fresh") spool")
  }

  private func start(_ words: [String]) throws -> Traced {
    let traced = try Traced(box, [Sandbox.binary] + words.map { Path($0) }, afterLinking: true)
    return traced
  }

  /// Lets a command go on to its call of this number; not beyond one in which it waits for a lock that another has.
  private func run(_ traced: Traced, to number: Int) throws {
    var left = number
    while let call = try traced.next() {
      if ClaimPairsTests.unseen.contains(call.name) || call.name.hasPrefix("call ") { continue }
      if left == 0 { return }
      left -= 1
      guard call.name == "flock", call.int(1) & LOCK_NB == 0 else { continue }
      var isTaken = false
      try traced.change(argument: 1, to: UInt64(call.int(1) | LOCK_NB))
      try traced.proceed { result in
        isTaken = result == -Int64(EWOULDBLOCK)
        return isTaken ? -Int64(EINTR) : result  // it will come back
      }
      try traced.change(argument: 1, to: call.arguments[1])
      if isTaken { return }
    }
  }

  /// How many calls a command makes that others could notice.
  private func count(_ words: [String], _ meeting: Meeting) throws -> Int {
    try reset(meeting)
    let traced = try start(words)
    var count = 0
    while let call = try traced.next() {
      if !ClaimPairsTests.unseen.contains(call.name), !call.name.hasPrefix("call ") { count += 1 }
    }
    _ = try traced.wait()
    return count
  }

  @Test(arguments: meetings)
  func whatALivingHolderHasIsGivenToNobodyElse(meeting: Meeting) throws {
    try onOneProcessor { try tryAll(meeting) }
  }

  private func tryAll(_ meeting: Meeting) throws {
    let seed = Seeded.anySeed
    var dice = Seeded(seed)
    let (ones, others) = (try count(meeting.one, meeting), try count(meeting.other, meeting))
    var pairs = (0..<ones).flatMap { one in (0..<others).map { (one, $0) } }
    pairs.shuffle(using: &dice)
    let end = Clock.monotonic + ClaimPairsTests.patience
    var tried = 0
    for (one, other) in pairs where ClaimPairsTests.takesAll || Clock.monotonic < end {
      let kills = dice.oneIn(3)
      do { try meet(meeting, one, other, killsOne: kills) } catch {
        Issue.record("seed \(seed), calls \(one) and \(other)\(kills ? ", the first killed" : ""): \(error)")
        return
      }
      tried += 1
    }
    print("claims, \(meeting.testDescription): \(tried) of \(pairs.count) pairs of calls, seed \(seed)")
  }

  /// One stands at a call, then the other at one of its own; a third runs to its end, and then the two go on, or the
  /// first is killed where it stands.
  private func meet(_ meeting: Meeting, _ one: Int, _ other: Int, killsOne: Bool) throws {
    try reset(meeting)
    let first = try start(meeting.one)
    try run(first, to: one)
    let second = try start(meeting.other)
    try run(second, to: other)
    let third = try box.startPost(meeting.third)
    // It may have to wait for a lock that a stopped command has.
    var (isOver, isWaiting) = (false, false)
    for _ in 0..<400 where !isOver && !isWaiting {
      isOver = third.hasEnded
      isWaiting = third.waitsForLock
      if !isOver && !isWaiting { _ = try? waitReadable([], atMost: 1_000_000) }
    }
    if !killsOne || isWaiting { try look(first, second) }
    var ended = [Sandbox.Run]()
    if killsOne { first.kill() }
    first.release()
    second.release()
    ended.append(try first.wait())
    ended.append(try second.wait())
    ended.append(try third.wait())
    let readers = zip([meeting.one, meeting.other, meeting.third], ended).filter { $0.0[0] == "read" }
    try judge(ended, printed: readers.map(\.1.text), killed: killsOne)
  }

  /// Nothing that a living holder has may be elsewhere, too.
  private func look(_ first: Traced, _ second: Traced) throws {
    let names = box.entries("cur") + box.entries("new") + box.entries("done") + box.entries("failed")
    let ids = names.map { $0.prefix { $0 != "," } }
    // A rename is one step: each letter is in one place at any time.
    if Set(ids).count != ids.count { throw Failure("a letter is in two places: \(names)") }
  }

  private func judge(_ ended: [Sandbox.Run], printed: [String], killed: Bool) throws {
    var bodies = printed.flatMap { $0.map { String($0) } }
    let before = bodies
    for run in ended where ![0, 1, 75, 128 + 9].contains(run.code) {
      throw Failure("exit \(run.code): \(run.errors)")
    }
    // A command that outlives its reader holds its letter for a moment.
    _ = try eventually(within: 10) {
      try box.must("sweep")
      return box.entries("cur").isEmpty
    }
    let rest = try box.post("read", "stock", "--all")
    bodies += rest.text.map { String($0) }
    let left = box.entries("cur") + box.entries("new") + box.entries("failed")
    if !left.isEmpty { throw Failure("\(left) stay, after \(before) and \(rest.text)") }
    if box.entries("done").count != 2 { throw Failure("done: \(box.entries("done"))") }
    for body in ["1", "2"] {
      let count = bodies.count { $0 == body }
      if count == 0 { throw Failure("\(body) never came: \(printed), then \(rest.text)") }
      if count > (killed ? 2 : 1) {
        throw Failure("\(body) came \(count) times: \(printed), then \(rest.text)")
      }
    }
    if bodies.count > 3 { throw Failure("more came twice than the killed one had in hands: \(bodies)") }
  }
}

extension Sandbox {
  fileprivate func startPost(_ words: [String]) throws -> Running {
    try start([Sandbox.binary] + words.map { Path($0) })
  }
}

extension Running {
  /// Whether it stands in flock(2), which only another can end.
  fileprivate var waitsForLock: Bool {
    guard let call = try? File(Path("/proc/\(pid)/syscall"), .read).readAll(limit: 100) else { return false }
    #if arch(x86_64)
      return String(decoding: call, as: UTF8.self).hasPrefix("73 ")
    #else
      return String(decoding: call, as: UTF8.self).hasPrefix("32 ")
    #endif
  }
}
