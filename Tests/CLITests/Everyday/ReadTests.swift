import Linux
import TestKit
import Testing

@Suite struct ReadTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  @Test func theLoopOfTheManualReadsAllAndEnds() throws {
    try box.must("send", "orders", "--lines", input: "one\ntwo\nthree")
    let read = try box.shell(
      "while post read stock > order; do cat order; echo .; done; post read stock; echo $?")
    #expect(read.text == "one.\ntwo.\nthree.\n1\n")
    #expect(read.errors == "")
    #expect(box.entries("done").count == 3)
  }

  @Test func allPrintsTheBodiesOneBehindTheOther() throws {
    let lines = (1...700).map { "letter \($0)" }
    try box.must("send", "orders", "--lines", input: lines.joined(separator: "\n"))
    #expect(try box.must("read", "stock", "--all") == lines.joined())
    #expect(try box.post("read", "stock", "--all").code == 1)
  }

  @Test func countReadsSoManyAndNoMore() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc\nd")
    #expect(try box.must("read", "stock", "-n", "3") == "abc")
    #expect(box.entries("new").count == 1)
    #expect(try box.must("read", "stock", "-n3") == "d")
  }

  @Test func peekLeavesAllInPlace() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    let before = box.entries("new")
    #expect(try box.must("read", "stock", "--peek") == "a")
    #expect(try box.must("read", "stock", "--peek", "-n", "2") == "ab")
    #expect(try box.must("read", "stock", "--peek", "--all") == "abc")
    #expect(box.entries("new") == before)
    #expect(box.entries("done").isEmpty && box.entries("cur").isEmpty)
    try box.must("read", "stock", "--all")
    #expect(try box.post("read", "stock", "--peek").code == 1)
  }

  @Test func aDoneLetterIsNotReadAgainWhenPeekedBefore() throws {
    try box.must("send", "orders", "-m", "a")
    try box.must("read", "stock", "--peek")
    #expect(try box.must("read", "stock") == "a")
    #expect(box.entries("done").allSatisfy { $0.contains(",A=1") })
  }

  @Test func formatLetterIsTheFileItself() throws {
    try box.must("send", "orders", "-s", "hello", "-m", "body")
    let id = try #require(box.entries("new").first)
    let file = try box.read("spool/mailboxes/stock/new/\(id)")
    #expect(try box.must("read", "stock", "--format", "letter") == file)
    #expect(file.contains("Subject: hello\n") && file.hasSuffix("\n\nbody"))
  }

  @Test(.needsPython) func formatJSONIsReadByPython() throws {
    try box.must("send", "orders", "-s", "\"quoted\" \\ \u{1} é", "-t", "text/plain", "-m", "line\nürgh\t")
    let bytes = (0...255).map { UInt8($0) }
    #expect(try box.post("send", "orders", input: bytes).code == 0)
    try box.script(
      #"""
      post read stock --all --format json > lines
      python3 - <<'END'
      import base64, json
      text, binary = [json.loads(line) for line in open("lines", encoding="utf-8")]
      assert text["subject"] == '"quoted" \\ \x01 é', text
      assert text["body"] == "line\nürgh\t"
      assert text["topic"] == "orders" and text["type"] == "text/plain" and text["attempt"] == 1
      assert text["id"].rpartition("Q")[0] in dict(text["headers"])["Message-ID"]
      assert "body" not in binary or binary["body"] is None
      assert base64.b64decode(binary["body_base64"]) == bytes(range(256))
      END
      """#)
  }

  @Test func waitEndsWithOneWhenNothingCame() throws {
    let start = Clock.monotonic
    #expect(try box.post("read", "stock", "--wait=200ms").code == 1)
    #expect(Clock.monotonic - start >= 200_000_000)
  }

  @Test(arguments: ["--wait", "--wait=60s"])
  func waitWakesWhenALetterArrives(flag: String) throws {
    let reader = try box.startPost("read", "stock", flag)
    #expect(eventually { reader.sleepsInPoll })
    try box.must("send", "orders", "-m", "awaited")
    let read = try reader.wait()
    #expect(read.code == 0)
    #expect(read.text == "awaited")
  }

  @Test func waitReadsWhatIsThereAtOnce() throws {
    try box.must("send", "orders", "-m", "there")
    #expect(try box.must("read", "stock", "--wait") == "there")
  }

  @Test func followPrintsLettersAsTheyComeUntilItIsToldToStop() throws {
    try box.must("send", "orders", "-m", "one ")
    let reader = try box.startPost("read", "stock", "--follow")
    #expect(eventually { reader.outputSoFar == "one " })
    #expect(eventually { reader.sleepsInPoll })
    try box.must("send", "orders", "-m", "two ")
    #expect(eventually { reader.outputSoFar == "one two " })
    try box.must("send", "orders", "--lines", input: "three\nfour")
    #expect(eventually { reader.outputSoFar == "one two threefour" })
    #expect(eventually { box.entries("done").count == 4 })
    reader.kill(.terminate)
    let ended = try reader.wait()
    #expect(ended.code == 0 || ended.code == 143)
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test func severalReadersShareAndNeverDouble() throws {
    let lines = (1...200).map { "letter-\($0)" }
    try box.must("send", "orders", "--lines", input: lines.joined(separator: "\n"))
    let readers = try (1...4).map { _ in
      try box.start([
        "/bin/bash", "-c", "while post read stock -n 7; do echo; done | sed 's/letter/\\nletter/g'",
      ])
    }
    let read = try readers.flatMap { try $0.wait().lines }
    #expect(read.sorted() == lines.sorted())
    #expect(box.entries("done").count == 200)
  }

  @Test(arguments: [
    ["--all", "-n", "3"], ["--follow", "--all"], ["--peek", "--follow"], ["--peek", "--", "cat"],
    ["--lease", "1m", "--", "cat"], ["--lease", "1m", "--peek"], ["-n", "0"], ["-n", "-1"], ["-n", "x"],
    ["--format", "xml"], ["--wait=soon"], ["--lease", "5"],
  ])
  func whatMakesNoSenseTogetherIsRefused(words: [String]) throws {
    try box.must("send", "orders", "-m", "a")
    let refused = try box.run([Sandbox.binary, "read", "stock"] + words.map { Path($0) })
    #expect(refused.code == 64)
    #expect(box.entries("new").count == 1)
  }
}
