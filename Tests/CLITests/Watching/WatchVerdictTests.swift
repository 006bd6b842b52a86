// Where each end of its handler takes a letter.

import Linux
import TestKit
import Testing

@Suite struct WatchVerdictTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test func exitZeroIsDone() throws {
    try office.subscribe("cat")
    let id = try office.send("{\"order\": 4711}\n")
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(watched.errors == "")
    #expect(watched.text == "{\"order\": 4711}\n")
    #expect(office.counts() == [0, 0, 0, 1, 0])
    #expect(office.entries("done")[0].hasPrefix("\(id),A=1,D="))
    #expect(office.entries("notes").isEmpty)
  }

  @Test(arguments: [65, 100]) func aFinalFailureIsFailedAtOnce(code: Int) throws {
    try office.subscribe("echo tried >> $POST_SPOOL/../tried; exit \(code)")
    let id = try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(watched.errors.contains(id))
    #expect(office.entries("failed") == ["\(id),A=1"])
    #expect(office.counts() == [0, 0, 0, 0, 1])
    #expect(office.lines(of: "tried").count == 1)
    #expect(try office.note(id).contains("attempt 1 of 20: exit \(code); failed for good"))
    #expect(try office.troubles().contains { $0.hasPrefix("! stock: 1 failed") })
  }

  @Test(arguments: [1, 75, 111, 255]) func aPassingFailureIsDoneAtTheSecondAttempt(code: Int) throws {
    try office.subscribe("test $POST_ATTEMPT = 2 || exit \(code)")
    let id = try office.send()
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 1, 0])
    #expect(office.entries("done")[0].hasPrefix("\(id),A=2,D="))
    let note = try office.note(id)
    #expect(note.contains("attempt 1 of 20: exit \(code); tried again in 10ms"))
    #expect(!note.contains("attempt 2"))
  }

  @Test func aLastingFailureIsFailedAfterItsTries() throws {
    try office.subscribe(
      "echo \"attempt $POST_ATTEMPT of $POST_TRIES says no\" >&2; echo x >> $POST_SPOOL/../tried; exit 1",
      "Tries: 3")
    let id = try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.entries("failed") == ["\(id),A=3"])
    #expect(office.lines(of: "tried").count == 3)
    let note = try office.note(id).split(separator: "\n").map(String.init)
    #expect(note.count == 6)
    for attempt in 1...3 {
      #expect(note[attempt * 2 - 2].contains("attempt \(attempt) of 3: exit 1; "))
      #expect(note[attempt * 2 - 1] == "    attempt \(attempt) of 3 says no")
      #expect(watched.errors.contains("stock: attempt \(attempt) of 3 says no\n"))
    }
    #expect(note[0].hasSuffix("tried again in 10ms"))
    #expect(note[2].hasSuffix("tried again in 20ms"))
    #expect(note[4].hasSuffix("no tries left"))
  }

  @Test func aHandlerThatASignalEndsIsTriedAgain() throws {
    try office.subscribe("test $POST_ATTEMPT = 2 || kill -9 $$")
    let id = try office.send()
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.entries("done")[0].hasPrefix("\(id),A=2,"))
    #expect(try office.note(id).contains("ended by signal 9"))
  }

  @Test func aHandlerThatHangsIsEndedWithAllItStarted() throws {
    // The grandchild does not listen to SIGTERM.
    try office.subscribe(
      "(trap '' TERM; exec sleep 600) & echo $! $$ >> $POST_SPOOL/../pids; echo waiting >&2; wait",
      "Tries: 2", "Timeout: 200ms")
    let id = try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(office.entries("failed") == ["\(id),A=2"])
    #expect(office.counts() == [0, 0, 0, 0, 1])
    let pids = office.lines(of: "pids").flatMap { $0.split(separator: " ").map(String.init) }
    #expect(pids.count == 4)
    #expect(eventually { !pids.contains { office.isAlive($0) } })
    let note = try office.note(id)
    #expect(note.contains("attempt 1 of 2: not finished after 200ms; tried again"))
    #expect(note.contains("attempt 2 of 2: not finished after 200ms; no tries left"))
    #expect(note.contains("    waiting\n"))
  }

  /// The letter may have been done before the signal; only the handler knows.
  @Test func aHandlerThatIsDoneWhenItsTimeEndsIsNotTriedAgain() throws {
    try office.subscribe(
      "echo $POST_ATTEMPT >> $POST_SPOOL/../handled; trap 'exit 0' TERM; sleep 600 & wait", "Timeout: 200ms")
    try office.send()
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 1, 0])
    #expect(office.lines(of: "handled") == ["1"])
  }

  @Test func aHandlerThatIgnoresTheBodyIsNoTrouble() throws {
    try office.subscribe("exit 0")
    let sent = try office.post("send", "orders", input: [UInt8](repeating: 7, count: 3 << 20))
    #expect(sent.code == 0)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 1, 0])
  }

  @Test func lettersComeInTheOrderOfSending() throws {
    try office.subscribe("cat")
    try office.sendMany(30)
    let watched = try office.watchUntilEmpty()
    #expect(watched.text == (1...30).map(String.init).joined() || watched.lines == (1...30).map(String.init))
    #expect(office.counts() == [0, 0, 0, 30, 0])
  }

  @Test func aCorruptLetterIsSetAsideAndTheOthersAreHandled() throws {
    try office.subscribe("cat")
    let bad = try office.send("good")
    try office.send("fine")
    let path = "spool/mailboxes/stock/new/\(bad)"
    let text = try office.read(path)
    try office.write(path, text.replacing("\n\ngood", with: "\n\nbaad"))
    let watched = try office.watchUntilEmpty()
    #expect(watched.text == "fine")
    #expect(office.counts() == [0, 0, 0, 1, 0])
    #expect(office.entries("corrupt") == [bad])
    #expect(watched.errors.contains(bad))
    #expect(try office.troubles().contains { $0.hasPrefix("! stock: 1 corrupt") })
  }

  @Test func theLogHasALineForEachEvent() throws {
    try office.subscribe("test $POST_ATTEMPT = 2")
    let id = try office.send()
    try office.watchUntilEmpty()
    let day = try #require(office.entries("log").first)
    let events = office.lines(of: "spool/mailboxes/stock/log/\(day)").map {
      $0.split(separator: " ").dropFirst().map(String.init)
    }
    #expect(events.map { $0[0] } == ["retry", "done"])
    #expect(events.allSatisfy { $0[1] == id })
  }
}
