// A program under ptrace(2): it stops where each of its system calls begins, and the test decides what
// becomes of the call. So a test can kill it there, let a call fail, hold it while others run, or give it
// another wall clock. Only the program itself is traced, not what it starts.
//
// ptrace(2) serves the thread that took the program over: make and use a `Traced` in one function that
// does not suspend.

import CTrace
import Glibc
import Linux

/// A system call that is about to begin.
package struct Call: Sendable {
  /// As in the manual: "renameat2".
  package let name: String
  package let arguments: [UInt64]

  package func int(_ index: Int) -> Int32 { Int32(truncatingIfNeeded: arguments[index]) }
}

package final class Traced {
  private var limit: TimeLimit?
  private let running: Running
  private let gate: Path
  private var memory: Memory?
  private var call: Call?
  package private(set) var hasEnded = false
  /// Seconds that the program's wall clock differs from the machine's.
  package var clockOffset: Int64 = 0
  /// Seconds more than the machine's that have passed for it since the start of the machine; for a program that was
  /// started with a clock of its own.
  package var bootOffset: Int64 = 0
  /// Nanoseconds that its monotonic clock is ahead: time that it has slept without our waiting for it.
  package var sleptOffset: Int64 = 0
  package var pid: Int32 { running.pid }

  /// Starts a program and stops it before its first own call.
  /// - Parameters:
  ///   - clockOffset: seconds that its wall clock is off; nil leaves it to the vDSO, which is
  ///     not traced, and never off.
  ///   - afterLinking: lets the dynamic linker do its work first, which takes most of the calls of a short
  ///     program; they are not seen.
  ///   - limit: seconds after which it is killed, or one that sleeps for ever would stop the tests.
  package init(
    _ sandbox: Sandbox, _ words: [Path], input: [UInt8] = [], environment: [String: String] = [:],
    clockOffset: Int64? = nil, afterLinking: Bool = false, limit: Int32 = 120
  ) throws {
    gate = sandbox.root / "gate-\(Host.random)"
    guard mkfifo(gate.description, 0o600) == 0 else { throw Errno(errno) }
    // A shell waits at the gate until it is traced; then it becomes the program.
    running = try sandbox.start(
      ["/bin/sh", "-c", ": < \"$0\"; exec \"$@\"", gate] + words, input: input, environment: environment)
    guard ctrace_seize(running.pid) == 0 else { throw Errno(errno) }
    self.limit = try TimeLimit(limit, for: running.pid)
    let opened = open(gate.description, O_RDWR | O_CLOEXEC)  // for writing alone it would wait for the shell
    guard opened >= 0 else { throw Errno(errno) }
    try waitForExec()
    close(opened)
    unlink(gate.description)
    memory = try Memory(of: running.pid)
    if let clockOffset {
      self.clockOffset = clockOffset
      try hideVDSO()
    }
    if afterLinking { try goToEntry() }
  }

  private func waitForExec() throws {
    while true {
      var status: Int32 = 0
      guard ctrace_wait(pid, &status) == 1 else { throw Failure("the program ended before it began") }
      // PTRACE_EVENT_EXEC; the first may still be that of the shell.
      if status >> 8 == SIGTRAP | 4 << 8, try !isAtGate() { break }
      ctrace_continue(pid, status)
    }
    _ = try goToStop()  // where execve(2) ends
  }

  private func isAtGate() throws -> Bool {
    let words = try File(Path("/proc/\(pid)/cmdline"), .read).readAll(limit: 1 << 20)
    return words.split(separator: 0).contains(gate.bytes)
  }

  /// Without a vDSO, clock_gettime(2) is a system call like any other.
  private func hideVDSO() throws {
    if let place = try auxiliary(AT_SYSINFO_EHDR) { try set(word: UInt64(AT_IGNORE), at: place) }
  }

  /// Where the new program's auxiliary vector has an entry: it lies above the environment on the stack; see
  /// getauxval(3).
  private func auxiliary(_ kind: Int32) throws -> UInt64? {
    var info = ctrace_info()
    guard ctrace_info(pid, &info) > 0 else { throw Errno(errno) }
    var place = info.stack_pointer
    func next() throws -> UInt64 {
      defer { place += 8 }
      return try word(at: place)
    }
    let count = try next()
    place += 8 * (count + 1)
    while try next() != 0 {}
    while true {
      let found = try next()
      if found == UInt64(kind) { return place - 8 }
      if found == UInt64(AT_NULL) { return nil }
      place += 8
    }
  }

  /// Lets the program run to its first own instruction, where the dynamic linker goes when it is done.
  private func goToEntry() throws {
    guard let place = try auxiliary(AT_ENTRY) else { throw Failure("the program has no entry") }
    let entry = try word(at: place + 8)
    var code: [UInt8] = [0, 0, 0, 0]
    let length = ctrace_breakpoint(&code)
    let original = try bytes(at: entry, count: length)
    try set(bytes: Array(code[..<length]), at: entry)
    var status: Int32 = 0
    repeat {
      ctrace_continue(pid, status)
      guard ctrace_wait(pid, &status) == 1 else { throw Failure("the program ended before it began") }
    } while status >> 8 != SIGTRAP
    try set(bytes: original, at: entry)
    guard ctrace_rewind(pid, entry) == 0 else { throw Errno(errno) }
  }

  /// Lets the program go on until its next call is about to begin.
  /// - Returns: nil if it has ended.
  package func next() throws -> Call? {
    if hasEnded { return nil }
    if call != nil { try proceed() }
    guard let info = try goToStop() else { return nil }
    guard info.op == 1 else { throw Failure("a call ended that did not begin") }
    let arguments = withUnsafeBytes(of: info.entry.arguments) { Array($0.bindMemory(to: UInt64.self)) }
    let name = ctrace_name(Int(info.entry.number)).map { String(cString: $0) } ?? "call \(info.entry.number)"
    let call = Call(name: name, arguments: arguments)
    self.call = call
    return call
  }

  /// Lets the call happen, and stops the program where it ends.
  /// - Returns: what the call returned, a negative errno if it failed; nil if the program ended in it.
  @discardableResult
  package func proceed() throws -> Int64? {
    guard let call else { throw Failure("there is no call to go on with") }
    self.call = nil
    guard let info = try goToStop() else { return nil }
    guard info.op == 2 else { throw Failure("a call began where one should end") }
    if call.name == "clock_gettime" { try correctClock(call) }
    return info.exit.result
  }

  /// Changes the time that a call has just returned: struct timespec, seconds and nanoseconds.
  private func correctClock(_ call: Call) throws {
    let place = call.arguments[1]
    if call.int(0) == CLOCK_REALTIME, clockOffset != 0 {
      try set(word: try word(at: place) &+ UInt64(bitPattern: clockOffset), at: place)
    } else if call.int(0) == CLOCK_BOOTTIME, bootOffset != 0 {
      try set(word: try word(at: place) &+ UInt64(bitPattern: bootOffset), at: place)
    } else if call.int(0) == CLOCK_MONOTONIC, sleptOffset != 0 {
      let time = Int64(try word(at: place)) * 1_000_000_000 + Int64(try word(at: place + 8)) + sleptOffset
      try set(word: UInt64(time / 1_000_000_000), at: place)
      try set(word: UInt64(time % 1_000_000_000), at: place + 8)
    }
  }

  /// How long a ppoll(2) that is about to begin would wait at most, nanoseconds; nil: for ever.
  package func patience(of call: Call) throws -> Int64? {
    let place = call.arguments[2]
    if place == 0 { return nil }
    return Int64(try word(at: place)) * 1_000_000_000 + Int64(try word(at: place + 8))
  }

  /// Lets a ppoll(2) that is about to begin end as if its time had passed.
  package func sleep(through call: Call) throws {
    guard let patience = try patience(of: call) else { throw Failure("the program sleeps for ever") }
    sleptOffset += patience
    try answer(0)
  }

  /// Lets the call happen, but gives the program another result.
  package func proceed(telling result: Int64) throws {
    if try proceed() != nil, ctrace_set(pid, -1, Int(result)) != 0 { throw Errno(errno) }
  }

  /// Gives the call a result without its happening.
  package func answer(_ result: Int64) throws {
    guard ctrace_skip(pid) == 0 else { throw Errno(errno) }
    try proceed(telling: result)
  }

  package func fail(_ error: Errno) throws { try answer(-Int64(error.code)) }

  /// Lets the call happen, and changes what it returns.
  package func proceed(changing result: (Int64) -> Int64) throws {
    guard let real = try proceed() else { return }
    let wanted = result(real)
    if wanted != real, ctrace_set(pid, -1, Int(wanted)) != 0 { throw Errno(errno) }
  }

  /// Gives the call another argument; it is still to happen.
  package func change(argument index: Int, to value: UInt64) throws {
    guard ctrace_set(pid, Int32(index), Int(truncatingIfNeeded: value)) == 0 else { throw Errno(errno) }
  }

  /// Ends the program as kill -9 does. A call that is about to begin does not happen.
  package func kill() {
    guard !hasEnded else { return }
    Glibc.kill(pid, SIGKILL)
    var status: Int32 = 0
    while ctrace_wait(pid, &status) == 1 { ctrace_continue(pid, status) }
    hasEnded = true
    call = nil
  }

  /// Lets the program go on by itself.
  package func release() {
    if !hasEnded { ctrace_detach(pid) }
  }

  /// Lets the program run to its end and returns how it ended.
  package func wait() throws -> Sandbox.Run {
    if !hasEnded {
      if clockOffset != 0 || sleptOffset != 0 { while try next() != nil {} } else { ctrace_detach(pid) }
    }
    limit = nil
    return try running.wait()
  }

  /// What it has printed so far.
  package var outputSoFar: String { running.outputSoFar }

  /// Goes on to the next stop of a call; signals are passed on.
  private func goToStop() throws -> ctrace_info? {
    var signal: Int32 = 0
    while true {
      guard ctrace_go(pid, signal) == 0 else {
        if errno != ESRCH { throw Errno(errno) }
        // Another process has killed it.
        hasEnded = true
        return nil
      }
      var status: Int32 = 0
      switch ctrace_wait(pid, &status) {
      case 0:
        hasEnded = true
        call = nil
        return nil
      case 1: break
      default: throw Errno(errno)
      }
      let stop = status >> 8
      if stop == SIGTRAP | 0x80 {
        var info = ctrace_info()
        guard ctrace_info(pid, &info) > 0 else { throw Errno(errno) }
        return info
      }
      signal = stop <= 64 ? stop : 0
    }
  }

  // MARK: What the program sees

  private func word(at address: UInt64) throws -> UInt64 {
    try bytes(at: address, count: 8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
  }

  private func set(word: UInt64, at address: UInt64) throws {
    var word = word
    try withUnsafeBytes(of: &word) { try memory?.file.write($0, at: Int64(address)) }
  }

  /// Writes into the program's memory.
  package func set(bytes: [UInt8], at address: UInt64) throws {
    try bytes.withUnsafeBytes { try memory?.file.write($0, at: Int64(address)) }
  }

  /// Some memory that the program does not use while its call is held: 256 bytes below its stack.
  package func scratch() throws -> UInt64 {
    var info = ctrace_info()
    guard ctrace_info(pid, &info) > 0 else { throw Errno(errno) }
    return (info.stack_pointer - 512) & ~15  // x86-64 programs may use 128 bytes there
  }

  /// A stretch of the program's memory.
  package func bytes(at address: UInt64, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let filled = try bytes.withUnsafeMutableBytes { try memory?.file.read(into: $0, at: Int64(address)) }
    guard filled == count else { throw Failure("the program's memory cannot be read at \(address)") }
    return bytes
  }

  /// The path that an argument of a call points to.
  package func path(at address: UInt64) throws -> Path {
    var text = [UInt8]()
    while text.count < 4096 {
      // To the end of the page at most: the next one may not be there.
      let place = address + UInt64(text.count)
      let piece = try bytes(at: place, count: min(256, 4096 - Int(place % 4096)))
      text += piece.prefix { $0 != 0 }
      if piece.contains(0) { return Path(text) }
    }
    throw Failure("a path without an end")
  }

  /// What a descriptor of the program refers to.
  package func path(of descriptor: Int32) throws -> Path {
    try Directory(Path("/proc/\(pid)/fd")).readSymlink(Path("\(descriptor)"))
  }
}

/// Runs `work` on one processor, with all that it starts: there, programs are traced in a fraction of the time.
package func onOneProcessor<Value>(_ work: () throws -> Value) rethrows -> Value {
  var allowed = [UInt](repeating: 0, count: 16)
  ctrace_pin(&allowed)
  defer { ctrace_unpin(allowed) }
  return try work()
}

/// Kills a process that lives too long. The timer goes before the process is reaped: its number may then be another's.
private struct TimeLimit: ~Copyable {
  private var timer: timer_t?

  init(_ seconds: Int32, for pid: Int32) throws {
    guard ctrace_limit(pid, seconds, &timer) == 0 else { throw Errno(errno) }
  }

  deinit { timer_delete(timer) }
}

/// The memory of a process, proc_pid_mem(5).
private final class Memory {
  let file: File

  init(of pid: Int32) throws {
    let descriptor = open("/proc/\(pid)/mem", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw Errno(errno) }
    file = File(owning: descriptor)
  }
}
