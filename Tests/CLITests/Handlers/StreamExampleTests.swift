// The streaming handlers that are printed in the manual, run as they are printed there.

import Linux
import TestKit
import Testing

@Suite struct StreamExampleTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// Serves the mailbox with an example of the manual.
  private func subscribe(_ command: String, _ example: String) throws {
    let program = try office.write("example", try ManPage.example(example))
    try office.subscribe("\(command) \(program)", "Handler-Mode: stream", "Batch: 16")
  }

  private static let odd = "\"id\":\"$(touch owned)\", \\\\ `é` 'file':\"x\"\t{]"

  /// Sends letters whose headers might confuse a reader of lines.
  private func sendOdd(_ body: String) throws -> [String] {
    let odd = StreamExampleTests.odd
    return try [["-s", odd], ["-H", "X-Odd: " + odd], ["-t", "text/\"odd\""]].map { flags in
      let words = [Sandbox.binary, "send", "orders", "--id"] + flags.map { Path($0) }
      let sent = try office.run(words, input: Array(body.utf8))
      try #require(sent.code == 0, "\(sent.errors)")
      return try #require(sent.lines.first)
    }
  }

  /// Bytes of every kind, with lines and zeros among them.
  private let binary = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

  @Test(.needsPython) func theOneInPythonBooksEachOrderOnce() throws {
    try subscribe("python3", "python")
    try office.must(
      "send", "orders", "--lines", input: (1...60).map { "{\"order\": \($0)}\n" }.joined())
    _ = try sendOdd("{\"order\": 61}")
    try office.deliverForeign("1795765752.4242_1.shop", "X-Colour: red\nx-\"odd\": \\\n\n{\"order\": 62}")
    let broken = try office.send("no order")
    #expect(try office.post("send", "orders", input: binary).code == 0)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 64, 2], "\(watched.errors)")
    #expect(try office.note(broken).contains("attempt 1 of 20: Expecting value: line 1 column 1 (char 0)"))
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    let count = """
      import sqlite3
      for row in sqlite3.connect("spool/mailboxes/stock/book.db").execute(
          "SELECT count(*), count(DISTINCT id), max(number), sum(number) FROM orders"): print(*row)
      """
    // 61 came three times, as three letters.
    #expect(try office.run(["python3", "-c", Path(count)]).lines == ["64 64 62 \(62 * 63 / 2 + 2 * 61)"])
    // Once more: the letters have the IDs that they had.
    #expect(try office.post("replay", "stock").code == 0)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(try office.run(["python3", "-c", Path(count)]).lines.first?.hasPrefix("64 64 ") == true)
  }

  @Test func theOneInShBooksEachLetterByteForByte() throws {
    try office.subscribe("true")
    // A child writes it: we may have no descriptor open for writing when it is run.
    try office.script(
      """
      cat > spool/mailboxes/stock/book <<'END'
      #!/bin/sh
      cat > $POST_SPOOL/../body
      cat $POST_SPOOL/../body >> $POST_SPOOL/../booked
      echo booking
      case $(head -c 100 $POST_SPOOL/../body | tr -d '\\0') in
      refused) exit 65 ;;
      again) test -e $POST_SPOOL/../again || { : > $POST_SPOOL/../again; exit 1; } ;;
      esac
      END
      chmod +x spool/mailboxes/stock/book
      """)
    let program = try office.write("example", try ManPage.example("sh"))
    try office.configure(
      "stock", ["Handler: /bin/sh \(program)", "Handler-Mode: stream", "Retry: 10ms..20ms"])
    try office.sendMany(30)
    _ = try sendOdd("odd")
    let refused = try office.send("refused")
    let late = try office.send("again")
    #expect(try office.post("send", "orders", input: binary).code == 0)
    #expect(try office.post("send", "orders", input: []).code == 0)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 36, 1], "\(watched.errors)")
    #expect(office.attempts(in: "failed") == ["refused": "1"])
    #expect(try office.note(refused).contains("the handler said fail; failed for good"))
    #expect(try office.note(late).contains("attempt 1 of 20: the handler said retry; tried again"))
    #expect(watched.errors.contains("stock: booking\n"))
    #expect(!watched.errors.contains("answers no letter that it has"))
    #expect(!office.exists("spool/mailboxes/stock/owned"))
    // Tried again, the one letter may come before the last two.
    let once = Array(((1...30).map(String.init).joined() + "oddoddoddrefusedagain").utf8)
    let again = Array("again".utf8)
    let booked = try File(office.root / "booked", .readFollowing).readAll(limit: 1 << 20)
    #expect([once + binary + again, once + again + binary].contains(booked))
  }

  @Test func theOneInShSaysThatItsProgramIsMissing() throws {
    try subscribe("/bin/sh", "sh")
    try office.sendMany(3)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.entries("new") == ids)
    #expect(try office.troubles().count == 1)
  }
}
