import Linux
import TestKit
import Testing

/// `post sweep` and `post retry`: letters are kept for a stated time, and failed letters stay.
@Suite struct SweepTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private func fail() throws {
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
  }

  /// Sweeps until something is so; times are in whole seconds.
  private func sweep(until isSo: () -> Bool) throws -> Bool {
    try eventually {
      try box.must("sweep")
      return isSo()
    }
  }

  @Test func whatIsWrongWithOneMailboxOrTopicDoesNotKeepTheSweepFromTheOthers() throws {
    try box.must("subscribe", "zebra", "orders", "zoo")
    for name in ["mailboxes/stock/mailbox.conf", "topics/orders/topic.conf"] {
      try box.write("spool/\(name)", "nonsense\n")
    }
    try box.write("spool/mailboxes/zebra/done/1000000000.M1P1.host,A=1,D=1000000001", "old")
    try box.write("spool/topics/zoo/cur/1000000000.M1P1.host", "old")
    let swept = try box.post("sweep")
    #expect(swept.code == 78)
    #expect(swept.errors.contains("mailboxes/stock/mailbox.conf, line 1"))
    #expect(swept.errors.contains("topics/orders/topic.conf, line 1"))
    #expect(box.entries("done", of: "zebra").isEmpty)
    #expect(box.names(in: "spool/topics/zoo/cur").isEmpty)
  }

  @Test func withoutSettingsNothingYoungIsRemoved() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    try box.must("read", "stock")
    try fail()
    let before = try box.script("find spool -type f | sort")
    let swept = try box.post("sweep")
    #expect(swept.code == 0)
    #expect(swept.text == "" && swept.errors == "")
    #expect(try box.script("find spool -type f | sort") == before)
  }

  @Test func aTopicKeepsItsLettersAWeek() throws {
    let now = Clock.wall / 1_000_000_000
    // The time in a foreign name may be 36 hours before it was accepted.
    for (age, body) in [(6, "young"), (9, "old")] {
      try box.write("spool/topics/orders/cur/\(now - Int64(age) * 86_400).M1P1.host", body)
    }
    try box.must("sweep")
    let kept = box.topicEntries("cur")
    #expect(kept.count == 1)
    #expect(try box.read("spool/topics/orders/cur/\(kept[0])") == "young")
  }

  @Test func keepDecidesHowLongATopicKeepsAndMailboxesAreNotConcerned() throws {
    try box.write("spool/topics/orders/topic.conf", "Keep: 0s\n")
    try box.must("send", "orders", "-m", "a")
    #expect(try sweep { box.topicEntries("cur").isEmpty })
    #expect(try box.must("read", "stock") == "a")
    #expect(box.entries("done").count == 1)
  }

  @Test func keepForeverKeeps() throws {
    try box.write("spool/post.conf", "Keep: forever\nKeep-Done: forever\n")
    try box.write("spool/topics/orders/cur/1000000000.M1P1.host", "old")
    try box.write("spool/mailboxes/stock/done/1000000000.M1P1.host,A=1,D=1000000001", "old")
    try box.must("sweep")
    #expect(box.topicEntries("cur").count == 1)
    #expect(box.entries("done").count == 1)
  }

  @Test func keepDoneRemovesDoneLettersAndTheirNotesButFailedOnesStay() throws {
    try box.must("subscribe", "stock", "orders", "--retry", "1ms")
    try box.must("send", "orders", "--lines", input: "bad\ngood\nwaiting")
    try fail()
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 1").code == 1)
    #expect(try box.must("read", "stock", "--wait=30s", "--", "cat") == "good")
    #expect(box.entries("notes").count == 2)
    try box.write("spool/mailboxes/stock/mailbox.conf", "Keep-Done: 0s\n")
    #expect(try sweep { box.entries("done").isEmpty })
    #expect(box.entries("failed").count == 1)
    #expect(box.entries("notes") == box.entries("failed").map { $0.replacing(",A=1", with: "") })
    #expect(box.entries("new").count == 1)
  }

  @Test func theTimeInDoneCountsNotTheAgeOfTheLetter() throws {
    try box.write("letter", "Subject: x\n\nold letter, done just now")
    try box.script("mv letter spool/mailboxes/stock/new/1000000000.M1P1.host")
    try box.must("read", "stock")
    try box.must("sweep")
    #expect(box.entries("done").count == 1)
  }

  /// Root has swept once, long ago, and left its record of the time; a user whose office it is, or whose mailbox only,
  /// deletes expired letters anyway.
  @Test(.needsOtherUser, arguments: [true, false])
  func whatIsOldGoesWhereTheRecordOfTheTimeIsRoots(isOffice: Bool) throws {
    let now = Clock.wall / 1_000_000_000
    let then = now - 20 * 86_400
    try box.write("spool/mailboxes/stock/done/1000000000.M1P1.host,A=1,D=\(now - 10 * 86_400)", "old")
    try box.write(
      "spool/.clock",
      "Boot: another\nUptime: 9\nWall: \(then)\nTrusted: \(then)\nLasted: 0\nLevel: 0\n\n")
    try box.script(
      """
      chmod -R a+rX spool; chmod a+rx .; chown -R 65534:65534 spool/\(isOffice ? "" : "mailboxes/stock")
      chown 0:0 spool/.clock; chmod 644 spool/.clock
      """)
    let swept = try box.shell("\(Machine.asNobody) post sweep")
    let record = try box.read("spool/.clock")
    if isOffice {
      // Three unrecorded weeks: the record is the user's now, and a day begins.
      #expect(swept.code == 0 && swept.errors == "", "\(swept.errors)")
      #expect(box.entries("done").count == 1 && !record.contains("Wall: \(then)"))
      #expect(try box.script("stat -c %u spool/.clock; ls -A spool | grep -c clock") == "65534\n1\n")
    } else {
      #expect(box.entries("done").isEmpty && record.contains("Wall: \(then)"), "\(swept.errors)")
    }
  }

  @Test func oldLogsGoWithTheLettersTheyTellOf() throws {
    try box.write("spool/mailboxes/stock/log/2020-01-01", "old\n")
    try box.must("send", "orders", "-m", "a")
    try box.must("read", "stock")
    try box.must("sweep")
    let logs = box.entries("log")
    #expect(!logs.isEmpty && !logs.contains("2020-01-01"))
    let words = try box.read("spool/mailboxes/stock/log/\(logs[0])")
    #expect(words.contains(" done ") && words.contains("attempt=1"))
  }

  @Test func failedLettersStayForeverAndRetryGivesThemAllTheirTries() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    for _ in 1...3 { try fail() }
    let failed = box.entries("failed")
    try box.must("sweep")
    #expect(box.entries("failed") == failed)

    let second = failed[1].replacing(",A=1", with: "")
    try box.must("retry", "stock", second)
    #expect(box.entries("new") == [second])
    #expect(box.entries("failed").count == 2)
    try box.must("retry", "stock", "ALL")
    #expect(box.entries("failed").isEmpty)
    #expect(
      try box.must("read", "stock", "--all", "--", "sh", "-c", "cat; echo $POST_ATTEMPT") == "a1\nb1\nc1\n")
  }

  @Test func retryALLOfNothingIsNoError() throws { try box.must("retry", "stock", "ALL") }

  @Test func retryALLLeavesWhatWaitsInLater() throws {
    try box.must("send", "orders", "-m", "a")
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 1").code == 1)
    let later = box.entries("later")
    try box.must("retry", "stock", "ALL")
    #expect(!later.isEmpty && box.entries("later") == later)
  }

  @Test func retryOfALetterThatWaitsForItsTimeBringsItBackNow() throws {
    try box.must("subscribe", "stock", "orders", "--retry", "1h")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 1").code == 1)
    try box.must("retry", "stock", try #require(box.topicEntries("cur").first))
    #expect(try box.must("read", "stock") == "a")
  }

  @Test func retryOfWhatHasNotFailedIsNotFound() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try #require(box.entries("new").first)
    #expect(try box.post("retry", "stock", id).code == 66)
    #expect(try box.post("retry", "stock", "1").code == 66)
    #expect(box.entries("new") == [id])
  }
}
