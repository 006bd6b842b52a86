// Short programs, each run many times; and servers that run while something is measured.

import Linux
import TestKit

extension Yard {
  /// Runs at the start that are not counted: what they read is in memory then.
  private static let warmUps = 3

  /// Runs a program as often as RUNS says, and a few times before that.
  /// - Parameters:
  ///   - runs: how often; nil: RUNS.
  ///   - input: what each run finds on its standard input.
  /// - Returns: how long a run took, the median; milliseconds.
  func runs(_ runs: Int? = nil, of words: [Path], in box: Sandbox, input: String = "") throws -> Double {
    let file = try box.write("input", input)
    let count = (runs ?? scale.runs) + Yard.warmUps
    let ended = try must([try program("times"), Path(String(count)), file] + words, in: box)
    let times = ended.lines.compactMap { Double($0) }
    guard times.count == count else { throw Failure("of \(count) runs, \(times.count) were timed") }
    return median(Array(times.dropFirst(Yard.warmUps))) / 1e6
  }

  /// Runs a shell script that does something RUNS times.
  /// - Returns: how long it took for each; milliseconds.
  func loop(_ script: String, in box: Sandbox) throws -> Double {
    let text = "i=0\nwhile [ $i -lt \(scale.runs) ]; do i=$((i + 1))\n\(script)\ndone\n"
    let file = try box.write("loop.sh", "set -e\n" + text)
    try must(["/bin/sh", file], in: box)
    return try time { try must(["/bin/sh", file], in: box) } * 1e3 / Double(scale.runs)
  }

  /// Where a program of another package lies.
  /// - Throws: ``Missing``.
  func tool(_ name: String, of package: String) throws -> Path {
    for folder in ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"] {
      if (try? Directory(Path(folder)).exists(Path(name))) == true { return Path(folder) / name }
    }
    throw Missing(package: package)
  }

  /// Runs a server while `body` runs; it is gone afterwards, whatever happens.
  /// - Parameter isReady: whether it answers.
  func serving<Value>(
    _ words: [Path], in box: Sandbox, once isReady: () throws -> Bool, _ body: () throws -> Value
  ) throws -> Value {
    let server = try box.start(words)
    defer {
      server.kill(.kill)
      _ = try? server.wait()
    }
    try wait(for: server, in: box, lookingEvery: 10, atMost: 10, until: isReady)
    return try body()
  }
}
