import Linux
import TestKit
import Testing

/// Topics and mailboxes are Maildirs: other programs deliver into them and read from them.
@Suite struct ForeignDeliveryTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice")
  }

  /// As three lines of shell deliver: written elsewhere, moved into new/.
  private func deliver(_ content: String, as name: String) throws {
    try box.write("letter", content)
    try box.script("mv letter 'spool/topics/orders/new/\(name)'")
  }

  @Test(.needsPython, arguments: ["post read stock --peek", "post sweep", "post send orders -m z"])
  func whatPythonDeliversReachesEveryMailbox(next command: String) throws {
    try box.script(
      #"""
      python3 - <<'END'
      import mailbox, os
      topic = mailbox.Maildir(os.environ["POST_SPOOL"] + "/topics/orders", create=False)
      topic.add(b"Subject: from python\nX-Number: 7\n\nbody of python\n")
      END
      """#)
    try box.script(command)
    #expect(box.topicEntries("new").isEmpty)
    for mailbox in ["stock", "invoice"] {
      let said = try box.must(
        "read", mailbox, "--all", "--", "sh", "-c", #"echo "$POST_SUBJECT $POST_HEADER_X_NUMBER"; cat"#)
      // Python does not pad its microseconds, so which letter comes first is not certain.
      #expect(said.contains("from python 7\nbody of python\n"))
    }
  }

  @Test(.needsPython) func pythonReadsWhatPostSent() throws {
    let body = "line one\n\nFrom here on\n.\nend without newline"
    try box.must("send", "orders", "-s", "hello", "-t", "text/plain", "-m", body)
    try box.write("expected", body)
    try box.script(
      #"""
      python3 - <<'END'
      import mailbox, os
      spool, expected = os.environ["POST_SPOOL"], open("expected", "rb").read()
      for folder in "topics/orders", "mailboxes/stock", "mailboxes/invoice":
          (message,) = mailbox.Maildir(f"{spool}/{folder}", create=False)
          assert message["Subject"] == "hello"
          assert message["Post-Topic"] == "orders"
          assert message.get_content_type() == "text/plain"
          assert message.get_payload(decode=True) == expected, message.get_payload()
          assert message["Date"] and message["Message-ID"].endswith(">")
      END
      """#)
    #expect(try box.must("read", "stock") == body)
  }

  /// As Python's mailbox and procmail make their files.
  @Test func aForeignLetterThatIsSharedMayNoLongerBeWritten() throws {
    try box.script(
      "printf body > letter; chmod 660 letter; mv letter spool/topics/orders/new/10.M1P1.foreign")
    try box.must("sweep")
    let name = try #require(box.entries("new").first)
    let status = try Directory(box.spool).status("mailboxes/stock/new" / name)
    #expect(status.permissions == 0o440 && status.links == 3)
  }

  @Test func aFileWithoutHeadersIsAllBody() throws {
    for (number, body) in ["just text\n", "a: b\nno empty line", "\nbegins empty\n", "not a header\n\nx"]
      .enumerated()
    {
      try deliver(body, as: "1\(number).M1P1.foreign")
      #expect(try box.must("read", "stock") == body)
      #expect(try box.must("read", "invoice", "--", "cat") == body)
    }
  }

  @Test func foldedHeadersAndCRLFAreUnderstood() throws {
    try deliver("Subject: one\r\n two\r\nX-A: b\r\n\r\nbody\r\n", as: "10.M1P1.foreign")
    let said = try box.must("read", "stock", "--", "sh", "-c", #"echo "$POST_SUBJECT"; cat"#)
    #expect(said == "one two\nbody\r\n")
  }

  @Test(arguments: [201, 250, 255])
  func aForeignNameTooLongForTheStateBehindItIsShortened(length: Int) throws {
    try deliver("Subject: x\n\nbody", as: String(repeating: "n", count: length))
    #expect(try box.must("read", "stock", "--", "cat") == "body")
    #expect(try box.must("read", "invoice", "--lease", "1h") != "")
    #expect(box.entries("corrupt").isEmpty)
    #expect(box.topicEntries("new").isEmpty)
    #expect(box.topicEntries("cur").count == 1)
  }

  @Test func aLetterPutStraightIntoAMailboxIsReadThere() throws {
    try box.write("letter", "Subject: direct\n\nbody")
    try box.script("mv letter spool/mailboxes/stock/new/10.M1P1.procmail")
    #expect(try box.must("read", "stock") == "body")
    #expect(try box.post("read", "invoice").code == 1)
  }

  @Test func whatAMailReaderMovedToCurIsLeftAloneAndListed() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try #require(box.entries("new").first)
    try box.script("cd spool/mailboxes/stock; mv new/\(id) cur/\(id):2,S")
    #expect(try box.post("read", "stock").code == 1)
    try box.must("sweep")
    #expect(box.entries("cur") == ["\(id):2,S"])
    #expect(try box.must("list", "stock").contains(id))
  }

  @Test func aMailReadersFlagsDoNotHinderDone() throws {
    try box.must("send", "orders", "-m", "a")
    let id = try box.must("read", "stock", "--lease", "1h").filter { $0 != "\n" }
    try box.script("cd spool/mailboxes/stock/cur; mv \(id),* $(echo \(id),*):2,S")
    try box.must("done", "stock", id)
    #expect(box.entries("done").count == 1)
    #expect(box.entries("cur").isEmpty)
  }

  @Test func ordinaryToolsWorkOnTheSpool() throws {
    try box.must("send", "orders", "-s", "find me", "-m", "a")
    try box.must("send", "orders", "-m", "b")
    #expect(try box.post("read", "stock", "--all", "--", "sh", "-c", "exit 65").code == 75)
    // mv alone gives a failed letter another chance.
    try box.script(
      #"""
      cd spool/mailboxes/stock
      mv "$(grep -l '^Subject: find me' failed/*)" new/
      """#)
    #expect(try box.must("read", "stock", "--all") == "a")
    #expect(box.entries("failed").count == 1)
  }
}
