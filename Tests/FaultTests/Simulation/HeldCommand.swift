// A command of the simulation: the real program, held at the beginning of a system call while others run,
// in a world with its own time and its own dice. Nothing that it sees depends on the real clock, on
// real random numbers or on how fast it runs; so a seed replays.

import Glibc
import Linux
import TestKit

/// Time and dice of one simulation.
final class World {
  /// Nanoseconds on the monotonic clock.
  private(set) var monotonic: Int64 = 0
  /// Where the wall clock stands when the other one begins: some hour in January 2027.
  static let start: Int64 = 1_800_000_000_000_000_000
  /// Nanoseconds since 1970.
  private(set) var wall = World.start
  /// What happens next.
  var dice: Seeded
  /// What the programs get from getrandom(2).
  var bits: Seeded
  /// Counts everything that happens.
  private(set) var moment = 0
  /// Where the wall clock stood when it was set back, and when that was.
  private var peaks: [(moment: Int, wall: Int64)] = []

  init(seed: UInt64) {
    dice = Seeded(seed)
    bits = Seeded(~seed)
  }

  func nextMoment() -> Int {
    moment += 1
    return moment
  }

  /// Time passes.
  func pass(_ nanoseconds: Int64) {
    monotonic += nanoseconds
    wall += nanoseconds
  }

  /// The wall clock is set.
  func setClock(by nanoseconds: Int64) {
    if nanoseconds < 0 { peaks.append((nextMoment(), wall)) }
    wall += nanoseconds
  }

  /// The highest that the wall clock has shown since a moment.
  func highestWall(since moment: Int) -> Int64 {
    peaks.filter { $0.moment >= moment }.map(\.wall).reduce(wall, max)
  }
}

final class HeldCommand {
  /// Why it has stopped to run.
  enum Stop {
    /// It has made its calls.
    case held
    /// It waits for a lock, or for something to happen: others must go on first.
    case waits
    case ended
  }

  let words: [String]
  let traced: Traced
  private let world: World
  /// The call that it is about to make; nil: none yet, or it has ended.
  private(set) var call: Call?
  /// The simulation has made one of its calls fail.
  private(set) var wasFaulted = false
  /// One in so many calls that make a link fails; 0: none.
  var faultRate = 0
  /// Passes time in which nothing happens: false lets the command wait for others first.
  var isPatient = false

  /// It has started a process.
  var onChild: (Int32) throws -> Void = { _ in }
  /// It has printed something.
  var onOutput: () throws -> Void = {}
  /// It has sent a signal to a process, or to its group.
  var onSignal: (Int32) throws -> Void = { _ in }
  /// It has made a call that others may see.
  var onCall: (Call) -> Void = { _ in }

  init(_ box: Sandbox, _ words: [String], input: String, world: World, environment: [String: String]) throws {
    self.words = words
    self.world = world
    // Swift's sets and dictionaries would have another order each time.
    let environment = environment.merging(["SWIFT_DETERMINISTIC_HASHING": "1"]) { $1 }
    traced = try Traced(
      box, [Sandbox.binary] + words.map { Path($0) }, input: Array(input.utf8), environment: environment,
      clockOffset: 0, afterLinking: true, limit: 3600)
  }

  /// Lets the command make so many calls that other processes could notice.
  /// - Parameter turns: counts only those after which something is another process's, or is no more.
  func run(calls: Int, turns: Bool = false) throws -> Stop {
    var left = calls
    while true {
      guard let next = call else {
        call = try traced.next()
        if call == nil { return .ended }
        continue
      }
      let isSeen = !HeldCommand.unseen.contains(next.name) && !next.name.hasPrefix("call ")
      if isSeen {
        if !turns || HeldCommand.turns.contains(next.name) {
          if left == 0 { return .held }
          left -= 1
        }
        onCall(next)
      }
      let mustWait = try perform(next)
      call = try traced.next()
      if call == nil { return .ended }
      if mustWait { return .waits }
    }
  }

  private static let turns: Set<String> = [
    "renameat2", "renameat", "linkat", "unlinkat", "symlinkat", "flock", "fcntl", "write", "ppoll",
  ]

