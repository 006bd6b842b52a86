// A handler of the simulation: a real process that reports what it was given, and waits for its order how to end.

import Glibc
import Linux
import TestKit

/// A command of the simulation, and its purpose.
final class Job {
  let number: Int
  let command: HeldCommand
  let role: Role
  let begun: Int
  /// The letters whose work was done by the command or by its handlers.
  var completions: Set<Copy> = []
  /// How much of its output the simulation has read.
  var taken = 0
  /// It waited when it was last let go on.
  var isWaiting = false
  var isGone = false

  enum Role {
    case send([Int])
    case subscribe([(pair: Pair, order: Int)])
    case unsubscribe(Pair, order: Int)
    /// Prints letters.
    case read(String)
    case lease(String)
    /// Gives letters to handlers.
    case handle
    case settle(Lease, verb: String)
    case chore
  }

  init(_ number: Int, _ command: HeldCommand, _ role: Role, _ begun: Int) {
    self.number = number
    self.command = command
    self.role = role
    self.begun = begun
  }

  var name: String { "#\(number) post \(command.words.joined(separator: " ").prefix(60))" }
}

/// A letter that was leased to the simulation itself.
final class Lease {
  let copy: Copy
  let id: String
  /// When the command that took it began.
  let taken: Int
  /// Nanoseconds since 1970.
  let until: Int64
  /// The command that settles it has begun.
  var isSettled = false

  init(_ copy: Copy, id: String, taken: Int, until: Int64) {
    self.copy = copy
    self.id = id
    self.taken = taken
    self.until = until
  }

  func isOver(_ world: World) -> Bool { world.highestWall(since: taken) >= until }
}

final class HeldHandler {
  let job: Job
  let pid: Int32
  let copy: Copy
  private let gate: File
  /// Or writing to a handler that has ended would end us.
  private let otherEnd: File

  /// A program for /bin/sh that serves as a handler.
  static let script = """
    #!/bin/sh
    read -r body
    mkfifo "$GATES/$$"
    echo "$POST_MAILBOX $POST_ATTEMPT $body" > "$GATES/note.$$"
    read -r code < "$GATES/$$"
    exit "$code"

    """

  /// Waits until a process that was started stands at its gate.
  init(_ pid: Int32, of job: Job, gates: Path) throws {
    self.job = job
    self.pid = pid
    let note = gates / "note.\(pid)"
    let path = gates / "\(pid)"
    var gate: File?
    let isThere = eventually {
      // It opens where the handler waits to read, and not before.
      let opened = open(path.description, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      if opened >= 0 { gate = File(owning: opened) }
      return opened >= 0
    }
    guard isThere, let gate = gate.take() else { throw Failure("the handler of \(job.name) did not begin") }
    self.gate = gate
    otherEnd = try File(path, .read)
    let text = String(decoding: try File(note, .read).readAll(limit: 1 << 20), as: UTF8.self).dropLast()
    let words = text.split(separator: " ", maxSplits: 2)
    guard words.count == 3 else { throw Failure("a handler of \(job.name) was given '\(text)'") }
    copy = Copy(mailbox: String(words[0]), number: try Body.number(words[2]))
    unlink(path.description)
    unlink(note.description)
  }

  func end(with code: Int) throws {
    try gate.write("\(code)\n")
    try waitForEnd()
  }

  func kill() throws {
    Glibc.kill(pid, SIGKILL)
    try waitForEnd()
  }

  /// Waits until it is a zombie or gone: then its locks are, too.
  func waitForEnd() throws {
    let hasEnded = eventually {
      guard let stat = try? File(Path("/proc/\(pid)/stat"), .read).readAll(limit: 4096) else { return true }
      return stat.isEmpty || String(decoding: stat, as: UTF8.self).contains(") Z ")
    }
    if !hasEnded { throw Failure("the handler \(pid) of \(job.name) does not end") }
  }
}
