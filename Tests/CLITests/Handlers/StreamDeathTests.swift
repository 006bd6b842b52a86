// Streaming handlers that die, stop answering or cannot run, and watchers that die before them.

import Linux
import TestKit
import Testing

@Suite struct StreamDeathTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test func theLettersInADyingHandlersHandsAreTriedAgainAndOnlyThose() throws {
    try office.stream(
      """
      if ! test -e $out/died; then
        for n in 1 2 3 4 5; do next; done
        echo > $out/died
        exit 1
      fi
      while next; do echo done $id; done
      """, "Batch: 5")
    try office.sendMany(12)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(watched.errors.contains("the handler exited with 1, with 5 letters unanswered"))
    #expect(office.starts.count == 2)
    #expect(office.counts() == [0, 0, 0, 12, 0])
    let attempts = office.attempts(in: "done")
    for number in 1...12 { #expect(attempts["\(number)"] == (number <= 5 ? "2" : "1")) }
  }

  @Test func theLetterThatKillsItsHandlerFailsAloneInTheEnd() throws {
    try office.stream(
      "while next; do test $body = 4 && kill -9 $$; echo done $id; done", "Tries: 3", "Batch: 8")
    try office.sendMany(30)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.counts() == [0, 0, 0, 29, 1])
    #expect(office.attempts(in: "failed") == ["4": "3"])
    let attempts = office.attempts(in: "done")
    // Only those that were in its hands at the first death have lost an attempt.
    #expect(attempts.values.allSatisfy { $0 == "1" || $0 == "2" })
    #expect(attempts.values.filter { $0 == "2" }.count <= 7)
    #expect(office.starts.count <= 5)
    #expect(watched.errors.contains("the handler was killed by signal 9, with 1 letter unanswered"))
  }

  @Test func aHandlerThatIsSilentForTooLongIsEndedWithAllItStarted() throws {
    try office.stream(
      "while next; do sleep 600 & echo $! >> $out/children; wait; done", "Timeout: 300ms", "Tries: 2")
    let id = try office.send()
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.attempts(in: "failed") == ["4711": "2"])
    #expect(try office.note(id).contains("attempt 1 of 2: silent for 300ms; tried again"))
    #expect(try office.note(id).contains("attempt 2 of 2: silent for 300ms; no tries left"))
    let pids = office.starts + office.lines(of: "children")
    #expect(pids.count == 4)
    #expect(eventually { !pids.contains { office.isAlive($0) } })
  }

  @Test func aHandlerWithoutLettersMayBeSilent() throws {
    try office.stream("while next; do echo done $id; done", "Timeout: 200ms")
    let watcher = try office.startWatcher()
    try office.send("1")
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(watcher.rest(for: 1500) != nil)
    try office.send("2")
    #expect(eventually { office.counts() == [0, 0, 0, 2, 0] })
    #expect(office.starts.count == 1)
  }

  @Test(arguments: [126, 127]) func aHandlerThatCannotRunSpendsNoAttempt(code: Int) throws {
    try office.stream("next; exit \(code)", "Tries: 1", "Batch: 3")
    try office.sendMany(5)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.entries("new") == ids)
    #expect(office.counts() == [5, 0, 0, 0, 0])
    let troubles = try office.troubles()
    #expect(troubles.count == 1)
    #expect(troubles.first?.contains("exit \(code)") == true)
  }

  @Test func aMissingHandlerSpendsNoAttempt() throws {
    try office.subscribe("/no/such/handler", "Handler-Mode: stream", "Tries: 1")
    try office.sendMany(3)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.entries("new") == ids)
    #expect(try office.troubles().first?.contains("/no/such/handler") == true)
  }

  @Test func aHandlerThatIsMendedGoesOnByItself() throws {
    try office.stream("test -e $out/mended || exit 127; while next; do echo done $id; done")
    try office.sendMany(5)
    let watcher = try office.startWatcher()
    #expect(try eventually { try !office.troubles().isEmpty })
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 0, 5, 0] })
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    #expect(try eventually { try office.troubles().isEmpty })
    #expect(!watcher.hasEnded)
  }

  @Test func aHandlerThatOutlivesItsWatcherKeepsItsLetters() throws {
    // The first to start answers nothing, and stays when its watcher has died.
    try office.stream(
      """
      if mkdir $out/first; then
        while next; do echo first $body >> $out/given; done
        await go
        exit 0
      fi
      while next; do echo later $body >> $out/given; echo done $id; done
      """, "Batch: 3")
    try office.sendMany(3)
    let first = try office.startWatcher()
    #expect(eventually { office.lines(of: "given").count == 3 })
    let held = office.entries("cur")
    #expect(held.count == 3)
    first.kill(.kill)
    _ = try first.wait()
    let second = try office.startWatcher()
    try office.send("4")
    #expect(eventually { office.counts() == [0, 3, 0, 1, 0] })
    #expect(second.rest() != nil)
    #expect(try office.post("read", "stock").code == 1)
    #expect(try office.post("sweep").code == 0)
    #expect(office.entries("cur") == held)
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 4, 0] })
    #expect(
      office.lines(of: "given").sorted()
        == ["first 1", "first 2", "first 3", "later 1", "later 2", "later 3", "later 4"])
    #expect(office.attempts(in: "done") == ["1": "2", "2": "2", "3": "2", "4": "1"])
  }

  @Test func aHandlerThatEndsWellWithoutLettersIsStartedForTheNext() throws {
    try office.stream("next; echo done $id")
    let watcher = try office.startWatcher()
    for number in 1...2 {
      try office.send("\(number)")
      #expect(eventually { office.counts() == [0, 0, 0, number, 0] })
      #expect(eventually { !office.isAlive(office.starts.last ?? "") })
    }
    #expect(office.starts.count == 2)
    #expect(!watcher.hasEnded)
  }
}
