import Linux
import TestKit
import Testing

/// `post read MAILBOX -- COMMAND`: the exit code decides.
@Suite struct ReadCommandTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.must("subscribe", "stock", "orders", "--retry", "50ms", "--tries", "3")
  }

  private func send(_ letters: String...) throws {
    for letter in letters { try box.must("send", "orders", "-m", letter) }
  }

  private func exits(_ code: Int32) throws -> Sandbox.Run {
    try box.post("read", "stock", "--", "sh", "-c", "exit \(code)")
  }

  @Test func exitZeroIsDone() throws {
    try send("a")
    #expect(try exits(0).code == 0)
    #expect(box.entries("done").count == 1)
    #expect(try exits(0).code == 1)
  }

  @Test(arguments: [65, 100] as [Int32])
  func whatCannotSucceedFailsAtOnceWithANote(code: Int32) throws {
    try send("a")
    #expect(try exits(code).code == code)
    let failed = try #require(box.entries("failed").first)
    #expect(failed.hasSuffix(",A=1"))
    let id = try #require(box.entries("notes").first)
    #expect(try box.read("spool/mailboxes/stock/notes/\(id)").contains("exit \(code)"))
    #expect(box.entries("new").isEmpty && box.entries("later").isEmpty)
  }

  @Test(arguments: [126, 127] as [Int32])
  func aBrokenCommandCostsTheLetterNoAttempt(code: Int32) throws {
    try send("a", "b")
    let before = box.entries("new")
    #expect(try exits(code).code == code)
    #expect(box.entries("new") == before)
    #expect(try box.post("read", "stock", "--all", "--", "sh", "-c", "exit \(code)").code == 75)
    #expect(box.entries("new") == before)
    #expect(before.allSatisfy { !$0.contains(",A=") })
  }

  @Test(arguments: [("no-such-command", 127), ("/", 126), ("./plain", 126)])
  func aMissingCommandLeavesTheLetterWaiting(command: String, code: Int32) throws {
    try box.write("plain", "not executable")
    try send("a")
    let before = box.entries("new")
    let refused = try box.post("read", "stock", "--", command)
    #expect(refused.code == code)
    #expect(refused.errors.contains("cannot run \(command)"))
    #expect(box.entries("new") == before)
    #expect(!before[0].contains(",A="))
  }

  @Test(arguments: [1, 75, 111, 143] as [Int32])
  func anyOtherExitIsTriedAgainLater(code: Int32) throws {
    try send("a")
    #expect(try exits(code).code == code)
    #expect(box.entries("done").isEmpty && box.entries("failed").isEmpty && box.entries("cur").isEmpty)
    #expect(
      try box.must("read", "stock", "--wait=30s", "--", "sh", "-c", "echo $POST_ATTEMPT; cat") == "2\na")
    #expect(box.entries("done").first?.contains(",A=2") == true)
  }

  @Test func aLetterWaitsInLaterForItsTime() throws {
    try box.must("subscribe", "stock", "orders", "--retry", "1h")
    try send("a")
    #expect(try exits(1).code == 1)
    let later = try #require(box.entries("later").first)
    #expect(later.contains(",A=1,L="))
    #expect(try box.post("read", "stock").code == 1)
    #expect(box.entries("later") == [later])
  }

  @Test func whenTheTriesAreSpentTheLetterFailsWithItsHistory() throws {
    try send("a")
    let first = try exits(7)
    let second = try box.post("read", "stock", "--wait=30s", "--", "sh", "-c", "exit 8")
    let third = try box.post("read", "stock", "--wait=30s", "--", "sh", "-c", "kill -9 $$")
    #expect([first.code, second.code, third.code] == [7, 8, 137])
    #expect(box.entries("failed").first?.hasSuffix(",A=3") == true)
    #expect(box.entries("new").isEmpty && box.entries("later").isEmpty)
    let id = try #require(box.entries("notes").first)
    let note = try box.read("spool/mailboxes/stock/notes/\(id)")
    for words in ["exit 7", "exit 8", "signal 9", "no tries left"] { #expect(note.contains(words)) }
    #expect(note.split(separator: "\n").count == 3)
  }

  @Test func ofSeveralLettersOneThatIsNotDoneMakes75() throws {
    try box.must("subscribe", "stock", "orders", "--retry", "1h")
    try send("good", "bad", "good")
    let read = try box.post("read", "stock", "--all", "--", "grep", "-q", "good")
    #expect(read.code == 75)
    #expect(box.entries("done").count == 2)
    #expect(box.entries("later").count == 1)
    try send("good", "good")
    #expect(try box.post("read", "stock", "--all", "--", "grep", "-q", "good").code == 0)
  }

  @Test func theCommandGetsTheBodyByteForByte() throws {
    let bytes = (0...511).map { UInt8($0 & 0xff) }
    #expect(try box.post("send", "orders", input: bytes).code == 0)
    #expect(try box.post("read", "stock", "--", "cat").output == bytes)
  }

  @Test func theCommandLearnsAboutTheLetterFromItsEnvironment() throws {
    try box.must(
      "send", "orders", "-s", "purchase approved", "-t", "text/plain", "-H", "X-Shop-Id: 7 8", "-m", "x")
    let id = try #require(box.entries("new").first)
    let environment = try box.must("read", "stock", "--", "env")
    let own = environment.split(separator: "\n").filter { $0.hasPrefix("POST_") }.map(String.init)
    #expect(
      Set(own).isSuperset(of: [
        "POST_SPOOL=\(box.spool)", "POST_ID=\(id)", "POST_TOPIC=orders", "POST_MAILBOX=stock",
        "POST_ATTEMPT=1", "POST_TRIES=3", "POST_SUBJECT=purchase approved", "POST_TYPE=text/plain",
        "POST_HEADER_X_SHOP_ID=7 8",
      ]))
    #expect(own.map(\.withoutBeacon).contains("POST_FILE=\(box.spool)/mailboxes/stock/cur/\(id),A=1"))
    #expect(own.contains { $0.hasPrefix("POST_FROM=") && $0.contains("@") })
    #expect(own.contains { $0.hasPrefix("POST_DATE=") && $0.hasSuffix(" +0000") })
  }

  @Test func whatLooksLikeAnOlderLettersEnvironmentIsNotPassedOn() throws {
    try send("a")
    let environment = try box.run(
      [Sandbox.binary, "read", "stock", "--", "env"],
      environment: ["POST_SUBJECT": "stale", "POST_HEADER_X": "stale"])
    #expect(environment.code == 0)
    #expect(!environment.text.contains("stale"))
  }

  @Test(arguments: [
    "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "\"; touch pwned #", "a\\nb * ~ $HOME",
  ])
  func headersAreNeverEvaluatedByAShell(text: String) throws {
    try box.must("send", "orders", "-s", text, "-t", text, "-H", "X-It: \(text)", "-m", text)
    let said = try box.must(
      "read", "stock", "--", "sh", "-c",
      #"printf '%s\n' "$POST_SUBJECT" "$POST_TYPE" "$POST_HEADER_X_IT"; cat"#)
    #expect(said == "\(text)\n\(text)\n\(text)\n\(text)")
    #expect(!box.exists("pwned"))
    #expect(!box.exists("spool/mailboxes/stock/pwned"))
  }

  @Test func aCommandThatReadsNothingIsNoTrouble() throws {
    let body = [UInt8](repeating: 0x61, count: 1 << 20)
    #expect(try box.post("send", "orders", input: body).code == 0)
    try box.must("read", "stock", "--", "true")
    #expect(box.entries("done").count == 1)
  }

  @Test func eachCommandReadsFromTheBeginningOfItsOwnBody() throws {
    try box.open("invoice")
    try send("same letter")
    for mailbox in ["stock", "invoice"] {
      #expect(try box.must("read", mailbox, "--", "cat") == "same letter")
    }
  }
}
