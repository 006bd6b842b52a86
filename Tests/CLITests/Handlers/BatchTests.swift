// Handlers that get several letters at once, as files.

import Linux
import TestKit
import Testing

@Suite struct BatchTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// Reports how many letters it got, and fails if one of them is the number 13.
  private static let superstitious =
    "echo $# >> $POST_SPOOL/../sizes; for file; do ! grep -qx 13 \"$file\" || exit 1; done"

  /// Reports which letters it got, waits for the file `go` in the sandbox, half a minute at most.
  private static let waiting =
    "echo \"$@\" >> $POST_SPOOL/../begun; n=0; "
    + "until test -e $POST_SPOOL/../go || test $n = 3000; do n=$((n+1)); sleep 0.01; done"

  private func ids(_ line: String) -> [String] {
    line.split(separator: " ").compactMap { $0.split(separator: "/").last?.split(separator: ",").first }
      .map(String.init)
  }

  @Test func theArgumentsAreWholeLettersThatStandInCur() throws {
    try office.subscribe(
      try office.program(
        "cd $POST_SPOOL/..; echo $# >> sizes; wc -c >> input; for file; do echo \"$file\" >> files; cat \"$file\" >> all; done"
      ), "Batch: 3")
    try office.sendMany(7)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.lines(of: "sizes") == ["3", "3", "1"])
    #expect(office.lines(of: "input") == ["0", "0", "0"])
    let files = office.lines(of: "files")
    #expect(files.map { self.ids($0)[0] } == ids)
    #expect(files.allSatisfy { $0.hasPrefix("\(office.spool)/mailboxes/stock/cur/") })
    let letters = try ids.map { try office.read("spool/topics/orders/cur/\($0)") }
    #expect(try office.read("all") == letters.joined())
    #expect(office.counts() == [0, 0, 0, 7, 0])
  }

  @Test func theEnvironmentTellsOfTheMailboxOnly() throws {
    try office.subscribe(try office.program("env | grep ^POST_ | sort"), "Batch: 3", "Tries: 7")
    try office.sendMany(2)
    #expect(
      try office.watchUntilEmpty().lines
        == ["POST_MAILBOX=stock", "POST_SPOOL=\(office.spool)", "POST_TRIES=7"])
  }

  @Test func theLastCommandOfAPipelineGetsTheFiles() throws {
    try office.subscribe("echo from the pipe | cat -", "Batch: 3")
    try office.sendMany(2)
    let letters = try office.entries("new").map { try office.read("spool/topics/orders/cur/\($0)") }
    #expect(try office.watchUntilEmpty().text == "from the pipe\n" + letters.joined())
  }

  @Test func allAreInHandsTogetherAndDoneTogether() throws {
    try office.subscribe(try office.program(BatchTests.waiting), "Batch: 3")
    try office.sendMany(5)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [2, 3, 0, 0, 0])
    #expect(Set(office.entries("cur").map(\.beacon)).count == 1)
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 5, 0] })
    #expect(office.lines(of: "begun").map { ids($0).count } == [3, 2])
  }

  @Test func oneBadLetterAmongTwentyHoldsBackNoOther() throws {
    try office.subscribe(try office.program(BatchTests.superstitious), "Batch: 20", "Tries: 3")
    try office.sendMany(20)
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 0)
    #expect(watched.errors.contains("a batch of 20 letters failed, exit 1; now each of them alone"))
    #expect(office.counts() == [0, 0, 0, 19, 1])
    // All at once, then each alone, and the bad one twice more.
    #expect(office.lines(of: "sizes") == ["20"] + Array(repeating: "1", count: 22))
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    #expect(office.attempts(in: "failed") == ["13": "3"])
  }

  @Test(arguments: [65, 100]) func aBatchThatIsRefusedDoesNotFailAsAWhole(code: Int) throws {
    try office.subscribe(
      try office.program("for file; do ! grep -qx 2 \"$file\" || exit \(code); done"), "Batch: 5")
    try office.sendMany(5)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 4, 1])
    #expect(office.attempts(in: "failed") == ["2": "1"])
  }

  @Test(arguments: [126, 127]) func aBatchWhoseHandlerCannotRunSpendsNoAttempt(code: Int) throws {
    try office.subscribe(
      try office.program("echo $# >> $POST_SPOOL/../sizes; exit \(code)"), "Batch: 5", "Tries: 1")
    try office.sendMany(7)
    let ids = office.entries("new")
    #expect(try office.watchUntilEmpty().code == 78)
    #expect(office.lines(of: "sizes") == ["5"])
    #expect(office.entries("new") == ids)
    #expect(office.counts() == [7, 0, 0, 0, 0])
    #expect(try office.troubles().count == 1)
  }

  @Test func aLetterThatIsTriedAgainGoesAlone() throws {
    try office.subscribe(try office.program("echo \"$@\" >> $POST_SPOOL/../runs"), "Batch: 10")
    let tried = try office.send("tried before")
    #expect(try office.post("read", "stock", "--", "false").code == 1)
    try office.sendMany(3)
    let fresh = office.entries("new").filter { !$0.hasPrefix(tried) }
    #expect(try office.watchUntilEmpty().code == 0)
    let runs = office.lines(of: "runs").map { ids($0) }.sorted { $0.count < $1.count }
    #expect(runs == [[tried], fresh])
    #expect(office.attempts(in: "done")["tried before"] == "2")
  }

  @Test func aBatchThatOutlivesItsWatcherKeepsAllItsLetters() throws {
    try office.subscribe(try office.program(BatchTests.waiting), "Batch: 3")
    try office.sendMany(3)
    let ids = office.entries("new")
    let first = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    let held = office.entries("cur")
    #expect(held.count == 3)
    first.kill(.kill)
    _ = try first.wait()
    let second = try office.startWatcher()
    #expect(second.rest() != nil)
    #expect(try office.post("read", "stock").code == 1)
    #expect(try office.post("sweep").code == 0)
    #expect(office.entries("cur") == held)
    #expect(office.lines(of: "begun").count == 1)
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
    // Each once more, alone.
    #expect(office.lines(of: "begun").map { self.ids($0) } == [ids] + ids.map { [$0] })
    #expect(Set(office.attempts(in: "done").values) == ["2"])
  }

  @Test func aBatchThatTakesTooLongIsEndedAndEachLetterTriedAlone() throws {
    try office.subscribe(
      try office.program("echo $# >> $POST_SPOOL/../sizes; test $# = 1 || sleep 600"), "Batch: 3",
      "Timeout: 300ms")
    try office.sendMany(3)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.lines(of: "sizes") == ["3", "1", "1", "1"])
    #expect(Set(office.attempts(in: "done").values) == ["1"])
    #expect(office.counts() == [0, 0, 0, 3, 0])
  }

  @Test func aWatcherThatIsStoppedGivesTheRestOfABatchBack() throws {
    try office.subscribe(
      try office.program(
        "test $# = 1 || exit 1; echo >> $POST_SPOOL/../alone; n=0; "
          + "until test -e $POST_SPOOL/../go || test $n = 3000; do n=$((n+1)); sleep 0.01; done"),
      "Batch: 4")
    try office.sendMany(4)
    let ids = office.entries("new")
    let watcher = try office.startWatcher()
    #expect(eventually { (try? office.read("alone")) == "\n" })
    watcher.kill(.terminate)
    #expect(watcher.rest() != nil)
    try office.write("go", "")
    #expect(try watcher.wait().code == 0)
    #expect(office.entries("new") == Array(ids[1...]))
    #expect(office.counts() == [3, 0, 0, 1, 0])
  }

  @Test func aReaderGivesBatchesByHand() throws {
    try office.open("stock")
    try office.sendMany(7)
    let read = try office.post(
      "read", "stock", "--batch", "3", "--all", "--", "sh", "-c", "echo $#; wc -c", "sh")
    #expect(read.code == 0)
    #expect(read.lines == ["3", "0", "3", "0", "1", "0"])
    #expect(office.counts() == [0, 0, 0, 7, 0])
    #expect(try office.post("read", "stock", "--batch", "3", "--all", "--", "true").code == 1)
  }

  @Test func aReaderWhoseBatchHoldsABadLetterSaysSo() throws {
    try office.subscribe("true", "Tries: 5", "Retry: 1h")
    try office.sendMany(20)
    let script = BatchTests.superstitious
    let read = try office.post(
      "read", "stock", "--batch", "8", "--all", "--", "sh", "-c", script, "sh")
    #expect(read.code == 75)
    #expect(office.counts() == [0, 0, 1, 19, 0])
    #expect(office.lines(of: "sizes") == ["8", "8"] + Array(repeating: "1", count: 8) + ["4"])
  }

  @Test func aReaderWhoseCommandIsMissingLeavesTheBatch() throws {
    try office.open("stock")
    try office.sendMany(4)
    let read = try office.post("read", "stock", "--batch", "3", "--all", "--", "/no/such/command")
    #expect(read.code == 75 || read.code == 127)
    #expect(office.counts() == [4, 0, 0, 0, 0])
    #expect(Set(office.attempts(in: "new").values) == ["none"])
  }
}
