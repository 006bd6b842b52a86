// Letters whose headers no environment can hold: execve(2) refuses them with E2BIG. It is the letter's fault, so the
// letter fails, with a note, and no other letter waits for it. If the watcher's own environment is too large, that is
// not the letter's fault.

import Linux
import TestKit
import Testing

@Suite struct TooLargeTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.subscribe("cat >> $POST_SPOOL/../handled", "Tries: 5")
  }

  /// Headers that are too large, and the limit of the stack under which they are.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Prints the headers.
    let headers: String
    /// Kilobytes, as ulimit(1) has it: a quarter of it is for arguments and environment.
    var stack = 8192
    /// How much is in the watcher's own environment, bytes in pieces of 100 000.
    var own = 0
  }

  private static func header(_ name: String, _ bytes: Int) -> String {
    "printf '%s: ' \(name); head -c \(bytes) /dev/zero | tr '\\0' '\\351'; echo"
  }
  private static let middling = "for n in $(seq 40); do \(header("X-$n", 1500)); done"

  private static let cases: [Case] = [
    // Each byte that is not UTF-8 becomes three; no header block is longer than 64 KiB.
    Case(testDescription: "one of 44 KB of 8-bit text", headers: header("X-Long", 45_000)),
    Case(testDescription: "one that is just too long", headers: header("X-Long", 43_687)),
    Case(testDescription: "many middling ones", headers: middling, stack: 512),
    Case(
      testDescription: "many small ones", headers: "for n in $(seq 5000); do echo \"X-$n: y\"; done",
      stack: 512),
    Case(testDescription: "middling ones beside much of our own", headers: middling, stack: 2048, own: 4),
  ]

  /// Delivers it as a foreign program does. No header that post writes is so long.
  private func deliverAlone(_ one: Case) throws {
    try box.script(
      """
      cd spool/topics/orders; name=$(date +%s).4242_1.shop
      { \(one.headers); printf '\\ntoo large\\n'; } > tmp/$name; mv tmp/$name new/; post sweep
      """)
  }

  /// Delivers it between two good letters.
  private func deliver(_ one: Case) throws {
    try box.send("before\n")
    try deliverAlone(one)
    try box.send("behind\n")
  }

  /// Runs `post` with the limit and the environment of a case.
  private func post(_ words: String, _ one: Case) throws -> Sandbox.Run {
    let own =
      one.own == 0 ? "" : (1...one.own).map { "OWN_\($0)=$(head -c 100000 /dev/zero | tr '\\0' x) " }.joined()
    return try box.shell("ulimit -Ss \(one.stack); \(own)exec post \(words)")
  }

  private func expectItFailed(of attempts: Int = 1) throws {
    #expect(box.counts() == [0, 0, 0, 2, 1])
    let failed = try #require(box.entries("failed").first)
    #expect(failed.contains(",A=1") && !failed.contains(",B="))
    let note = try box.note(String(failed.prefix { $0 != "," }))
    #expect(note.contains("headers") || note.contains("environment"), "\(note)")
    #expect(note.split(separator: "\n").count == 1, "\(note)")
    #expect(try box.troubles().allSatisfy { !$0.contains("broken") && !$0.contains("cannot be started") })
  }

  @Test(arguments: cases) func itFailsAndTheMailboxGoesOn(one: Case) throws {
    try deliver(one)
    let watched = try post("watch --until-empty", one)
    #expect(watched.code == 0, "exit \(watched.code): \(watched.errors)")
    #expect(try box.read("handled") == "before\nbehind\n")
    try expectItFailed()
    #expect(watched.errors.split(separator: "\n").allSatisfy { $0.utf8.count < 1000 })
  }

  @Test(arguments: cases) func aReaderSaysThatOneOfSeveralIsNotDone(one: Case) throws {
    try deliver(one)
    let read = try post("read stock --all -- cat", one)
    #expect(read.code == 75, "\(read.errors)")
    #expect(read.text == "before\nbehind\n")
    try expectItFailed()
  }

  @Test(arguments: cases) func aReaderOfItAloneSaysThatItIsBad(one: Case) throws {
    try box.send("before\n")
    #expect(try box.must("read", "stock") == "before\n")
    try deliverAlone(one)
    let read = try post("read stock -- cat", one)
    #expect(read.code == 65 && read.text == "", "\(read.errors)")
    try box.send("behind\n")
    #expect(try box.must("read", "stock") == "behind\n")
    try expectItFailed()
  }

  /// Files and lines hold any headers.
  @Test(arguments: cases, ["Batch: 5", "Handler-Mode: stream"])
  func batchesAndStreamsGetIt(one: Case, mode: String) throws {
    let program =
      mode.hasPrefix("Batch")
      ? "for f; do tail -n 1 \"$f\" >> $POST_SPOOL/../handled; done"
      : #"while IFS= read -r l; do id=$(printf '%s\n' "$l" | LC_ALL=C sed 's/.*"id":"\([^"]*\)".*/\1/'); tail -n 1 $POST_SPOOL/mailboxes/stock/cur/$id,* >> $POST_SPOOL/../handled; echo "done $id"; done"#
    try box.configure("stock", ["Handler: exec \(try box.program(program))", mode])
    try deliver(one)
    #expect(try post("watch --until-empty", one).code == 0)
    #expect(box.counts() == [0, 0, 0, 3, 0])
    #expect(box.lines(of: "handled").sorted() == ["before", "behind", "too large"])
  }

  @Test func aLongHeaderThatFitsIsHandedOn() throws {
    let one = Case(
      testDescription: "", headers: "printf 'X-Long: '; head -c 60000 /dev/zero | tr '\\0' x; echo")
    try deliver(one)
    try box.configure("stock", ["Handler: echo ${#POST_HEADER_X_LONG}"])
    #expect(try box.watchUntilEmpty().lines.sorted() == ["0", "0", "60000"])
  }

  // MARK: Not the letter's fault

  /// Nothing could be started with such an environment: the handler is broken, and no letter pays for it.
  @Test func anEnvironmentOfOursThatIsTooLargeLetsTheLettersWait() throws {
    try box.send("one\n")
    let ids = box.entries("new")
    // The watcher itself must start: the test lowers its limit afterwards.
    let watcher = try box.start([
      "/bin/bash", "-c",
      Path(
        "for n in $(seq 12); do export OWN_$n=$(head -c 100000 /dev/zero | tr '\\0' x); done; exec post watch"
      ),
    ])
    #expect(eventually { watcher.sleepsInPoll || box.counts()[3] == 1 })
    #expect(eventually { box.counts() == [0, 0, 0, 1, 0] })
    try box.script("prlimit --pid \(watcher.pid) --stack=524288:")
    let id = try box.send("two\n")
    #expect(try eventually { try !box.troubles().isEmpty })
    #expect(watcher.sleepsInPoll || eventually { watcher.sleepsInPoll })
    #expect(box.entries("new") == [id] && ids != [id])
    #expect(box.counts() == [1, 0, 0, 1, 0])
    // Once mended, it goes on by itself.
    try box.script("prlimit --pid \(watcher.pid) --stack=8388608:")
    #expect(eventually(within: 60) { box.counts() == [0, 0, 0, 2, 0] })
    watcher.kill(.kill)
    _ = try watcher.wait()
  }

  @Test func aCommandLineThatIsTooLongIsNotTheLettersFault() throws {
    try box.send("one\n")
    let words = try box.script("head -c 120000 /dev/zero | tr '\\0' x")
    // A shell that post gives such a word: longer than one string may be.
    try box.configure("stock", ["Handler: true '\(words)\(words.prefix(20_000))'"])
    let watched = try box.startPost("watch", "--until-empty").wait(atMost: 30)
    #expect(watched.code == 78, "\(watched.errors.prefix(300))")
    #expect(box.counts() == [1, 0, 0, 0, 0])
    #expect(box.entries("new").allSatisfy { !$0.contains(",A=") })
  }

  /// A batch of more files than the kernel takes arguments is cut, and every letter handled.
  @Test func aBatchOfMoreFilesThanFitIsHandledAllTheSame() throws {
    try box.configure(
      "stock",
      ["Handler: exec \(try box.program("for f; do echo >> $POST_SPOOL/../count; done"))", "Batch: 1000"])
    try box.sendMany(1000)
    let watched = try box.shell("ulimit -Ss 512; exec post watch --until-empty")
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(box.counts() == [0, 0, 0, 1000, 0])
    #expect(try box.read("count").utf8.count == 1000)
  }
}