  /// Calls that no other process can notice, and whose number depends on the addresses of memory.
  private static let unseen: Set<String> = [
    "brk", "mmap", "munmap", "mprotect", "madvise", "mremap", "rt_sigaction", "rt_sigprocmask", "close",
    "lseek",
    "fstat", "clock_gettime", "getrandom", "getpid", "geteuid", "uname", "pread64", "read",
  ]

  /// - Returns: whether the command cannot go on before others have.
  private func perform(_ call: Call) throws -> Bool {
    switch call.name {
    case "clock_gettime":
      world.pass(10_000)
      let time = call.int(0) == CLOCK_REALTIME ? world.wall : world.monotonic
      try traced.set(bytes: HeldCommand.timespec(time), at: call.arguments[1])
      try traced.answer(0)
    case "getrandom":
      let count = Int(call.arguments[1])
      let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: world.bits.next()) }
      try traced.set(bytes: bytes, at: call.arguments[0])
      try traced.answer(Int64(count))
    case "ppoll": return try wait(call)
    case "flock" where call.int(1) & LOCK_NB == 0:
      try traced.change(argument: 1, to: UInt64(call.int(1) | LOCK_NB))
      var isTaken = false
      try traced.proceed { result in
        isTaken = result == -Int64(EWOULDBLOCK)
        return isTaken ? -Int64(EINTR) : result  // it will come back
      }
      try traced.change(argument: 1, to: call.arguments[1])
      return isTaken
    case "clone", "clone3", "vfork":
      if let pid = try traced.proceed(), pid > 0 { try onChild(Int32(pid)) }
    case "kill":
      try traced.proceed()
      try onSignal(abs(call.int(0)))
    case "write" where call.int(0) == 1:
      try traced.proceed()
      try onOutput()
    case "linkat" where faultRate > 0 && world.dice.oneIn(faultRate):
      // No second name is given: as if the mailbox were on another file system, or had no space left.
      wasFaulted = true
      try traced.fail(world.dice.pick([.crossDevice, .tooManyLinks, .noSpace]))
    case "fsync" where faultRate > 0 && world.dice.oneIn(faultRate * 3):
      wasFaulted = true
      try traced.fail(.io)
    default: break
    }
    return false
  }

  /// Waiting takes no real time: either something has happened already, or the time that the command is
  /// ready to wait passes at once.
  private func wait(_ call: Call) throws -> Bool {
    var limit: Int64?
    var place = call.arguments[2]
    if place != 0 {
      limit = try traced.bytes(at: place, count: 16).withUnsafeBytes { bytes in
        bytes.loadUnaligned(as: Int64.self) * 1_000_000_000
          + bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self)
      }
    } else {
      place = try traced.scratch()
      try traced.change(argument: 2, to: place)
    }
    try traced.set(bytes: HeldCommand.timespec(0), at: place)
    var mustWait = false
    try traced.proceed { result in
      guard result == 0 else { return result }
      if let limit, limit <= HeldCommand.moments || !isPatient {
        world.pass(limit)
        return 0
      }
      mustWait = true
      return -Int64(EINTR)  // it looks at its deadlines, and comes back
    }
    try traced.change(argument: 2, to: call.arguments[2])
    return mustWait
  }

  /// A wait this short is over before any other command has moved. Nanoseconds.
  private static let moments: Int64 = 200_000_000

  private static func timespec(_ nanoseconds: Int64) -> [UInt8] {
    [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000].withUnsafeBytes { Array($0) }
  }

  /// A call with the names it is about, for people.
  func description(of call: Call) -> String {
    let places =
      switch call.name {
      case "renameat2", "renameat", "linkat": [1, 3]
      case "openat", "newfstatat", "unlinkat", "mkdirat": [1]
      case "symlinkat": [0, 2]
      default: [Int]()
      }
    let names = places.map { (try? traced.path(at: call.arguments[$0]))?.description ?? "?" }
    let numbers = call.name == "fcntl" || call.name == "kill" ? call.arguments.prefix(3).map { "\($0)" } : []
    return ([call.name] + names + numbers).joined(separator: " ")
  }

  /// kill -9, before the call that it is about to make.
  func kill() {
    traced.kill()
    call = nil
  }
}
