// Child processes: posix_spawn(3), never fork. A child gets default signals, an empty mask, its three descriptors and
// at most one more, and as a rule a process group of its own, so that it can be ended with all that it started.
// Whatever of this cannot be set up is an error: no child runs with less.

import CLinux
import Glibc

/// A child process that was not reaped yet.
package struct Child: ~Copyable {
  package let pid: Int32
  private let hasOwnGroup: Bool
  private let end: File?
  /// Becomes readable when the child has ended, pidfd_open(2). nil: the system had no descriptor left, but the child
  /// runs all the same; ``hasEnded()`` tells.
  package var endDescriptor: Int32? {
    switch end {
    case .some(let file): file.descriptor
    case nil: nil
    }
  }

  package enum Exit: Hashable, Sendable {
    case code(Int32)
    case signal(Int32)
  }

  /// What the child's standard output or error shall be.
  package enum Stream: Sendable {
    case inherit
    case descriptor(Int32)
  }

  /// Starts a program.
  /// - Parameters:
  ///   - words: the program and its arguments; a program without a slash is looked for in PATH.
  ///   - environment: `NAME=value` entries; nil: ours.
  ///   - input: the descriptor that becomes its standard input; nil: /dev/null.
  ///   - inherited: a descriptor that stays open in the child, if its limit leaves room: ``quietNumber(limit:)``.
  ///   - folder: its current directory; nil keeps ours.
  ///   - umask: its file mode creation mask, umask(2); nil: ours. Ours changes for a moment, so no other thread should
  ///     make files meanwhile.
  ///   - ownGroup: makes it the leader of a new process group. A command that may read from the terminal must stay in
  ///     ours.
  /// - Throws: ENOENT, EACCES, ENOEXEC ... if the program cannot be run; EAGAIN, ENOMEM if no process can be made.
  package init(
    _ words: [Path], environment: [Path]?, input: Int32?, output: Stream = .inherit,
    errors: Stream = .inherit,
    inherited: Int32? = nil, folder: Path? = nil, umask mask: UInt32? = nil, ownGroup: Bool = true
  ) throws(Errno) {
    Signals.readyForChildren
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    func add(_ action: (inout posix_spawn_file_actions_t) -> Int32) throws(Errno) {
      let code = action(&actions)
      if code != 0 { throw Errno(code) }
    }
    if let input {
      try add { posix_spawn_file_actions_adddup2(&$0, input, 0) }
    } else {
      try add { posix_spawn_file_actions_addopen(&$0, 0, "/dev/null", O_RDONLY, 0) }
    }
    if case .descriptor(let file) = output { try add { posix_spawn_file_actions_adddup2(&$0, file, 1) } }
    if case .descriptor(let file) = errors { try add { posix_spawn_file_actions_adddup2(&$0, file, 2) } }
    // The child gets nothing that our parent left open. What it inherits waits at 3 while all others are closed.
    if let inherited, let number = Child.quietNumber(limit: OpenFiles.childLimit) {
      try add { posix_spawn_file_actions_adddup2(&$0, inherited, 3) }
      try add { posix_spawn_file_actions_addclosefrom_np(&$0, 4) }
      try add { posix_spawn_file_actions_adddup2(&$0, 3, number) }
      try add { posix_spawn_file_actions_addclose(&$0, 3) }
    } else {
      try add { posix_spawn_file_actions_addclosefrom_np(&$0, 3) }
    }
    if let folder {
      let code = try folder.call { posix_spawn_file_actions_addchdir_np(&actions, $0) }
      if code != 0 { throw Errno(code) }
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
    posix_spawnattr_setflags(&attributes, Int16(flags))
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)

    let ownMask = mask.map { umask(mode_t($0)) }
    defer { if let ownMask { _ = umask(ownMask) } }
    var pid: pid_t = 0
    let code = withCStrings(words) { argv in
      withCStrings(environment ?? Host.allEnvironment) { envp in
        OpenFiles.withGivenLimit {
          argv[0].map { posix_spawnp(&pid, $0, &actions, &attributes, argv, envp) } ?? EINVAL
        }
      }
    }
    if code != 0 { throw Errno(code) }
    self.pid = pid
    hasOwnGroup = ownGroup
    let descriptor = clinux_pidfd_open(pid)
    end = descriptor < 0 ? nil : File(owning: descriptor)
  }

  /// The number under which a child has an inherited descriptor: the highest below 190 that its limit allows and that
  /// no script is likely to use. Scripts use 3 to 19, bash 63 and less for process substitution, and flock(1) is often
  /// given 99 or 100. nil: the limit leaves no room.
  static func quietNumber(limit: Int) -> Int32? {
    (20..<190).last { $0 < limit && ![63, 99, 100].contains($0) }
  }

  /// Sends a signal to the child, and to all that it started if it has a process group of its own. No error if all are
  /// gone.
  package borrowing func signal(_ signal: Signal) { Glibc.kill(hasOwnGroup ? -pid : pid, signal.rawValue) }

  /// Whether the child has ended. It stays a zombie, so that its process group keeps its number.
  package borrowing func hasEnded() throws(Errno) -> Bool {
    var info = siginfo_t()
    _ = try check { waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) }
    return info.si_signo != 0
  }

  /// Waits for the child's end. Afterwards another process may get its number.
  package consuming func reap() throws(Errno) -> Exit {
    var status: Int32 = 0
    _ = try check { waitpid(pid, &status, 0) }
    let signal = status & 0x7f  // WIFSIGNALED, WTERMSIG and WEXITSTATUS are macros that C keeps for itself
    return signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
  }

  /// Runs a program, and returns what it printed; empty if it failed.
  package static func output(of words: [Path]) throws(Errno) -> String {
    let ends = try Pipe()
    let reading = ends.reading
    let writing = ends.writing
    let nothing = try File("/dev/null", .readFollowing)
    let child = try Child(
      words, environment: nil, input: nil, output: .descriptor(writing.descriptor),
      errors: .descriptor(nothing.descriptor))
    _ = consume writing  // or the pipe never ends
    let text = try reading.readAll(limit: 1 << 20)
    return try child.reap() == .code(0) ? String(decoding: text, as: UTF8.self) : ""
  }
}

/// Lends an argv: pointers to C strings, and a null at the end.
private func withCStrings<Result>(
  _ paths: [Path], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies: [UnsafeMutablePointer<CChar>?] = paths.map { path in
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: path.bytes.count + 1)
    for (index, byte) in path.bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
    copy[path.bytes.count] = 0
    return copy
  }
  defer { for copy in copies { copy?.deallocate() } }
  return (copies + [nil]).withUnsafeBufferPointer { buffer in
    guard let start = buffer.baseAddress else { preconditionFailure("the list ends with a null") }
    return body(start)
  }
}
