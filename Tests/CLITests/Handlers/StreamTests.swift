// Handlers that are kept running: they get letters as lines, and answer with lines.

import Linux
import TestKit
import Testing

@Suite struct StreamTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  private func ids(of place: String) -> [String] {
    office.entries(place).map { name in String(name.prefix { $0 != "," }) }
  }

  /// The IDs in the mailbox's log, in the order in which the letters ended.
  private func ended() throws -> [String] {
    let day = try #require(office.entries("log").first)
    return office.lines(of: "spool/mailboxes/stock/log/\(day)").map {
      String($0.split(separator: " ")[2])
    }
  }

  @Test func oneHandlerIsStartedForManyLettersInTheirOrder() throws {
    try office.stream("while next; do echo $id >> $out/given; echo done $id; done")
    try office.sendMany(200)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.starts.count == 1)
    #expect(office.lines(of: "given") == ids)
    #expect(office.counts() == [0, 0, 0, 200, 0])
    #expect(Set(office.attempts(in: "done").values) == ["1"])
  }

  @Test func noHandlerIsStartedWithoutLetters() throws {
    try office.stream("while next; do echo done $id; done")
    let watcher = try office.startWatcher()
    #expect(watcher.rest() != nil)
    #expect(office.starts.isEmpty)
    try office.send()
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(office.starts.count == 1)
  }

  @Test func aRunningHandlerGetsWhatIsSentLater() throws {
    try office.stream("while next; do echo done $id; done")
    let watcher = try office.startWatcher()
    for number in 1...5 {
      try office.send("\(number)")
      #expect(eventually { office.counts() == [0, 0, 0, number, 0] })
    }
    #expect(office.starts.count == 1)
    #expect(!watcher.hasEnded)
  }

  @Test func answersDecideAndTheirReasonsAreNoted() throws {
    try office.stream(
      """
      while next; do
        case $body in
        out) echo "no paper" >&2; test $attempt = 2 && echo done $id || echo retry $id out of ink ;;
        bad) echo fail $id no such article ;;
        poor) echo fail $id ;;
        *) echo done $id ;;
        esac
      done
      """)
    let out = try office.send("out")
    let bad = try office.send("bad")
    let poor = try office.send("poor")
    try office.send("good")
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 2, 2])
    #expect(office.attempts(in: "done") == ["out": "2", "good": "1"])
    #expect(office.attempts(in: "failed") == ["bad": "1", "poor": "1"])
    #expect(try office.note(out).contains("attempt 1 of 20: out of ink; tried again in 10ms"))
    #expect(try office.note(out).contains("    no paper\n"))
    #expect(try office.note(bad).contains("attempt 1 of 20: no such article; failed for good"))
    #expect(try office.note(poor).contains("the handler said fail"))
    #expect(office.starts.count == 1)
  }

  @Test func aLetterThatIsAlwaysRetriedFailsAfterItsTries() throws {
    try office.stream(
      "while next; do test $body = 3 && echo retry $id || echo done $id; done", "Tries: 3")
    try office.sendMany(10)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.attempts(in: "failed") == ["3": "3"])
    #expect(office.counts() == [0, 0, 0, 9, 1])
    #expect(office.starts.count == 1)
  }

  @Test func answersMayComeInAnyOrder() throws {
    try office.stream(
      """
      while next; do
        all="$id $all"; n=$((n + 1))
        if test $n = 5; then for one in $all; do echo done $one; done; all= n=0; fi
      done
      """, "Batch: 5")
    try office.sendMany(15)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 15, 0])
    let expected = stride(from: 0, to: 15, by: 5).flatMap { ids[$0..<($0 + 5)].reversed() }
    #expect(try ended() == expected)
  }

  @Test(arguments: [1, 4]) func aHandlerThatNeverAnswersGetsNoMoreThanABatch(batch: Int) throws {
    try office.stream("while next; do echo $id >> $out/given; done", "Batch: \(batch)")
    try office.sendMany(10)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "given").count == batch })
    #expect(watcher.rest() != nil)
    #expect(office.lines(of: "given").count == batch)
    #expect(office.counts() == [10 - batch, batch, 0, 0, 0])
  }

  @Test func asManyHandlersAsParallelSaysEachWithItsOwnLetters() throws {
    try office.stream(
      "while next; do echo $$ $id >> $out/given; await go; echo done $id; done", "Batch: 3", "Parallel: 2")
    try office.sendMany(20)
    let watcher = try office.startWatcher()
    #expect(eventually { office.starts.count == 2 && office.lines(of: "given").count == 2 })
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [14, 6, 0, 0, 0])
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 20, 0] })
    #expect(office.starts.count == 2)
    #expect(Set(office.lines(of: "given").map { $0.split(separator: " ")[1] }).count == 20)
    #expect(office.lines(of: "given").count == 20)
  }

  @Test func whatIsNoAnswerIsToldOfAndIgnored() throws {
    try office.stream(
      "echo hello; while next; do echo done nobody; echo; printf 'a\\033b\\n'; echo done $id; echo done $id; done"
    )
    try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 1, 0])
    let warnings = watched.errors.split(separator: "\n").filter { $0.contains("answers no letter") }
    #expect(warnings.count == 5)
    #expect(warnings.first?.contains("mailbox stock: the handler said 'hello'") == true)
    #expect(warnings.contains { $0.contains("'done nobody'") })
    #expect(!watched.errors.contains("\u{1b}"))
  }

  @Test func anAnswerMayComeInPieces() throws {
    try office.stream("while next; do printf do; sleep 0.05; printf \"ne $id\"; sleep 0.05; echo; done")
    try office.sendMany(3)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0 && watched.errors == "")
    #expect(office.counts() == [0, 0, 0, 3, 0])
  }

  @Test func anEndlessLineIsNoAnswerAndDoesNoHarm() throws {
    try office.stream(
      "while next; do head -c 300000 /dev/zero | tr '\\0' x; echo; echo done $id; done")
    try office.sendMany(2)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 2, 0])
  }

  @Test func theHandlerIsGoneWhenTheWatcherHasEnded() throws {
    try office.stream("while next; do echo done $id; done; echo end >> $out/ends")
    try office.sendMany(5)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.lines(of: "ends") == ["end"])
    #expect(office.starts.count == 1 && !office.isAlive(office.starts[0]))
  }

  @Test func aHandlerThatIsStoppedAnswersWhatItHas() throws {
    try office.stream(
      """
      while next; do all="$all $id"; echo $id >> $out/given; done
      for one in $all; do echo done $one; done
      """, "Batch: 3")
    try office.sendMany(5)
    let ids = office.entries("new")
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "given").count == 3 })
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    #expect(self.ids(of: "done").sorted() == Array(ids[..<3]))
    #expect(office.entries("new") == Array(ids[3...]))
  }

  @Test func whatAStoppedHandlerDoesNotAnswerIsGivenBack() throws {
    try office.stream("while next; do echo $id >> $out/given; done", "Batch: 3")
    try office.sendMany(5)
    let ids = office.entries("new")
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "given").count == 3 })
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    #expect(office.entries("new") == ids)
  }

  @Test func anotherHandlerInTheSettingsGetsTheNextLetters() throws {
    try office.stream(
      """
      while next; do echo old $body >> $out/given; await go; echo done $id; done
      echo over >> $out/old
      """, "Batch: 2")
    try office.sendMany(6)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "given").count == 1 })
    #expect(watcher.rest() != nil)
    try office.configureStream(
      "while next; do echo new $body >> $out/given; echo done $id; done", name: "other")
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 6, 0] })
    #expect(eventually { office.lines(of: "old") == ["over"] })
    #expect(Set(office.lines(of: "given")) == ["old 1", "old 2", "new 3", "new 4", "new 5", "new 6"])
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    #expect(eventually { !office.isAlive(office.starts[0]) })
    #expect(!watcher.hasEnded)
  }
}
