import Linux
import TestKit
import Testing

@Suite struct LeaseTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private func lease(_ time: String = "10m") throws -> String {
    let printed = try box.must("read", "stock", "--lease", time)
    #expect(printed.hasSuffix("\n"))
    return String(printed.dropLast())
  }

  @Test func aLeasedLetterIsNobodyElses() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try lease()
    #expect(box.entries("cur").first?.hasPrefix("\(id),A=1,L=") == true)
    #expect(try box.post("read", "stock").code == 1)
    #expect(try box.must("show", id, "--format", "body") == "a")
  }

  @Test func doneEndsIt() throws {
    try box.must("send", "orders", "-m", "a")
    try box.must("done", "stock", try lease())
    #expect(box.entries("done").count == 1)
    #expect(box.entries("cur").isEmpty)
  }

  @Test func failMovesItToFailedWithANote() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try lease()
    try box.must("fail", "stock", id)
    #expect(box.entries("failed") == ["\(id),A=1"])
    #expect(box.entries("notes") == [id])
  }

  @Test func releaseGivesItBackWithNoAttemptSpent() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try lease()
    try box.must("release", "stock", id)
    #expect(box.entries("new") == [id])
    #expect(try box.must("read", "stock") == "a")
  }

  @Test func aBeginningOfTheIDIsEnoughIfItFitsOneAlone() throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    let (first, second) = (try lease(), try lease())
    let common = String(zip(first, second).prefix { $0 == $1 }.map(\.0))
    let refused = try box.post("done", "stock", common)
    #expect(refused.code == 64)
    #expect(box.entries("cur").count == 2)
    let unique = String(second.prefix(common.count + 1))
    try box.must("done", "stock", unique)
    #expect(box.entries("done").first?.hasPrefix(second) == true)
    #expect(box.entries("cur").first?.hasPrefix(first) == true)
  }

  @Test(arguments: ["done", "fail", "release"])
  func anUnknownLetterIsNotFound(verb: String) throws {
    try box.must("send", "orders", "-m", "a")
    let refused = try box.post(verb, "stock", "17")
    #expect(refused.code == 66)
    #expect(refused.errors.contains("no letter 17"))
    #expect(try box.post(verb, "stock", "").code == 64)
    #expect(try box.post(verb, "attic", "17").code == 66)
    #expect(box.entries("new").count == 1)
  }

  @Test func oneUnknownAmongSeveralDoesNotKeepTheOthersBack() throws {
    try box.must("send", "orders", "--lines", input: "a\nb")
    let (first, second) = (try lease(), try lease())
    #expect(try box.post("done", "stock", first, "unknown", second).code == 66)
    #expect(box.entries("done").count == 2)
  }

  @Test func aLetterInAReadersHandsIsNotLeased() throws {
    try box.must("send", "orders", "-m", "a")
    let inside = try box.must(
      "read", "stock", "--", "sh", "-c", "post done stock $POST_ID >/dev/null 2>&1; echo $?")
    #expect(inside == "66\n")
    #expect(box.entries("done").count == 1)
  }

  @Test func whenALeaseEndsTheLetterComesBack() throws {
    try box.must("send", "orders", "-m", "a")
    _ = try lease("1ms")
    #expect(try box.must("read", "stock", "--wait=30s") == "a")
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  @Test func aLeaseThatEndsWithNoTriesLeftIsAFailure() throws {
    try box.must("subscribe", "stock", "orders", "--tries", "1")
    try box.must("send", "orders", "-m", "a")
    let id = try lease("1ms")
    #expect(
      try eventually {
        try box.must("sweep")
        return box.entries("failed") == ["\(id),A=1"]
      })
    #expect(try box.read("spool/mailboxes/stock/notes/\(id)").contains("lease ended"))
  }

  @Test func countLeasesSeveralAndPrintsALineEach() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    let waiting = box.entries("new")
    #expect(
      try box.must("read", "stock", "--lease", "1h", "-n", "2").split(separator: "\n").map(String.init)
        == Array(waiting.prefix(2)))
    #expect(box.entries("new") == [waiting[2]])
  }
}
