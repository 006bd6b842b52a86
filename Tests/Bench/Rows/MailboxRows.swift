// A watcher of very many mailboxes: its latency, its memory, and how often it wakes with nothing to do.

import Linux
import TestKit

enum MailboxRows {
  static let all = [many]

  /// Each topic gets so many letters, and each mailbox has one topic.
  private static let topics = 10
  private static let lettersOfTopic = 100
  /// How long it has nothing to do before its wake-ups are counted, and then how long they are counted. Milliseconds.
  private static let settling: Int64 = 3000
  private static let counted: Int64 = 10_000

  private static let many = Row(
    "many mailboxes",
    [
      Figure("letters", .perSecond), Figure("peak memory", .mebibytes),
      Figure("wake-ups in 10 s, all done", .times),
    ], rounds: 1,
    note: "\(topics) topics, \(lettersOfTopic) letters each",
    peers: [
      Peer("C loop of spawn and wait, \(Title.processors) at once") { yard in
        try ThroughputRows.spawn(yard, parallel: Title.processors)
      }
    ]
  ) { yard in
    let names = (1...yard.scale.mailboxes).map { "box\($0)" }
    let box = try yard.spool("many-mailboxes") { try prepare($0, names, yard) }
    let watcher = try box.startPost("watch")
    let seconds = try yard.time {
      // One after the other: polling all of them would be work of the bench that is measured too.
      for name in names {
        try yard.wait(for: watcher, in: box, lookingEvery: 10) {
          try yard.count("done", of: name, in: box) == lettersOfTopic
        }
      }
    }
    try yard.pause(milliseconds: settling)
    let before = try status("voluntary_ctxt_switches", of: watcher)
    try yard.pause(milliseconds: counted)
    let wakeUps = try status("voluntary_ctxt_switches", of: watcher) - before
    let memory = try status("VmHWM", of: watcher)
    try yard.stop(watcher, in: box)
    return [Double(names.count * lettersOfTopic) / seconds, Double(memory) / 1024, Double(wakeUps)]
  }

  private static func prepare(_ box: Sandbox, _ names: [String], _ yard: Yard) throws {
    let handler = try yard.program("succeed")
    for (index, name) in names.enumerated() {
      try yard.post("subscribe", name, "topic\(index % topics)", in: box)
      try yard.configure(name, ["Handler: \(handler)"], in: box)
    }
    let bodies = (1...lettersOfTopic).map { "letter \($0)\n" }.joined()
    for topic in 0..<min(topics, names.count) {
      try yard.post("send", "topic\(topic)", "--lines", in: box, input: bodies)
    }
  }

  /// A number of /proc/PID/status; memory is in KiB.
  static func status(_ name: String, of program: Running) throws -> Int {
    let text = String(
      decoding: try File(Path("/proc/\(program.pid)/status"), .read).readAll(limit: 1 << 16), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    guard let number = line.flatMap({ Int($0.filter(\.isNumber)) }) else {
      throw Failure("/proc tells no \(name)")
    }
    return number
  }
}
