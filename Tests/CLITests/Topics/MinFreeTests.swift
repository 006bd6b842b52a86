import Linux
import TestKit
import Testing

/// `Min-Free`: post refuses new letters before the disk is full, and nothing else. No disk is 99% free here.
@Suite struct MinFreeTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private func configure(_ file: String, _ line: String) throws {
    try box.write("spool/\(file)", line + "\n")
  }

  @Test(arguments: ["post.conf", "topics/orders/topic.conf"])
  func withLessFreeALetterIsRefusedBeforeItIsRead(file: String) throws {
    try box.must("send", "orders", "-m", "before")
    try configure(file, "Min-Free: 99%")
    let refused = try box.shell("post send orders; code=$?; cat; exit $code", input: Array("not read".utf8))
    #expect(refused.code == 75)
    #expect(refused.text == "not read")
    #expect(refused.errors.hasPrefix("post: cannot send to orders: "), "\(refused.errors)")
    #expect(refused.errors.contains("free, less than Min-Free 99%; free some"), "\(refused.errors)")
    #expect(refused.errors.contains("topics/orders/topic.conf or post.conf"))
    #expect(box.topicEntries("tmp").isEmpty && box.topicEntries("new").isEmpty)
    #expect(box.topicEntries("cur").count == 1)
    #expect(try box.post("send", "orders", "-m", "x").code == 75)
  }

  @Test func aTopicsOwnMinFreeIsInForce() throws {
    try configure("post.conf", "Min-Free: 99%")
    try configure("topics/orders/topic.conf", "Min-Free: 0")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.post("send", "returns", "-m", "a").code == 75)
  }

  @Test func withEnoughFreeLettersAreAccepted() throws {
    for least in ["0", "1", "4K", "0%", "1%"] {
      try configure("post.conf", "Min-Free: \(least)")
      #expect(try box.post("send", "orders", "-m", "a").errors == "")
    }
    #expect(box.entries("new").count == 5)
  }

  @Test func handlingGoesOn() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc\nd")
    try configure("post.conf", "Min-Free: 99%")
    #expect(try box.must("read", "stock") == "a")
    try box.must("subscribe", "late", "orders")
    #expect(try box.must("read", "late", "--all") == "abcd")
    let id = try box.must("read", "stock", "--lease", "1h").filter { $0 != "\n" }
    try box.must("done", "stock", id)
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
    try box.must("retry", "stock", "ALL")
    try box.must("subscribe", "stock", "orders", "--", "true")
    try box.must("watch", "--until-empty")
    #expect(box.entries("done").count == 4)
    try box.must("replay", "stock")
    #expect(box.entries("new").count == 4)
    let swept = try box.post("sweep")
    #expect(swept.code == 0 && swept.errors.contains("no letters are accepted for orders"), "\(swept.errors)")
  }

  @Test func statusTellsWhichTopicsTakeNoLetters() throws {
    try box.must("send", "returns", "-m", "a")
    try box.must("send", "free", "-m", "a")
    try configure("post.conf", "Min-Free: 99%")
    try configure("topics/free/topic.conf", "Min-Free: 0")
    let first = try box.must("status").split(separator: "\n").first ?? ""
    #expect(first.hasPrefix("! disk: ") && first.hasSuffix("no letters are accepted for orders, returns"))
    #expect(try box.must("status", "--json").contains("less than Min-Free 99%"))
  }

  @Test func aBadSettingIsToldOfAndRefusesNoLetter() throws {
    try configure("topics/orders/topic.conf", "# how much\nMin-Free: lots")
    let sent = try box.post("send", "orders", "--lines", input: Array("a\nb".utf8))
    #expect(sent.code == 0)
    #expect(sent.errors.contains("topics/orders/topic.conf, line 2: invalid value 'lots' for Min-Free"))
    #expect(sent.errors.split(separator: "\n").count == 1)
    #expect(try box.must("read", "stock", "--all") == "ab")
    #expect(try box.must("status").contains("! orders: topics/orders/topic.conf, line 2"))
  }

  @Test func aLongSenderTakesUpAChange() throws {
    let sender = try box.start([
      "/bin/bash", "-c", "while echo x; do sleep 0.02; done 2> /dev/null | post send orders --lines",
    ])
    #expect(eventually { !box.entries("new").isEmpty })
    try configure("post.conf", "Min-Free: 99%")
    let ended = try sender.wait()
    #expect(ended.code == 75)
    #expect(ended.errors.contains("\(box.entries("new").count) letters were accepted"), "\(ended.errors)")
  }

  @Test(.needsStrace) func whatIsOffCostsNoLookAtTheDiskAndWhatIsOnOne() throws {
    try box.must("send", "orders", "-m", "a")  // the ballast is there
    func looks() throws -> String {
      try box.script(
        "seq 5 | strace -o trace -e trace=fstatfs,statfs post send orders --lines; grep -c statfs trace || true"
      )
    }
    #expect(try looks() == "0\n")
    try configure("post.conf", "Min-Free: 1K")
    #expect(try looks() == "5\n")
  }
}
