import Linux
import TestKit
import Testing

/// Mail readers open topics: letters that they took from new/ before they were sorted, or saved in cur/, are reported
/// and can be delivered; letters that were sorted and then looked at do not come again.
@Suite struct MailReaderTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice")
  }

  private let told = "a mail reader put there never reached invoice, stock; post check --repair delivers them"

  /// There is no finding, and no mailbox gets anything.
  private func expectQuiet(at location: SourceLocation = #_sourceLocation) throws {
    let checked = try box.post("check")
    let findings = checked.lines.filter { !$0.contains(": remark: ") }
    #expect(findings == [], sourceLocation: location)
    let repaired = try box.post("check", "--repair")
    #expect(repaired.code == 0, "\(repaired.text)", sourceLocation: location)
    #expect(try box.post("sweep").errors == "", sourceLocation: location)
    for mailbox in ["stock", "invoice"] {
      #expect(try box.post("read", mailbox).code == 1, sourceLocation: location)
    }
  }

  /// check and sweep report it, check --repair delivers it, once, and it is handled once.
  private func expectRepair(_ bodies: [String], at location: SourceLocation = #_sourceLocation) throws {
    let swept = try box.post("sweep")
    #expect(swept.code == 0 && swept.errors.contains(told), "\(swept.errors)", sourceLocation: location)
    let checked = try box.post("check")
    #expect(checked.code == 1 && checked.text.contains(told), "\(checked.text)", sourceLocation: location)
    let repaired = try box.post("check", "--repair")
    #expect(repaired.code == 1 && repaired.text.contains("repaired: delivered"), sourceLocation: location)
    for _ in 1...2 {
      for mailbox in ["stock", "invoice"] {
        let seen = try box.post("read", mailbox, "--all", "--", "sh", "-c", "cat; echo").lines
        #expect(seen.filter { !$0.isEmpty }.sorted() == bodies, sourceLocation: location)
      }
      try expectQuiet(at: location)
      if !bodies.isEmpty { return }
    }
  }

  /// Opens a Maildir with mutt, on a terminal of its own, and sends it keys.
  private func mutt(_ folder: String, _ keys: String) throws {
    try box.write("muttrc", "set mbox_type=Maildir move=no confirmappend=no quit=yes folder=/nonexistent\n")
    try box.script(
      """
      test -p quiet || mkfifo quiet
      TERM=vt100 timeout 60 script -qec "mutt -n -F muttrc -f $PWD/\(folder) -e 'push \(keys)'" /dev/null \
        0<> quiet > said || { cat -v said >&2; exit 1; }
      """)
  }

  private func python(_ lines: String) throws {
    try box.script("python3 - <<'END'\nimport mailbox, os\nspool = os.environ['POST_SPOOL']\n\(lines)\nEND")
  }

  /// What a sender leaves that died once its letters were accepted.
  private func acceptAndDie(_ body: String) throws {
    _ = try box.shell(
      "strace -o /dev/null -e inject=linkat:signal=KILL:when=1 post send orders -m \(body)")
    #expect(box.topicEntries("new").count == 1)
  }

  // MARK: Taken before they were sorted

  @Test(.needsMutt, .needsStrace, arguments: ["<quit>", "<display-message><exit><quit>"])
  func whatMuttTookFromNewIsDelivered(keys: String) throws {
    try acceptAndDie("a")
    try mutt("spool/topics/orders", keys)
    #expect(box.topicEntries("new").isEmpty)
    #expect(box.topicEntries("cur").allSatisfy { $0.contains(":2,") })
    try expectRepair(["a"])
  }

  @Test(.needsStrace, arguments: [":2,", ":2,S", ":2,RS", ":1,x"])
  func whatAnyReaderTookFromNewIsDelivered(flags: String) throws {
    try acceptAndDie("a")
    try box.script("cd spool/topics/orders; n=$(ls new); mv new/$n cur/$n\(flags)")
    try expectRepair(["a"])
    #expect(box.topicEntries("cur").allSatisfy { $0.hasSuffix(flags) })  // as the reader left it
  }

  @Test(.needsStrace) func whoHasHadItDoesNotGetItAgain() throws {
    _ = try box.shell("strace -o /dev/null -e inject=linkat:signal=KILL:when=2 post send orders -m a")
    try box.script("cd spool/topics/orders; n=$(ls new); mv new/$n cur/$n:2,S")
    let had = box.entries("new", of: "invoice").isEmpty ? "stock" : "invoice"
    let lacks = had == "stock" ? "invoice" : "stock"
    #expect(try box.must("read", had) == "a")
    #expect(try box.post("check").text.contains("never reached \(lacks); post check --repair"))
    #expect(try box.post("check", "--repair").text.contains("repaired: delivered"))
    #expect(try box.must("read", lacks) == "a")
    try expectQuiet()
  }

  /// The sender lives: it is about to deliver when the reader takes the letter. Accepted is accepted.
  @Test(.needsPtrace) func aSenderWhoseLetterIsTakenSaysSo() throws {
    let sender = try Traced(box, [Sandbox.binary, "send", "orders", "-m", "a"])
    while let call = try sender.next(), call.name != "linkat" {}
    try box.script("cd spool/topics/orders; n=$(ls new); mv new/$n cur/$n:2,S")
    let sent = try sender.wait()
    #expect(sent.code == 0)
    #expect(sent.errors.contains("before mailbox invoice had them; post check --repair delivers them"))
    #expect(box.topicEntries("held") == [] && box.topicEntries("new") == [])
    try expectRepair(["a"])
  }

  /// All mailboxes have it; only the last step is the mail reader's.
  @Test(.needsPtrace, arguments: ["send", "sweep"])
  func aLetterThatIsTakenAfterItWasDeliveredIsNoTrouble(verb: String) throws {
    if verb == "sweep" { try acceptAndDie("a") }
    let words = verb == "sweep" ? ["sweep"] : ["send", "orders", "-m", "a"]
    let sorter = try Traced(box, [Sandbox.binary] + words.map { Path($0) })
    while let call = try sorter.next() {
      guard call.name == "renameat2", try "\(sorter.path(at: call.arguments[3]))".contains("orders/cur/")
      else {
        continue
      }
      try box.script("cd spool/topics/orders; n=$(ls new); mv new/$n cur/$n:2,S")
      break
    }
    let ended = try sorter.wait()
    #expect(ended.code == 0 && ended.errors == "")
    for mailbox in ["stock", "invoice"] { #expect(try box.must("read", mailbox) == "a") }
    try expectQuiet()
  }

  // MARK: Saved in cur/

  @Test(.needsPython) func whatPythonSavedAsReadIsDelivered() throws {
    try python(
      """
      topic = mailbox.Maildir(spool + "/topics/orders", create=False)
      for body in "a", "b":
          message = mailbox.MaildirMessage(b"Subject: read\\n\\n" + body.encode())
          message.set_subdir("cur")
          message.set_flags("S")
          topic.add(message)
      """)
    let names = box.topicEntries("cur")
    try expectRepair(["a", "b"])
    #expect(box.topicEntries("cur") == names)
    #expect(try box.script("stat -c %a spool/topics/orders/cur/* | sort -u").hasSuffix("444\n"))
  }

  /// Python puts no flags behind the name of a letter that has none.
  @Test(.needsPython) func whatPythonSavedWithoutFlagsIsDelivered() throws {
    try python(
      """
      topic = mailbox.Maildir(spool + "/topics/orders", create=False)
      for body in "a", "b":
          message = mailbox.MaildirMessage(b"Subject: old\\n\\n" + body.encode())
          message.set_subdir("cur")
          topic.add(message)
      """)
    let names = box.topicEntries("cur")
    #expect(names.count == 2 && !names.contains { $0.contains(":") })
    try expectRepair(["a", "b"])
    #expect(box.topicEntries("cur") == names)
  }

  /// Of two letters with one name, the writable one has not been sorted.
  @Test func whatIsMovedBesideALetterOfItsNameIsDelivered() throws {
    let name = "\(Clock.wall / 1_000_000_000).1_1.host"
    try box.write("spool/topics/orders/new/\(name)", "a")
    try box.must("sweep")
    for mailbox in ["stock", "invoice"] { #expect(try box.must("read", mailbox) == "a") }
    try box.script("cd spool/topics/orders/cur; mv \(name) \(name):2,S; printf b > \(name)")
    try expectRepair(["b"])
    #expect(box.topicEntries("cur").count == 2)
  }

  @Test(.needsMutt) func whatMuttSavedIsDelivered() throws {
    try box.script("mkdir -p box/{tmp,new,cur}; printf 'Subject: x\\n\\na' > box/new/1.2.host")
    try mutt(
      "box", "<display-message><exit><save-message><kill-line>\(box.spool)/topics/orders<enter><quit>y")
    let cur = box.topicEntries("cur")
    #expect(cur.count + box.topicEntries("new").count == 1)
    if cur.first?.contains(":2,") == true { return try expectRepair(["a"]) }
    try box.must("sweep")
    #expect(try box.must("read", "stock").hasPrefix("a"))
  }

  /// As mbsync and mv do. Its name may be years old, and another letter's.
  @Test(arguments: [
    "1000000000.1_1.host:2,S", "order.json:2,", "%.1_1.host,U=4:2,FS", "order.json",
    "%.1_1.host",
  ])
  func whatWasMovedThereIsDeliveredHoweverOldItSeems(given: String) throws {
    let name = given.replacing("%", with: "\(Clock.wall / 1_000_000_000)")
    for body in ["a", "b"] {
      try box.write("letter", body)
      try box.script("touch -d 2001-01-01 letter; mv letter 'spool/topics/orders/cur/\(name)'")
      try expectRepair([body])
    }
    #expect(box.topicEntries("cur").count == (given.contains("%") ? 1 : 2))
    #expect(box.topicEntries("corrupt").isEmpty)
    try box.must("subscribe", "late", "orders")
    #expect(try box.must("read", "late", "--all").contains("b"))
  }

  @Test func onlyWhoWasSubscribedThenAndRemembersLacksALetter() throws {
    try box.must("unsubscribe", "stock", "orders")
    let cur = "spool/topics/orders/cur"
    let second = Clock.wall / 1_000_000_000
    try box.script("echo a > \(cur)/\(second - 10).M000000R00000000P1Q1.host:2,S")
    try box.script("echo 'Keep-Done: 5s' >> spool/mailboxes/invoice/mailbox.conf")
    try box.must("subscribe", "stock", "orders", "--from", "now")
    #expect(try box.post("check").lines.allSatisfy { !$0.contains("never reached") })
  }

  // MARK: Sorted before

  @Test(.needsMutt) func whatMuttOnlyLookedAtDoesNotComeAgain() throws {
    for body in ["a", "b"] { try box.must("send", "orders", "-m", body) }
    #expect(try box.must("read", "stock") == "a")
    try mutt("spool/topics/orders", "<display-message><next-undeleted><exit><quit>")
    try mutt("spool/topics/orders", "<tag-pattern>~A<enter><tag-prefix><set-flag>!<quit>")
    #expect(box.topicEntries("cur").contains { $0.contains(":2,") })
    #expect(try box.must("read", "stock", "--all") == "b")
    #expect(try box.must("read", "invoice", "--all") == "ab")
    try expectQuiet()
    try box.must("subscribe", "late", "orders")
    #expect(try box.must("read", "late", "--all") == "ab")
    try box.must("replay", "stock")
    #expect(try box.must("read", "stock", "--all") == "ab")
  }

  @Test(arguments: ["cur", "bags"]) func aFlaggedLetterIsKeptReplayedAndPrunedAsBefore(place: String) throws {
    for name in ["order.json", "\(Clock.wall / 1_000_000_000).1_1.host"] {
      try box.write("letter", "foreign")
      try box.script("mv letter spool/topics/orders/new/\(name); post sweep")
    }
    try box.must("send", "orders", "-m", "ours")
    for mailbox in ["stock", "invoice"] { try box.must("read", mailbox, "--all") }
    try box.script("cd spool/topics/orders/cur; for n in *; do mv $n $n:2,S; done")
    if place == "bags" {
      try box.script("cd spool/topics/orders; mkdir bags; mv cur bags/cur.0000000001; mkdir cur")
    }
    try expectQuiet()
    try box.must("subscribe", "late", "orders", "--from", "1h")
    #expect(try box.must("read", "late", "--all").count == "foreignforeignours".count)
    try box.must("replay", "stock", "--since", "1h")
    #expect(try box.must("read", "stock", "--all").count == "foreignforeignours".count)
    #expect(box.entries("done").count == 3)
    try box.script("echo 'Keep: 0s' > spool/topics/orders/topic.conf")
    _ = try eventually {
      try box.must("sweep")
      return box.topicEntries("cur").count == 1
    }
    // A foreign name of the last 36 hours shows only when its delivery began.
    #expect(box.topicEntries("cur").allSatisfy { $0.contains("1_1.host") })
  }

  /// It is flagged, or sealed, while a new subscriber is being given it.
  @Test(.needsPtrace) func aLetterThatIsFlaggedMeanwhileReachesANewSubscriber() throws {
    for body in ["a", "b"] { try box.must("send", "orders", "-m", body) }
    let subscriber = try Traced(box, [Sandbox.binary, "subscribe", "late", "orders"])
    while let call = try subscriber.next(), call.name != "linkat" {}
    try box.script("cd spool/topics/orders/cur; for n in *; do mv $n $n:2,S; done")
    #expect(try subscriber.wait().code == 0)
    #expect(try box.must("read", "late", "--all") == "ab")
  }

  @Test func aSealedLetterOfAReaderIsFoundByCheck() throws {
    try box.script(
      """
      cd spool/topics/orders; mkdir -p bags/cur.0000000001
      printf '\\na' > bags/cur.0000000001/$(date +%s).1_1.host:2,S
      """)
    try expectRepair(["a"])
  }
}
