// Bags: full directories that were sealed. Every command that works on letters finds them there, too.

import Linux
import TestKit
import Testing

@Suite(.needsSwelling) struct BagTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// As many as fill a directory, so really many; then more.
  @Test func manyLettersAreReadInTheOrderTheyWereSent() throws {
    try box.must("sweep")  // makes the ballast
    let fresh = try box.script("du -sk --exclude=log spool | cut -f 1").filter(\.isNumber)
    var ids = [String]()
    func send(_ count: Int) throws {
      let input = (ids.count..<ids.count + count).map { "\($0);\n" }.joined()
      ids += try box.must("send", "orders", "--lines", "--id", input: input).split(separator: "\n").map(
        String.init)
    }
    let topicBags = { self.box.names(in: "spool/topics/orders/bags") }
    while box.bagNames.count < 2 || topicBags().count < 2, ids.count < 20_000 { try send(250) }
    try send(250)
    #expect(box.bagNames == ["new.0000000001", "new.0000000002"])
    #expect(topicBags() == ["cur.0000000001", "cur.0000000002"])
    // As ls shows them, bag after bag.
    #expect(box.entries("new") == ids)
    // A reader of Maildirs that knows nothing of bags sees the newest.
    if Machine.hasPython {
      let seen = try box.script(
        "python3 -c 'import mailbox; print(len(mailbox.Maildir(\"spool/mailboxes/stock\").keys()))'")
      let newest = box.names(in: "spool/mailboxes/stock/new").count
      #expect(seen == "\(newest)\n" && newest < ids.count)
    }
    #expect(try box.must("list", "stock").split(separator: "\n").count == ids.count)
    #expect(try box.must("list", "orders").split(separator: "\n").count == ids.count)
    let status = try box.must("status").split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(status.contains { $0.prefix(2) == ["stock", "\(ids.count)"] })
    #expect(status.contains { $0.prefix(2) == ["orders", "\(ids.count)"] })
    #expect(try box.must("show", ids[7], "--format", "body") == "7;")
    #expect(try box.must("read", "stock", "--peek", "-n", "3") == "0;1;2;")
    #expect(try box.post("check").code == 0)
    #expect(try box.must("read", "stock", "--all") == ids.indices.map { "\($0);" }.joined())
    #expect(box.bags(of: "spool/mailboxes/stock", "new").isEmpty)
    #expect(!box.bags(of: "spool/mailboxes/stock", "done").isEmpty)

    try box.write("spool/post.conf", "Keep: 0s\nKeep-Done: 0s\n")
    // No larger than a fresh one, but for three directories that were not full: new, done, and what the topic keeps.
    #expect(
      try eventually {
        try box.must("sweep")
        let now = try box.script("du -sk --exclude=log spool | cut -f 1").filter(\.isNumber)
        return try #require(Int(now)) <= #require(Int(fresh)) + 3 * 64
      })
    #expect(box.bagNames.isEmpty && box.names(in: "spool/topics/orders/bags").isEmpty)
  }

  @Test func theLowestBagIsReadFirstAndAnEmptyOneGoes() throws {
    try box.fillBags()
    #expect(try box.readOne() == "1")
    #expect(try box.readOne() == "2")
    #expect(try box.readOne() == "3")
    #expect(box.bagNames == ["new.0000000002"])
    // The next seal counts on.
    try box.seal("mailboxes/stock/new")
    #expect(box.bagNames == ["new.0000000002", "new.0000000003"])
    #expect(try box.must("read", "stock", "--all") == "456")
    #expect(box.bagNames.isEmpty)
    #expect(!box.exists("spool/mailboxes/stock/bags"))
    #expect(try box.post("read", "stock").code == 1)
  }

  @Test func strictOrderHoldsAcrossBags() throws {
    try box.script("echo 'Order: strict' > spool/mailboxes/stock/mailbox.conf")
    try box.fillBags()
    let id = try box.must("read", "stock", "--lease", "1h").dropLast()
    #expect(try box.post("read", "stock").code == 75 || box.post("read", "stock").code == 1)
    try box.must("release", "stock", String(id))
    #expect(try box.readOne() == "1")
    #expect(try box.must("read", "stock", "--all") == "23456")
  }

  /// A letter that is given back comes before all that wait.
  @Test func lettersThatComeBackAreNotBehindThemAll() throws {
    try box.fillBags()
    let first = try box.must("read", "stock", "--lease", "1h").dropLast()
    let second = try box.must("read", "stock", "--lease", "1h").dropLast()
    try box.must("release", "stock", String(first))
    try box.must("fail", "stock", String(second))
    try box.must("retry", "stock", String(second))
    #expect(box.bagNames.contains("again.0000000001"))
    #expect(try box.readOne() == "1")
    #expect(try box.readOne() == "2")
    #expect(try box.readOne() == "3")
    #expect(!box.bagNames.contains("again.0000000001"))
    #expect(try box.must("read", "stock", "--all") == "456")
    #expect(box.bagNames.isEmpty)
  }

  /// They fill the bag that they come back to.
  @Test func manyLettersThatComeBackAreAllRead() throws {
    try box.fillBags()
    let failed = try Directory(box.spool / "mailboxes/stock/failed")
    var count = 0
    repeat {
      for _ in 1...100 {
        let name = "1000000000.M\(10_000 + count)R1P1Q1.host,A=1"
        try failed.open(Path(name), .create(permissions: 0o444)).write("failed;")
        count += 1
      }
    } while try box.size("mailboxes/stock/failed") <= 160 << 10 && count < 20_000
    try box.must("retry", "stock", "ALL")
    #expect(box.entries("failed").isEmpty)
    #expect(box.entries("new").count == count + 6)
    #expect(
      box.names(in: "spool/mailboxes/stock/bags").allSatisfy {
        $0.hasPrefix("again.") || $0.hasPrefix("new.")
      })
    let text = try box.must("read", "stock", "--all")
    #expect(text.filter(\.isNumber).sorted() == "123456".sorted())
    #expect(text.count { $0 == ";" } == count)
    try box.must("sweep")
    #expect(box.emptyBags(of: "spool/mailboxes/stock").isEmpty)
  }

  @Test func whatHasEndedIsFoundInBags() throws {
    try box.send(1...4)
    for _ in 1...2 { #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65) }
    #expect(try box.readOne() == "3")
    try box.seal("mailboxes/stock/failed", "mailboxes/stock/done", "topics/orders/cur")
    #expect(box.bagNames == ["done.0000000001", "failed.0000000001"])
    let listed = try box.must("list", "stock").split(separator: "\n").map { $0.prefix { $0 != " " } }
    #expect(listed.sorted() == ["done", "failed", "failed", "new"])
    #expect(try box.post("check").code == 0)
    #expect(try box.must("subscribe", "audit", "orders") == "")
    #expect(try box.must("read", "audit", "--all") == "1234")

    try box.must("retry", "stock", "ALL")
    #expect(box.entries("failed").isEmpty)
    #expect(try box.must("read", "stock", "--all") == "124")
    try box.must("replay", "stock")
    #expect(try box.must("read", "stock", "--all") == "1234")
    try box.must("sweep")
    #expect(box.emptyBags(of: "spool/mailboxes/stock").isEmpty)
  }

  @Test func whatHasHadItsDayIsRemovedFromBagsAndTheyGo() throws {
    try box.send(1...2)
    for number in 1...3 {
      try box.write("spool/topics/orders/cur/100000000\(number).M1P1.host", "old")
      try box.write("spool/mailboxes/stock/done/100000000\(number).M1P1.host,A=1,D=1000000009", "old")
    }
    try box.write("spool/post.conf", "Keep: forever\nKeep-Done: forever\n")
    try box.seal("topics/orders/cur", "mailboxes/stock/done")
    #expect(box.topicEntries("cur").count == 5 && box.entries("done").count == 3)
    try box.write("spool/post.conf", "Keep: 1d\nKeep-Done: 1d\n")
    try box.must("sweep")
    #expect(box.topicEntries("cur").count == 2 && box.entries("done").isEmpty)
    #expect(box.bagNames.isEmpty)
    #expect(box.names(in: "spool/topics/orders/bags") == ["cur.0000000001"])
  }

  @Test func aLargeDirectoryWithNothingInItIsReplaced() throws {
    for place in ["mailboxes/stock/new", "mailboxes/stock/cur", "mailboxes/stock/tmp", "topics/orders/new"] {
      let inode = try Directory(box.spool).status(Path(place)).inode
      try box.seal(place)
      #expect(try Directory(box.spool).status(Path(place)).inode != inode, "\(place)")
    }
    #expect(box.bagNames.isEmpty && box.names(in: "spool/topics/orders/bags").isEmpty)
    try box.send(1...1)
    // A program that works on a letter there goes by its path.
    try box.swell("spool/mailboxes/stock/cur")
    let id = try box.must("read", "stock", "--lease", "1h").dropLast()
    let inode = try Directory(box.spool).status("mailboxes/stock/cur").inode
    try box.must("sweep")
    #expect(try Directory(box.spool).status("mailboxes/stock/cur").inode == inode)
    try box.must("done", "stock", String(id))
  }

  /// As after a power cut that undoes a seal: what was sorted after the seal is in the directory that became `cur/`.
  @Test func aLetterInNewThatABagKeepsIsKeptOnce() throws {
    try box.send(1...1)
    let name = try #require(box.topicEntries("cur").first)
    try box.script(
      """
      cd spool/topics/orders; mkdir -p bags/cur.0000000001
      mv cur/\(name) new; ln new/\(name) bags/cur.0000000001
      """)
    try box.must("sweep")
    #expect(box.names(in: "spool/topics/orders/new") == [])
    #expect(box.topicEntries("cur") == [name])
    #expect(box.entries("new") == [name])
  }

  @Test func checkTellsOfWhatIsNoBag() throws {
    try box.fillBags()
    #expect(try box.post("check").code == 0)
    try box.script(
      "mkdir spool/mailboxes/stock/bags/old-stuff; chmod 700 spool/mailboxes/stock/bags/new.0000000001")
    let found = try box.post("check")
    #expect(found.code == 1)
    #expect(found.text.contains("old-stuff"))
  }

  @Test func aPlaceMayBeASymlink() throws {
    try box.fillBags()
    try box.script("cd spool/mailboxes/stock; mv new elsewhere; ln -s elsewhere new")
    #expect(try box.must("read", "stock", "--all") == "123456")
  }

  // MARK: Owners

  @Test(.needsOtherUser) func aBagIsWhoseTheDirectoryWas() throws {
    try box.script("chmod 2770 spool/mailboxes/stock/new; chown 65534:65534 spool/mailboxes/stock/new")
    try box.send(1...1)
    try box.seal("mailboxes/stock/new")
    let said = try box.script("cd spool/mailboxes/stock; stat -c '%a %u %g' new bags/new.0000000001")
    #expect(said == "2770 65534 65534\n2770 65534 65534\n")
  }

  /// A sweeper that may write there, but not give a directory away, leaves it as it is.
  @Test(.needsOtherUser) func whoMayNotMakeOneLikeItDoesNotSeal() throws {
    try box.script("chmod -R a+rwX spool; chmod a+rwx .")
    try box.send(1...1)
    try box.swell("spool/mailboxes/stock/new")
    let swept = try box.shell("umask 0; \(Machine.asNobody) post sweep")
    #expect(swept.code == 0, "\(swept.errors)")
    #expect(box.bagNames.isEmpty)
    #expect(try box.size("mailboxes/stock/new") > 64 << 10)
    #expect(try box.readOne() == "1")
  }

  /// Letters come back also where the reader may not make a directory like the owner's.
  @Test(.needsOtherUser) func aReaderWithoutRightsGivesALetterBackAllTheSame() throws {
    try box.fillBags()
    try box.script("chmod -R a+rwX spool; chmod a+rwx .")
    let first = try box.shell("\(Machine.asNobody) post read stock --lease 1h")
    let id = first.text.filter { !$0.isNewline }
    let released = try box.shell("umask 0; \(Machine.asNobody) post release stock \(id)")
    #expect(released.code == 0, "\(released.errors)")
    #expect(try box.must("read", "stock", "--all").sorted() == "123456".sorted())
    try box.must("sweep")
    #expect(box.bagNames.isEmpty)
  }

  // MARK: Where two names cannot change places

  @Test(.needsPtrace) func whereNamesCannotBeExchangedASealTakesTwoSteps() throws {
    try box.send(1...2)
    try box.swell("spool/mailboxes/stock/new")
    let sweep = try Traced(box, [Sandbox.binary, "sweep"])
    var count = 0
    while let call = try sweep.next() {
      guard call.name == "renameat2", call.int(4) == 2 else { continue }
      try sweep.fail(.invalid)
      count += 1
    }
    #expect(try sweep.wait().code == 0)
    #expect(count == 1 && box.bagNames.count == 1)
    #expect(try box.size("mailboxes/stock/new") <= 64 << 10)
    try box.send(3...3)
    #expect(try box.must("read", "stock", "--all") == "123")
    #expect(box.bagNames.isEmpty)
  }

  /// Seals `new` in a fresh copy of the office, where directories cannot be exchanged.
  /// - Parameter number: the sweeper is killed at this call after its first step.
  /// - Returns: how many calls it made after it.
  private func sealInTwoSteps(killedAt number: Int?) throws -> Int {
    try box.script("rm -rf spool; cp -a template spool")
    try box.swell("spool/mailboxes/stock/new")
    let sweep = try Traced(box, [Sandbox.binary, "sweep"])
    var since: Int?
    while let call = try sweep.next() {
      if call.name == "renameat2", call.int(4) == 2 {
        try sweep.fail(.invalid)
        since = 0
      } else if let count = since {
        if count == number {
          sweep.kill()
          break
        }
        since = count + 1
      }
    }
    _ = try sweep.wait()
    return since ?? 0
  }

  /// Killed at any call after the first step: for a moment there is no `new`. `make test` tries some.
  @Test(
    .needsPtrace,
    arguments: [
      ["read", "stock", "--all"], ["sweep"], ["send", "orders", "-m", "3"], ["subscribe", "stock", "orders"],
      ["watch", "--until-empty"],
    ]) func aSealOfTwoStepsCanBeKilledAnywhere(words: [String]) throws
  {
    try box.send(1...2)
    try box.script("mv spool template")
    let seed = Seeded.anySeed
    var dice = Seeded(seed)
    let calls = try sealInTwoSteps(killedAt: nil)
    print("a seal of two steps, then \(words): \(calls) calls, seed \(seed)")
    for number in dice.part(of: Array(0..<calls), atMost: 6) {
      _ = try sealInTwoSteps(killedAt: number)
      let next = try box.run([Sandbox.binary] + words.map { Path($0) })
      #expect([0, 1].contains(next.code), "call \(number), \(words): exit \(next.code), \(next.errors)")
      let rest = try box.post("read", "stock", "--all").text
      let sent = words[0] == "send" ? "123" : "12"
      #expect(next.text + rest == sent, "call \(number), \(words)")
      try box.must("sweep")
      #expect(box.emptyBags(of: "spool/mailboxes/stock").isEmpty, "call \(number), \(words)")
    }
    #expect(calls > 10)
  }
}
