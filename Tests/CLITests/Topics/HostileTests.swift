import Linux
import TestKit
import Testing

/// What an office may meet, with or without malice.
@Suite struct HostileTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  @Test func twoForeignLettersOfOneNameAreTwoLetters() throws {
    for content in ["one", "two", "three"] {
      try box.write("order.json", content)
      try box.script("mv order.json spool/topics/orders/new/")
      try box.must("sweep")
    }
    #expect(try Set(box.must("read", "stock", "--all", "--format", "json").split(separator: "\n")).count == 3)
    #expect(box.entries("done").count == 3)
    #expect(box.topicEntries("cur").count == 3)
  }

  @Test func aForeignNameInTwoTopicsIsTwoLettersInOneMailbox() throws {
    try box.must("subscribe", "stock", "returns")
    for topic in ["orders", "returns"] {
      try box.write("letter", topic)
      try box.script("mv letter spool/topics/\(topic)/new/")
      try box.must("sweep")
    }
    #expect(try box.must("read", "stock", "--all").count == "ordersreturns".count)
  }

  @Test func aForeignNameThatIsInSomebodysHandsIsAnotherLetter() throws {
    for content in ["one", "two"] {
      try box.write("spool/mailboxes/stock/new/x", content)
      if content == "one" { try box.must("read", "stock", "--lease", "1h") }
    }
    #expect(try box.must("read", "stock") == "two")
    #expect(box.entries("cur").count == 1)
    try box.must("done", "stock", "x")
    #expect(box.entries("done").count == 2)
  }

  @Test func aFileFromAFarFutureIsALetterLikeAnother() throws {
    try box.must("send", "orders", "-m", "a")
    try box.script(
      "touch -d 2400-01-01 spool/mailboxes/stock/new/*; touch -d 2400-01-01 spool/topics/orders/tmp/x")
    try box.must("send", "orders", "-m", "b")
    #expect(try box.must("read", "stock", "--all") == "ab")
    try box.must("sweep")
  }

  @Test func timesBeyondAllMeasureInANameStopNothing() throws {
    for name in ["1.x,A=1,L=99999999999", "2.x,A=999999999999999", "3.x,A=1,L=8589934591.999"] {
      try box.write("spool/mailboxes/stock/later/\(name)", "x")
    }
    try box.write("spool/mailboxes/stock/cur/4.x,A=1,L=8589934591", "x")
    let waited = try box.post("read", "stock", "--wait=50ms", "-n", "2")
    #expect(waited.code == 0, "\(waited.errors)")
    #expect(try box.post("read", "stock", "--wait=50ms").code == 1)
    #expect(try box.post("sweep").code == 0)
  }

  @Test func aSpoolMayBeWrittenWithASlashAtItsEnd() throws {
    try box.must("--spool", "deep/in/new//", "send", "orders", "-m", "a")
    #expect(box.names(in: "deep/in/new/topics/orders/cur").count == 1)
    let refused = try box.post("--spool", "/proc/nowhere/", "send", "orders", "-m", "a")
    #expect(refused.code == 73 || refused.code == 74, "\(refused.errors)")
    #expect(refused.errors.contains("/proc/nowhere"))
  }

  @Test func directoriesThatGotLostAreMadeAgain() throws {
    try box.must("send", "orders", "-m", "a")
    try box.script("cd spool; rm -r mailboxes/stock/{cur,later,done,failed,tmp,log,notes} topics/orders/tmp")
    #expect(try box.must("read", "stock") == "a")
    try box.must("send", "orders", "-m", "b")
    #expect(try box.must("read", "stock") == "b")
  }

  @Test func childrenAreWaitedForEvenIfOurParentIgnoredTheirSignal() throws {
    try box.must("send", "orders", "-m", "a")
    try box.script(
      "python3 -c 'import os, signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        + "os.execlp(\"post\", \"post\", \"read\", \"stock\", \"--\", \"true\")'")
    #expect(box.entries("done").count == 1)
  }

  @Test func aHandlersWordsNeverReachTheShell() throws {
    let words = "it'\u{301}; touch PWNED; '\u{301}"
    try box.must("subscribe", "audit", "orders", "--", "printf", "%s", words)
    try box.must("send", "orders", "-m", "a")
    #expect(try box.must("watch", "audit", "--until-empty") == words)
    #expect(!box.exists("PWNED") && box.names(in: "spool/mailboxes/audit").contains("PWNED") == false)
  }

  @Test func aHandlerThatNeverStopsTalkingFillsNoMemory() throws {
    // In a second the handler may write 64 MiB; the end of it is kept.
    try box.must(
      "subscribe", "audit", "orders", "--", "sh", "-c",
      "head -c 300M /dev/zero >&2; echo the end >&2; exit 65")
    try box.must("send", "orders", "-m", "a")
    let before = try sharedMemory()
    let watcher = try box.startPost("watch", "audit", "--until-empty")
    var most = before
    #expect(
      try eventually {
        most = max(most, try sharedMemory())
        return watcher.hasEnded
      })
    #expect(most - before < 200 << 10, "KiB of shared memory: \(before), at most \(most)")
    _ = try watcher.wait()
    #expect(box.names(in: "spool/mailboxes/audit/failed").count == 1)
  }

  /// KiB of the machine's memory that are in memory files.
  private func sharedMemory() throws -> Int {
    let text = try String(
      decoding: File("/proc/meminfo", .readFollowing).readAll(limit: 1 << 16), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("Shmem:") }
    return Int(line?.split(separator: " ")[1] ?? "") ?? 0
  }

  @Test func oneMailboxInDisorderKeepsNobodyElseFromReading() throws {
    try box.script("cd spool; touch topics/README; mkdir topics/old.bak mailboxes/old.bak; touch mailboxes/x")
    try box.script("echo 'Tires: 4' > spool/topics/orders/topic.conf")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.must("read", "stock") == "a")
    try box.must("list")
    try box.must("status")
    #expect(try box.post("sweep").code == 78)
  }

  @Test(.needsOtherUser) func aLetterThatCannotBeOpenedIsPassedOver() throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    try box.script(
      "chmod -R a+rwX spool; chmod 000 spool/mailboxes/stock/new/$(ls spool/mailboxes/stock/new | head -n 1)")
    let read = try box.shell("\(Machine.asNobody) post read stock --all")
    #expect(read.text == "b")
    #expect(read.errors.contains("permission denied"))
    #expect(try box.shell("\(Machine.asNobody) post read stock").code == 77)
  }

  @Test func whatWasHeldForAMailboxThatIsGoneGoesWithItsSubscription() throws {
    try box.must("subscribe", "gone", "orders")
    try box.script("rm -r spool/mailboxes/gone")
    let sent = try box.post("send", "orders", "-m", "a")
    #expect(sent.code == 0)
    #expect(sent.errors.contains("post unsubscribe gone orders"))
    #expect(box.names(in: "spool/topics/orders/held/gone").count == 1)
    try box.must("unsubscribe", "gone", "orders")
    #expect(box.names(in: "spool/topics/orders/held").isEmpty)
    #expect(try box.must("send", "orders", "-m", "b") == "")
  }
}
