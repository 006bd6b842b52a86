// One handler process for all letters: it reads them as lines of JSON, and answers each with a line.

import Linux
import TestKit

enum StreamRows {
  static let all = [stream]

  private static let stream = Row(
    "stream, Handler-Mode: stream", [Figure("", .perSecond, goal: "20000/s")],
    note: "10 x LETTERS",
    peers: [Peer("the same Python handler, fed by cat") { try feed($0) }]
  ) { yard in
    let settings = ["Handler: \(try handler(yard))", "Handler-Mode: stream"]
    return [try ThroughputRows.rate(yard, settings, letters: yard.scale.manyLetters)]
  }

  private static func handler(_ yard: Yard) throws -> String {
    guard Machine.hasPython else { throw Failure("python3 is not here") }
    return "python3 \(yard.source("stream.py"))"
  }

  /// Lines a second that the handler itself answers, when all of them are there.
  private static func feed(_ yard: Yard) throws -> [Double] {
    let count = yard.scale.manyLetters
    let lines = (1...count).map { number in
      """
      {"id":"1700000000.M123456R0123abcdP4711Q\(number)@host","attempt":1,"topic":"orders","body_offset":210,\
      "file":"/var/spool/post/mailboxes/stock/cur/1700000000.M123456R0123abcdP4711Q\(number).host",\
      "headers":{"Date":"Tue, 14 Nov 2023 22:13:20 +0000","From":"user@host","Content-Length":"12"}}

      """
    }
    let box = try Sandbox()
    try box.write("lines", lines.joined())
    let pipes = "cat lines | \(try handler(yard)) | cat > answers"
    let seconds = try yard.time { try yard.must(["/bin/sh", "-c", Path(pipes)], in: box) }
    let answers = try box.read("answers").utf8.count { $0 == UInt8(ascii: "\n") }
    guard answers == count else { throw Failure("of \(count) lines, \(answers) are answered") }
    return [Double(count) / seconds]
  }
}
