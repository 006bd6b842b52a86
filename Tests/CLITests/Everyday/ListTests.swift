import Linux
import TestKit
import Testing

/// `post list`, `post show`, `post status`: they show what there is and change nothing.
@Suite struct ListTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice")
  }

  @Test func listWithoutANameShowsTopicsAndMailboxes() throws {
    try box.must("send", "returns", "-m", "x")
    #expect(
      try box.must("list")
        == """
        KIND     NAME     SUBSCRIBERS|TOPICS
        topic    orders   invoice,stock
        topic    returns
        mailbox  invoice  orders
        mailbox  stock    orders

        """
    )
  }

  @Test func listShowsALineForEachLetterWithItsPlace() throws {
    try box.must("send", "orders", "--lines", "-s", "two words", input: "a\nb\nc\nd")
    try box.must("read", "stock")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 65")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 1")
    let lines = try box.must("list", "stock").split(separator: "\n").map(String.init)
    let columns = lines.map { $0.split(separator: " ").map(String.init) }
    #expect(columns.map(\.first) == ["new", "later", "done", "failed"])
    #expect(columns.map { $0[3] } == ["0", "1", "1", "1"])
    #expect(Set(columns.map { $0[1] }) == Set(box.topicEntries("cur")))
    for line in lines { #expect(line.hasSuffix("  two words")) }
    let topic = try box.must("list", "orders").split(separator: "\n")
    #expect(topic.count == 4)
    #expect(topic.allSatisfy { $0.hasPrefix("kept") })
  }

  @Test func aNameThatIsTopicAndMailboxShowsBoth() throws {
    try box.must("subscribe", "orders", "orders")
    try box.must("send", "orders", "-m", "a")
    let lines = try box.must("list", "orders").split(separator: "\n")
    #expect(lines.map { $0.prefix(4) } == ["new ", "kept"])
  }

  @Test(arguments: ["\u{1b}]0;title\u{7}", "\u{1b}[31mred", "tab\there", "del\u{7f}", "\u{9b}31m"])
  func aSubjectCannotSteerTheTerminal(subject: String) throws {
    try box.must("send", "orders", "-s", subject, "-m", "a")
    for command in ["list stock", "list orders", "status"] {
      let shown = try box.script("post \(command)").unicodeScalars
      #expect(!shown.contains { $0.value != 10 && ($0.value < 32 || (0x7f...0x9f).contains($0.value)) })
    }
  }

  @Test(.needsPython) func everyLineOfJSONIsReadByPython() throws {
    try box.must("send", "orders", "-s", "\u{1b}[31m \"quoted\" \\ é", "-m", "a")
    try box.must("send", "orders", "-m", "b")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 65")
    try box.script(
      #"""
      { post list --json; post list stock --json; post list orders --json; post status --json; } > lines
      python3 - <<'END'
      import json
      rows = [json.loads(line) for line in open("lines", encoding="utf-8")]
      everything, rows = rows[:3], rows[3:]
      assert [(row["kind"], row["name"]) for row in everything] == [
          ("topic", "orders"), ("mailbox", "invoice"), ("mailbox", "stock")], everything
      assert everything[0]["with"] == ["invoice", "stock"]
      stock, orders, status = rows[:2], rows[2:4], rows[4:]
      assert [row["place"] for row in stock] == ["new", "failed"], stock
      assert stock[1]["subject"] == '\x1b[31m "quoted" \\ é' and stock[1]["attempt"] == 1
      assert {row["id"] for row in stock} == {row["id"] for row in orders}
      topic, invoice, mailbox, disk = status
      assert disk["kind"] == "disk" and 0 < disk["free"] < disk["size"] and "free_inodes" in disk, disk
      assert topic["kept"] == 2 and topic["held"] == 0 and topic["subscribers"] == ["invoice", "stock"]
      assert invoice["waiting"] == 2 and invoice["trouble"] == []
      assert mailbox["waiting"] == 1 and mailbox["failed"] == 1 and len(mailbox["trouble"]) == 1
      END
      """#)
  }

  @Test func statusPutsTroublesFirst() throws {
    #expect(try !box.must("status").contains("!"))
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 65")
    try box.must("read", "stock", "--lease", "1h")
    try box.must("read", "invoice")
    let lines = try box.must("status").split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("! stock: 1 failed"))
    let table = Dictionary(
      uniqueKeysWithValues: lines.dropFirst().map { $0.split(separator: " ").map(String.init) }
        .filter { $0.count > 1 }.map { ($0[0], Array($0.dropFirst())) })
    #expect(table["orders"] == ["3", "0", "invoice,stock"])
    #expect(table["stock"] == ["1", "1", "0", "0", "1", "-"])
    #expect(table["invoice"] == ["2", "0", "0", "1", "0", "-"])
  }

  @Test func showPrintsALetterWhereverItIs() throws {
    try box.must("send", "orders", "-s", "hello", "-m", "body")
    let id = try #require(box.topicEntries("cur").first)
    let file = try box.read("spool/topics/orders/cur/\(id)")
    #expect(try box.must("show", id) == file)
    #expect(try box.must("show", id, "--format", "body") == "body")
    #expect(try box.must("show", id, "--format", "json").contains("\"subject\":\"hello\""))
    // Gone from its topic, it is still in a mailbox.
    try box.script("rm spool/topics/orders/cur/*; post read stock > /dev/null")
    #expect(try box.must("show", id) == file)
    #expect(box.entries("done").count == 1)
  }

  @Test func showTakesABeginningThatFitsOneLetter() throws {
    let printed = try box.must("send", "orders", "--id", "--lines", input: "one\ntwo")
    let ids = printed.split(separator: "\n").map(String.init)
    let common = String(zip(ids[0], ids[1]).prefix { $0 == $1 }.map(\.0))
    let ambiguous = try box.post("show", common)
    #expect(ambiguous.code == 64)
    #expect(ambiguous.errors.contains(ids[0]) && ambiguous.errors.contains(ids[1]))
    #expect(try box.must("show", String(ids[1].prefix(common.count + 1)), "--format=body") == "two")
    #expect(try box.post("show", "x").code == 66)
    #expect(try box.post("show", "").code == 64)
  }

  @Test(arguments: [
    "list", "list stock", "list orders", "list --json", "status", "status --json", "show 1",
    "read stock --peek --all",
    "send --help", "help",
  ])
  func lookingChangesNothing(command: String) throws {
    try box.must("send", "orders", "-m", "a")
    let files = "cd spool; find . -printf '%p %s %n %i %T@\\n' | sort"
    let before = try box.script(files)
    try box.script("post \(command)")
    #expect(try box.script(files) == before)
  }
}
