import Linux
import TestKit
import Testing

@Suite struct SendTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func sendPrintsNothingAndReachesEveryMailboxAsOneInode() throws {
    for name in ["stock", "invoice", "dispatch"] {
      #expect(try box.post("subscribe", name, "orders").code == 0)
    }
    let sent = try box.post("send", "orders", input: Array("{\"order\": 4711}\n".utf8))
    #expect(sent.code == 0)
    #expect(sent.text == "" && sent.errors == "")
    let spool = try Directory(box.spool)
    let id = try #require(box.names(in: "spool/mailboxes/stock/new").first)
    let status = try spool.status(Path("mailboxes/stock/new/\(id)"))
    #expect(status.links == 4)
    #expect(status.permissions & 0o222 == 0)
    #expect(try spool.status(Path("topics/orders/cur/\(id)")).inode == status.inode)
    #expect(box.names(in: "spool/topics/orders/new").isEmpty)
    #expect(box.names(in: "spool/topics/orders/tmp").isEmpty)
  }

  @Test func eachFileIsALetterInTheirOrder() throws {
    try box.open("stock")
    for name in ["b", "a", "c"] { try box.write(name, name + "\n") }
    try box.must("send", "orders", "b", "a", "-", "c", input: "from stdin\n")
    #expect(try box.must("read", "stock", "--all") == "b\na\nfrom stdin\nc\n")
  }

  @Test func aMessageIsTheBodyAndNothingIsAdded() throws {
    try box.open("stock")
    try box.must("send", "orders", "-m", "no newline")
    try box.must("send", "orders", "-m", "")
    #expect(try box.must("read", "stock") == "no newline")
    #expect(try box.must("read", "stock") == "")
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test func headersStandInTheLetterInTheOrderGiven() throws {
    try box.open("stock")
    try box.must(
      "send", "orders", "-H", "X-Zebra: 1", "-s", "Grüße: ja", "-H", "X-Ape:2", "-t", "text/x", "-H",
      "X-Zebra: 3", "-m", "body")
    let letter = try box.must("read", "stock", "--format", "letter")
    let lines = letter.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(
      lines[3...8] == [
        "Post-Topic: orders", "Subject: Grüße: ja", "Content-Type: text/x", "X-Zebra: 1", "X-Ape: 2",
        "X-Zebra: 3",
      ])
    #expect(lines[9] == "Content-Length: 4")
    #expect(lines.suffix(2) == ["", "body"])
    let starts = ["Message-ID: <", "Date: ", "From: "]
    for (line, start) in zip(lines, starts) { #expect(line.hasPrefix(start)) }
  }

  @Test func idPrintsTheNamesOfTheFiles() throws {
    try box.open("stock")
    let printed = try box.must("send", "orders", "--lines", "--id", input: "one\ntwo\nthree\n")
    let ids = printed.split(separator: "\n").map(String.init)
    #expect(ids.count == 3)
    #expect(ids == ids.sorted())
    #expect(box.topicEntries("cur") == ids)
    #expect(box.entries("new") == ids)
  }

  @Test func theTopicIsMadeAndKeepsLettersForThoseToCome() throws {
    try box.must("send", "orders", "-m", "early")
    try box.open("stock")
    #expect(try box.must("read", "stock") == "early")
  }

  @Test(arguments: [("022", "444"), ("027", "440"), ("077", "400"), ("000", "444")])
  func nobodyMayWriteALetterAndTheUmaskSaysWhoMayRead(umask: String, mode: String) throws {
    try box.open("stock")
    let modes = try box.script(
      "umask \(umask); post send orders -m x; stat -c %a spool/mailboxes/stock/new/* spool/topics/orders/cur/*"
    )
    #expect(modes == "\(mode)\n\(mode)\n")
  }

  @Test func theSpoolIsTheFlagsThenTheEnvironments() throws {
    try box.must("--spool", "\(box.root)/other", "subscribe", "stock", "orders")
    #expect(box.exists("other/mailboxes/stock/new"))
    #expect(!box.exists("spool"))
    try box.must("send", "orders", "--spool=\(box.root)/other", "-m", "x")
    #expect(box.names(in: "other/mailboxes/stock/new").count == 1)
  }

  @Test func withoutASpoolNamedLettersGoToTheStateDirectory() throws {
    try box.script(
      """
      unset POST_SPOOL
      if test -d /var/spool/post; then exit 0; fi
      export XDG_STATE_HOME=$PWD/state
      cd /
      post send orders -m x
      test $(ls $XDG_STATE_HOME/post/topics/orders/cur | wc -l) = 1
      unset XDG_STATE_HOME
      post send orders -m x
      test $(ls $HOME/.local/state/post/topics/orders/cur | wc -l) = 1
      """)
  }
}
