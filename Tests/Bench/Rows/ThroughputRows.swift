// Letters that wait already: how many a second a watcher hands to handlers that do nothing, from its
// start to its end. The peer runs the same handlers without a letter: posix_spawn(3) and waitpid(2) in C.

import Linux
import TestKit

enum ThroughputRows {
  static let all = parallels.map(row) + [batch]

  /// One handler, two, and as many as there are processors.
  private static let parallels = Set([1, 2, Title.processors]).sorted()

  private static func row(_ parallel: Int) -> Row {
    Row(
      "throughput, Parallel: \(parallel)", [Figure("", .perSecond)], note: "",
      peers: [
        Peer("C loop of spawn and wait, \(parallel) at once", goal: parallel == 1 ? 0.7 : nil) { yard in
          try spawn(yard, parallel: parallel)
        }
      ]
    ) { yard in
      let settings = ["Handler: \(try yard.program("succeed"))", "Parallel: \(parallel)"]
      return [try rate(yard, settings, letters: yard.scale.letters)]
    }
  }

  private static let batch = Row(
    "batch, Batch: 100", [Figure("", .perSecond)],
    note: "10 x LETTERS",
    peers: [Peer("C loop, a process for each letter") { yard in try spawn(yard, parallel: 1) }]
  ) { yard in
    let settings = ["Handler: \(try yard.program("succeed"))", "Batch: 100"]
    return [try rate(yard, settings, letters: yard.scale.manyLetters)]
  }

  /// Letters a second, from the start of a watcher to its end.
  static func rate(_ yard: Yard, _ settings: [String], letters: Int) throws -> Double {
    let box = try yard.spool(waiting: letters)
    try yard.configure("stock", settings, in: box)
    let seconds = try yard.time { try yard.post("watch", "stock", "--until-empty", in: box) }
    let done = try yard.count("done", in: box)
    guard done == letters else { throw Failure("of \(letters) letters, \(done) are done") }
    return Double(letters) / seconds
  }

  /// Programs a second, without any letters.
  static func spawn(_ yard: Yard, parallel: Int) throws -> [Double] {
    let count = yard.scale.letters
    let words = [
      try yard.program("spawn"), Path(String(count)), Path(String(parallel)), try yard.program("succeed"),
    ]
    return [Double(count) / (try yard.time { try yard.must(words, in: yard.shed) })]
  }
}
