import Linux
import TestKit
import Testing

/// `post check` finds damage, `--repair` repairs what needs no guessing.
@Suite struct CheckTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.openWithLetters()
  }

  /// Reads what each mailbox hands out, to the end.
  private func readAll() throws -> [String] {
    try ["stock", "invoice"].map { try box.post("read", $0, "--all").text }
  }

  @Test func anOfficeInOrderIsClean() throws {
    try box.expectClean()
    try box.must("read", "stock")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 65")
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 1")
    try box.must("read", "invoice", "--lease", "1h")
    let looked = try box.post("check", "-v")
    #expect(looked.code == 0)
    #expect(looked.errors.contains("checked topics/orders: 3 letters"))
    #expect(looked.errors.contains("checked mailboxes/stock: 3 letters"))
    #expect(try box.check("--repair") == [])
  }

  @Test func withoutASpoolThereIsNothingToLookAt() throws {
    let refused = try box.post("--spool", "missing", "check", "--repair")
    #expect(refused.code == 66)
    #expect(!box.exists("missing"))
  }

  @Test func aDirectoryThatIsNoSpoolIsNotMadeOne() throws {
    try box.script("mkdir -p other/things")
    let looked = try box.post("--spool", "other", "check", "--repair")
    #expect(looked.code == 0)
    #expect(looked.text.contains("remark: has not been created yet"))
    #expect(box.names(in: "other") == ["things"])
  }

  /// A place, how trouble comes about there, and what check reports.
  struct Trouble: Sendable, CustomTestStringConvertible {
    let place: String
    let script: String
    let what: String
    /// What post check --repair does about it.
    let repaired: String
    var testDescription: String { "\(place) \(what)" }

    init(_ place: String, _ script: String, _ what: String, _ repaired: String = "") {
      (self.place, self.script, self.what, self.repaired) = (place, script, what, repaired)
    }

    func make(in box: Sandbox) throws { try box.script("cd spool; it='\(place)'; \(script)") }
  }

  private static let ours = "1500000000.M000000R00000000P1Q1.shop"

  private static let curable = [
    Trouble(
      "topics/orders/tmp/\(ours)", "echo x > $it", "is unfinished, and its writer is dead", "removed"),
    Trouble(
      "mailboxes/stock/tmp/\(ours)", "echo x > $it", "is unfinished, and its writer is dead", "removed"),
    Trouble(
      "topics/orders/tmp/foreign", "echo x > $it; touch -d '-37 hours' $it",
      "was neither read nor written for more than 36 hours", "removed"),
    Trouble("topics/orders/new/1.2.foreign", "echo x > $it", "is accepted but not delivered", "delivered"),
    Trouble(
      "topics/orders/subscribers/.stock", "echo 'Since: 0' > $it",
      "post subscribe died before stock had all letters",
      "linked"),
    Trouble(
      "topics/orders/subscribers/.late", "echo 'Since: 0' > $it",
      "post subscribe died before it subscribed late",
      "removed"),
    Trouble(
      "mailboxes/stock/notes/1.2.gone", "echo x > $it; touch -d '-25 hours' $it",
      "is about a letter that is not here", "removed"),
    Trouble("mailboxes/stock/later", "rmdir $it", "is missing", "created"),
    Trouble("topics/orders/tmp", "rmdir $it", "is missing", "created"),
  ]

  @Test(arguments: curable)
  func whatCanBePutRightIs(trouble: Trouble) throws {
    try trouble.make(in: box)
    try box.expectRepair(trouble.place, trouble.what, repaired: trouble.repaired)
    // Within a second a foreign letter may come first.
    let all = trouble.repaired == "delivered" ? "abcx\n" : "abc"
    #expect(try readAll().map { $0.sorted() } == [all.sorted(), all.sorted()])
  }

  private static let forPeople = [
    // Directories.
    Trouble(
      "mailboxes/stock/log", "rmdir $it; touch $it",
      "cannot be read: not a directory; replace it with a directory"),
    Trouble("mailboxes/stock/later", "chmod 777 $it", "has mode 777: any user may delete"),
    Trouble("topics/orders/new", "chmod 773 $it", "has mode 773: any user may delete"),
    Trouble("topics", "chmod 777 $it", "has mode 777: any user may delete"),
    Trouble("topics/bad name", "mkdir \"$it\"", "is not a valid name of a topic"),
    Trouble("mailboxes/_x", "mkdir $it", "is not a valid name of a mailbox"),
    Trouble("mailboxes/file", "touch $it", "is not a directory, so it is no mailbox"),
    Trouble("mailboxes/lost", "ln -s nowhere $it", "is a broken symlink, so it is no mailbox"),
    Trouble("topics/orders/held/bad name", "mkdir -p \"$it\"", "is not a valid name of a mailbox"),
    // Subscribers.
    Trouble(
      "topics/orders/subscribers/away", "ln -s ../../../mailboxes/away $it",
      "leads to ../../../mailboxes/away, which does not exist"),
    Trouble("topics/orders/subscribers/loop", "ln -s loop $it", "leads to loop, which does not exist"),
    Trouble("topics/orders/subscribers/far", "ln -s /usr $it", "leads to /usr, which lacks tmp/ or new/"),
    Trouble("topics/orders/subscribers/file", "touch $it", "is not a symlink"),
    Trouble("topics/orders/subscribers/folder", "mkdir $it", "is not a symlink"),
    Trouble("topics/orders/subscribers/bad name", "ln -s x \"$it\"", "is not a valid name of a mailbox"),
    // Settings and handlers.
    Trouble(
      "mailboxes/stock/mailbox.conf", "printf 'Tries: 3\\nTires: 4\\n' > $it",
      "line 2: unknown setting 'Tires'; did you mean Tries?"),
    Trouble(
      "mailboxes/invoice/mailbox.conf", "echo 'Tries: 3' > $it; chmod 666 $it", "is writable by any user"),
    Trouble(
      "topics/orders/topic.conf", "echo 'Keep: 7 days' > $it", "line 1: invalid value '7 days' for Keep"),
    Trouble(
      "post.conf", "echo 'Handler: x' > $it", "line 1: 'Handler' cannot be set here; set it in mailbox.conf"),
    Trouble("mailboxes/a/mailbox.conf", "mkdir -p $it", "not a regular file; put one in its place"),
    Trouble("mailboxes/b/mailbox.conf", "mkdir mailboxes/b; mkfifo $it", "not a regular file; put one"),
    Trouble(
      "mailboxes/stock/handler-broken", "echo 'handler cannot be run: x' > $it", "handler cannot be run: x"),
    Trouble(
      "mailboxes/stock/corrupt", "mkdir $it; echo x > $it/1.2.x", "has 1 letter set aside; inspect"
    ),
  ]

  @Test func whatIsForPeopleToDecideIsOnlyTold() throws {
    for trouble in CheckTests.forPeople { try trouble.make(in: box) }
    let before = try box.script("find spool -printf '%p %m %l\\n' | sort")
    for words in [[], ["--repair"]] {
      let found = try words.isEmpty ? box.check() : box.check("--repair")
      #expect(found.count == CheckTests.forPeople.count, "\(found)")
      for trouble in CheckTests.forPeople {
        #expect(found.count { $0.hasPrefix("\(trouble.place): \(trouble.what)") } == 1, "\(trouble)")
      }
    }
    #expect(try box.script("find spool -printf '%p %m %l\\n' | sort") == before)
  }

  @Test func aSubscriptionThatIsFinishedBringsTheBacklogOnce() throws {
    try box.must("subscribe", "late", "orders", "--from", "now")
    try box.script("echo 'Since: 0' > spool/topics/orders/subscribers/.late")
    #expect(try box.check("--repair").count == 1)
    #expect(try box.must("read", "late", "--all") == "abc")
    #expect(try readAll() == ["abc", "abc"])
  }

  @Test func whatIsHeldIsDeliveredWhenItsMailboxIsBack() throws {
    try box.script("mv spool/mailboxes/stock away; post send -q orders -m d")
    let gone = try box.check("--repair")
    #expect(gone.count == 2)
    #expect(
      gone[0].hasPrefix("topics/orders/held/stock: 1 letter could not be delivered to mailbox stock"))
    #expect(gone[0].contains("1 cannot be delivered yet (gone for good? post unsubscribe stock orders)"))
    #expect(
      gone[1].hasPrefix(
        "topics/orders/subscribers/stock: leads to ../../../mailboxes/stock, which does not exist"))
    try box.script("mv away spool/mailboxes/stock")
    try box.expectRepair(
      "topics/orders/held/stock", "1 letter could not be delivered to mailbox stock", repaired: "delivered")
    #expect(try readAll() == ["abcd", "abcd"])
  }

  @Test(.needsStrace) func aLetterWhoseSenderDiedHalfWayIsSorted() throws {
    _ = try box.shell("strace -o /dev/null -e inject=linkat:signal=KILL:when=2 post send orders -m d")
    let id = try #require(box.topicEntries("new").first)
    try box.expectRepair("topics/orders/new/\(id)", "is accepted but not delivered", repaired: "delivered")
    #expect(try readAll() == ["abcd", "abcd"])
  }

  @Test(arguments: [(",A=1", "its holder is dead"), (",A=2,L=1500000000", "its lease has ended")])
  func aDeadClaimIsTakenBack(mark: String, what: String) throws {
    let id = box.entries("new")[0]
    try box.script("cd spool/mailboxes/stock; mv new/\(id) 'cur/\(id)\(mark)'")
    try box.expectRepair(
      "mailboxes/stock/cur/\(id)\(mark)", what, repaired: "put back into mailboxes/stock/new")
    #expect(try readAll() == ["abc", "abc"])
  }

  @Test func aDeadClaimWithNoTriesLeftFails() throws {
    let id = box.entries("new")[0]
    try box.must("subscribe", "stock", "orders", "--tries", "1")
    try box.script("cd spool/mailboxes/stock; mv new/\(id) cur/\(id),A=1")
    try box.expectRepair(
      "mailboxes/stock/cur/\(id),A=1", "its holder is dead",
      repaired: "put back into mailboxes/stock/failed")
    #expect(try readAll() == ["bc", "abc"])
  }

  @Test func whatAMailReaderMovedIsARemark() throws {
    let id = box.entries("new")[0]
    try box.script("cd spool/mailboxes/stock; mv new/\(id) cur/\(id):2,S")
    try box.expectClean()
    #expect(
      try box.remarks().contains {
        $0.hasPrefix("mailboxes/stock/cur: remark: a mail reader has moved 1 letter here")
      })
  }

  @Test func aNoteWhoseLetterIsInAnyStateIsNoFinding() throws {
    for place in ["new", "cur", "later", "done", "failed"] {
      try box.script(
        "cd spool/mailboxes/stock; printf x > \(place)/10.\(place).x,A=1,L=8000000000; echo x > notes/10.\(place).x; touch -d '-2 days' notes/*"
      )
    }
    try box.script("echo x > spool/mailboxes/stock/notes/10.young.x")
    try box.expectClean()
  }

  @Test func aSubscriberElsewhereIsARemarkAndSoIsATopicOfWhichOnlySettingsExist() throws {
    try box.script(
      "mkdir -p maildir/{tmp,new} spool/topics/later; echo 'Keep: 3d' > spool/topics/later/topic.conf")
    try box.script("ln -s $PWD/maildir spool/topics/orders/subscribers/elsewhere")
    try box.expectClean()
    let remarks = try box.remarks()
    #expect(remarks.contains { $0.hasPrefix("topics/orders/subscribers/elsewhere: remark: leads to /") })
    #expect(remarks.contains("topics/later: remark: has not been created yet; post send later creates it"))
  }

  @Test func whereHalfIsMissingTheRestIsStillLookedAt() throws {
    try box.script("cd spool/mailboxes/stock; rm -r log; mkdir failed/10.x; rm -r later")
    let found = try box.check()
    #expect(
      found.map { $0.split(separator: ":")[0] } == [
        "mailboxes/stock/later", "mailboxes/stock/log", "mailboxes/stock/failed/10.x",
      ])
  }

  // MARK: The wording

  @Test func jsonIsAnObjectALine() throws {
    try box.script("mkdir spool/mailboxes/_x spool/mailboxes/stock/done/10.x")
    #expect(
      try box.check("--json").filter { !$0.contains(#""remark":true"#) } == [
        #"{"kind":"bad-name","place":"mailboxes/_x","remark":false,"remedy":"rename it","what":"is not a valid name of a mailbox, so post ignores it"}"#,
        #"{"kind":"stray","place":"mailboxes/stock/done/10.x","remark":false,"remedy":"post check --repair sets it aside","what":"is a directory, not a letter"}"#,
      ])
    #expect(
      try box.check("--repair", "--json").contains {
        $0.contains(#""repair":"set aside in mailboxes/stock/corrupt""#)
      })
  }

  @Test func quietLeavesTheExitCode() throws {
    #expect(try box.post("check", "-q").code == 0)
    try box.script("mkdir spool/mailboxes/_x")
    let quiet = try box.post("-q", "check")
    #expect(quiet.code == 1)
    #expect(quiet.text == "" && quiet.errors == "")
  }

  @Test func whatCannotBePrintedIsAnErrorAndIsRepairedAllTheSame() throws {
    try box.script("mkdir spool/mailboxes/_x; rmdir spool/mailboxes/stock/later")
    #expect(try box.shell("post check --repair > /dev/full").code == 74)
    #expect(try box.shell("post check >&-").code == 74)
    #expect(box.exists("spool/mailboxes/stock/later"))
  }

  @Test func aNameCannotSteerTheTerminal() throws {
    try box.script(#"mkdir spool/mailboxes/$'\e[31m' spool/mailboxes/stock/new/$'\n\e[1m\xff'"#)
    let found = try box.check()
    #expect(found.count == 2)
    #expect(!found.joined().unicodeScalars.contains { $0.value < 32 })
  }
}
