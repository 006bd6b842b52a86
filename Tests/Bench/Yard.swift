// Where the bench runs: spools, helper programs, and the clock. Everything made here is gone at the end, also
// when the bench is interrupted: then it kills the running programs and unwinds with `Interrupted`.

import Linux
import TestKit

/// The operator pressed ^C. It ends the bench, not just a row.
struct Interrupted: Error {}

final class Yard {
  let scale = Scale()
  /// The load average before the bench added to it.
  let load = Title.word(of: "/proc/loadavg")
  /// The helper programs.
  let shed: Sandbox
  /// Spools to copy from; in memory, where sending is quick, if there is room.
  private let shelf: Sandbox
  private var prepared = Set<String>()
  /// Spools that several measures use.
  private var keeping = [String: Sandbox]()
  private var compiled = [String: Path]()
  private let signals: SignalFile

  /// The longest that any one program may take, seconds.
  static let limit: Int64 = 3600
  /// What a file system in memory must have free to be used, bytes.
  private static let shelfSpace: Int64 = 1 << 30
  private static let sources = Path(#filePath).parent

  init() throws {
    signals = try SignalFile([.interrupt, .terminate, .hangUp])
    shed = try Sandbox()
    let memory = Sandbox.memory.flatMap { folder in
      (try? Directory(folder).space().free).map { $0 >= Yard.shelfSpace } == true ? folder : nil
    }
    shelf = try Sandbox(in: memory)
  }

  // MARK: Programs

  /// A file of this folder, as it is.
  func source(_ name: String) -> Path { Yard.sources / name }

  /// A program whose C source lies in this folder, compiled when first asked for, and statically: what the
  /// dynamic linker does is not to be measured.
  func program(_ name: String) throws -> Path {
    if let made = compiled[name] { return made }
    let target = shed.root / name
    var said = ""
    for compiler in ["cc", "clang"] {
      let words: [Path] = [Path(compiler), "-O2", "-static", "-o", target, source(name + ".c")]
      let ended: Sandbox.Run
      do { ended = try run(words, in: shed) } catch let error as Errno where error == .noEntry { continue }
      if ended.code == 0 {
        compiled[name] = target
        return target
      }
      said = ended.errors
    }
    let reason = said.isEmpty ? "neither cc nor clang is here" : "\(said.prefix { $0 != "\n" })"
    throw Failure("cannot compile \(name).c: \(reason)")
  }

  /// Runs a program to its end.
  func run(
    _ words: [Path], in box: Sandbox, input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Sandbox.Run {
    try end(of: try box.start(words, input: input, environment: environment))
  }

  /// Runs a program, which must succeed.
  @discardableResult
  func must(_ words: [Path], in box: Sandbox, input: [UInt8] = []) throws -> Sandbox.Run {
    let ended = try run(words, in: box, input: input)
    guard ended.code == 0 else { throw Failure(reason(ended, in: box)) }
    return ended
  }

  /// Runs `post`, which must succeed.
  @discardableResult
  func post(_ words: String..., in box: Sandbox, input: String = "") throws -> Sandbox.Run {
    try must([Sandbox.binary] + words.map { Path($0) }, in: box, input: Array(input.utf8))
  }

  /// Waits for a program's end.
  func end(of running: Running) throws -> Sandbox.Run {
    let ended = try running.wait(atMost: Yard.limit, orUntilReadable: signals.file.descriptor)
    try goOn()
    return ended
  }

  /// Asks a watcher to stop; if it has ended by itself, throws its reason.
  func stop(_ watcher: Running, in box: Sandbox) throws {
    let hasEnded = watcher.hasEnded
    watcher.kill(.terminate)
    let ended = try end(of: watcher)
    if hasEnded || ended.code != 0 { throw Failure(reason(ended, in: box)) }
  }

  /// Why a program failed: its first words, without the place of the sandbox.
  private func reason(_ ended: Sandbox.Run, in box: Sandbox) -> String {
    let words = ended.errors.split(separator: "\n").first ?? "it says nothing"
    let short = words.replacing("\(box.spool)/", with: "").replacing("post: ", with: "").prefix { $0 != ";" }
    return "exit \(ended.code), \(short)"
  }

  // MARK: Time

  /// - Returns: seconds.
  func time(_ work: () throws -> Void) rethrows -> Double {
    let start = Clock.monotonic
    try work()
    return Double(Clock.monotonic - start) / 1e9
  }

  func pause(milliseconds: Int64) throws {
    _ = try waitReadable([signals.file.descriptor], atMost: milliseconds * 1_000_000)
    try goOn()
  }

  /// Waits until something is true; if a watcher ends meanwhile, throws its reason.
  func wait(
    for watcher: Running, in box: Sandbox, lookingEvery milliseconds: Int64, atMost seconds: Int64 = limit,
    until isTrue: () throws -> Bool
  ) throws {
    let deadline = Clock.monotonic + seconds * 1_000_000_000
    while try !isTrue() {
      if watcher.hasEnded { throw Failure(reason(try end(of: watcher), in: box)) }
      guard Clock.monotonic < deadline else { throw Failure("not done after \(seconds) s") }
      try pause(milliseconds: milliseconds)
    }
  }

  private func goOn() throws {
    if try waitReadable([signals.file.descriptor], atMost: 0)[0] { throw Interrupted() }
  }

  // MARK: Spools

  /// A fresh spool, like the prepared one of this name, which is made when first asked for. What is
  /// still to be written is written before the spool is handed out: that work does not belong to the measurement.
  /// - Parameter base: where it is; nil: on disk.
  func spool(
    _ name: String, on base: Path? = nil, preparedBy prepare: (Sandbox) throws -> Void
  ) throws -> Sandbox {
    let original = shelf.root / name
    if !prepared.contains(name) {
      // What another row could not finish is of no use to this row.
      try must(["rm", "-rf", shelf.spool], in: shed)
      try prepare(shelf)
      try Directory(shelf.root).rename("spool", to: try Directory(shelf.root), Path(name))
      prepared.insert(name)
    }
    let box = try Sandbox(in: base)
    try must(["cp", "-a", original, box.spool], in: box)
    try Directory(box.root).syncFileSystem()
    return box
  }

  /// A spool on disk that is made when first asked for, and then used by all rows that ask for this name.
  func kept(_ name: String, preparedBy prepare: (Sandbox) throws -> Void) throws -> Sandbox {
    if let box = keeping[name] { return box }
    let box = try Sandbox()
    try prepare(box)
    try Directory(box.root).syncFileSystem()
    keeping[name] = box
    return box
  }

  /// A fresh spool with a mailbox `stock`, in which so many letters of the topic `orders` wait.
  func spool(waiting letters: Int) throws -> Sandbox {
    try spool("\(letters)-letters") { try fill($0, letters: letters) }
  }

  /// Makes a mailbox `stock`, in which so many letters of the topic `orders` wait.
  func fill(_ box: Sandbox, letters: Int) throws {
    try post("subscribe", "stock", "orders", in: box)
    let bodies = (1...letters).map { "letter \($0)\n" }.joined()
    try post("send", "orders", "--lines", in: box, input: bodies)
  }

  /// Gives a mailbox its settings.
  func configure(_ mailbox: String, _ lines: [String], in box: Sandbox) throws {
    try box.write("spool/mailboxes/\(mailbox)/mailbox.conf", lines.map { $0 + "\n" }.joined())
  }

  /// How many letters are in a place of a mailbox, its bags included.
  func count(_ place: String, of mailbox: String = "stock", in box: Sandbox) throws -> Int {
    let root = try Directory(box.spool / "mailboxes/\(mailbox)")
    let bags = ((try? root.directory("bags").names()) ?? []).filter { "\($0)".hasPrefix("\(place).") }
    var count = 0
    for folder in [Path(place)] + bags.map({ "bags" / $0 }) {
      try? root.directory(folder).forEachName { _ in count += 1 }
    }
    return count
  }
}
