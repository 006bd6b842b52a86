// A fresh office for one test, the real binary, and ways to wait for a condition.

import Glibc
import Linux

/// A fresh directory with a spool in it; gone with the test.
package final class Sandbox: Sendable {
  /// The directory; the spool is `spool` in it and does not exist at first.
  package let root: Path
  package let spool: Path

  /// The binary under test: `$POST_BINARY`, else the one beside the test binary.
  package static let binary: Path = {
    if let named = Host.environment("POST_BINARY") { return named }
    let tests = (try? Directory("/proc/self").readSymlink("exe")) ?? "/"
    return tests.parent / "post"
  }()

  /// A file system without a disk, for tests that run many commands and need none; nil if there is none.
  package static let memory: Path? = Host.mayWrite("/dev/shm") ? "/dev/shm" : nil

  /// The watchers that were started in it. One thread uses a sandbox at a time.
  private final class Watchers: @unchecked Sendable { var all: [Running] = [] }
  private let watchers = Watchers()

  /// - Parameter base: where it is made; nil: where temporary files go.
  package init(in base: Path? = nil) throws {
    let base = base ?? Host.environment("TMPDIR") ?? "/tmp"
    root = base / "post-test-\(Host.processID)-\(Host.random)"
    spool = root / "spool"
    try Directory(base).makeDirectory(root.name)
  }

  deinit {
    for watcher in watchers.all { watcher.end() }
    // A large spool on a slow disk takes its time.
    _ = try? start(["rm", "-rf", root]).wait(atMost: 600)
  }

  /// Ends a program, and reaps it, when the sandbox goes.
  package func keep(_ watcher: Running) { watchers.all.append(watcher) }

  /// How a program ended, and what it printed.
  package struct Run: Sendable {
    /// The exit code; 128 and the number of the signal that ended it.
    package let code: Int32
    package let output: [UInt8]
    package let errors: String

    package var text: String { String(decoding: output, as: UTF8.self) }
    package var lines: [String] { text.split(separator: "\n").map(String.init) }
  }

  /// Runs `post` to its end.
  package func post(
    _ words: String..., input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Run {
    try run([Sandbox.binary] + words.map { Path($0) }, input: input, environment: environment)
  }

  /// Runs a shell script to its end; `post` is on its PATH, `$POST_SPOOL` is the spool, the current
  /// directory the sandbox.
  package func shell(_ script: String, input: [UInt8] = []) throws -> Run {
    try run(["/bin/bash", "-c", Path(script)], input: input)
  }

  /// Runs any program to its end.
  package func run(
    _ words: [Path], input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Run {
    try start(words, input: input, environment: environment).wait()
  }

  /// Starts `post` and does not wait for it.
  package func startPost(_ words: String..., environment: [String: String] = [:]) throws -> Running {
    try start([Sandbox.binary] + words.map { Path($0) }, environment: environment)
  }

  package func start(
    _ words: [Path], input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Running {
    let stdin = try File.inMemory()
    try stdin.write(input)
    try stdin.seek(to: 0)
    var variables = [
      "POST_SPOOL": spool.description, "HOME": root.description, "LC_ALL": "C.UTF-8",
      "PATH": "\(Sandbox.binary.parent):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    variables.merge(environment) { $1 }
    return try Running(
      words, environment: variables.map { Path("\($0.key)=\($0.value)") }, input: stdin, folder: root)
  }

  /// Writes a file in the sandbox; a name that ends in `.sh` becomes executable.
  @discardableResult
  package func write(_ name: String, _ content: String) throws -> Path {
    let path = root / name
    let folder = try Directory(path.parent)
    _ = try? folder.remove(path.name)
    let mode: UInt32 = name.hasSuffix(".sh") ? 0o755 : 0o644
    try folder.open(path.name, .create(permissions: mode)).write(content)
    return path
  }

  package func read(_ name: String) throws -> String {
    String(decoding: try File(root / name, .readFollowing).readAll(limit: 1 << 30), as: UTF8.self)
  }

  /// The names in a directory of the sandbox, in order; a missing one has none.
  package func names(in folder: String) -> [String] {
    ((try? Directory(root / folder).names()) ?? []).map(\.description)
  }
}

extension Host {
  /// Whether this process may make files in a directory.
  fileprivate static func mayWrite(_ folder: Path) -> Bool { access(folder.description, W_OK | X_OK) == 0 }
}

/// A program that was started.
package final class Running {
  private var child: Child?
  private let output: File
  private let errors: File
  package let pid: Int32

  fileprivate init(_ words: [Path], environment: [Path], input: borrowing File, folder: Path) throws {
    output = try File.inMemory()
    errors = try File.inMemory()
    let child = try Child(
      words, environment: environment, input: input.descriptor, output: .descriptor(output.descriptor),
      errors: .descriptor(errors.descriptor), folder: folder)
    pid = child.pid
    self.child = consume child
  }

  deinit { end() }

  /// Kills and reaps it, unless that is done. A zombie would make Swift Testing's wait for exit tests spin.
  fileprivate func end() {
    guard let child = child.take() else { return }
    child.signal(.kill)
    _ = try? child.reap()
  }

  /// Sends a signal to the program and all it started in its own process group.
  package func kill(_ signal: Signal) { child?.signal(signal) }

  package var hasEnded: Bool { (try? child?.hasEnded()) ?? true }

  /// What it has printed so far.
  package var outputSoFar: String { Running.content(output) }
  package var errorsSoFar: String { Running.content(errors) }

  /// Waits for its end.
  /// - Parameters:
  ///   - seconds: the longest wait; then it is killed.
  ///   - interruption: a descriptor; the program is also killed once that can be read.
  package func wait(
    atMost seconds: Int64 = 60, orUntilReadable interruption: Int32? = nil
  ) throws -> Sandbox.Run {
    guard let child = child.take() else { throw Failure("waited for twice") }
    let ready = try waitReadable(
      [child.endDescriptor, interruption], atMost: seconds * 1_000_000_000)
    if !ready[0] { child.signal(.kill) }
    let code: Int32 =
      switch try child.reap() {
      case .code(let code): code
      case .signal(let number): 128 + number
      }
    try output.seek(to: 0)
    return Sandbox.Run(
      code: code, output: try output.readAll(limit: 1 << 30), errors: Running.content(errors))
  }

  /// The descriptor's position is shared with the program, so it is read without moving it.
  private static func content(_ file: borrowing File) -> String {
    let size = Int((try? file.status().size) ?? 0)
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    bytes.withUnsafeMutableBytes { buffer in
      while filled < size {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
        guard let count = try? file.read(into: rest, at: Int64(filled)), count > 0 else { break }
        filled += count
      }
    }
    return String(decoding: bytes[..<filled], as: UTF8.self)
  }
}

package struct Failure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// Waits until something is true.
/// - Returns: false if it was not within the limit.
package func eventually(within seconds: Int64 = 30, _ isTrue: () throws -> Bool) rethrows -> Bool {
  let deadline = Clock.monotonic + seconds * 1_000_000_000
  while true {
    if try isTrue() { return true }
    if Clock.monotonic > deadline { return false }
    _ = try? waitReadable([], atMost: 5_000_000)
  }
}
