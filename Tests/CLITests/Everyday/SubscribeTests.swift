import Linux
import TestKit
import Testing

@Suite struct SubscribeTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  private func conf() throws -> String { try box.read("spool/mailboxes/stock/mailbox.conf") }

  @Test func subscribingMakesAllThatIsMissingAndASymlink() throws {
    let made = try box.post("subscribe", "stock", "orders", "invoices")
    #expect(made.code == 0)
    #expect(made.text == "" && made.errors == "")
    for topic in ["orders", "invoices"] {
      let target = try Directory(box.spool).readSymlink(Path("topics/\(topic)/subscribers/stock"))
      #expect(target == "../../../mailboxes/stock")
      for place in ["tmp", "new", "cur"] { #expect(box.exists("spool/topics/\(topic)/\(place)")) }
    }
    for place in ["tmp", "new", "cur", "later", "done", "failed", "notes", "log"] {
      #expect(box.exists("spool/mailboxes/stock/\(place)"))
    }
  }

  @Test func aNewSubscriberGetsWhatTheTopicStillKeeps() throws {
    try box.must("send", "orders", "--lines", input: "one\ntwo\nthree")
    try box.must("subscribe", "stock", "orders")
    try box.must("subscribe", "audit", "orders", "--from", "start")
    #expect(try box.must("read", "stock", "--all") == "onetwothree")
    #expect(try box.must("read", "audit", "--all") == "onetwothree")
  }

  @Test func fromNowGetsNoOldLetters() throws {
    try box.must("send", "orders", "-m", "old")
    try box.must("subscribe", "stock", "orders", "--from", "now")
    #expect(box.entries("new").isEmpty)
    try box.must("send", "orders", "-m", "new")
    #expect(try box.must("read", "stock", "--all") == "new")
  }

  @Test func fromAnAgeGetsTheLettersOfThatAge() throws {
    try box.must("send", "orders", "-m", "recent ")
    try box.write("spool/topics/orders/cur/1500000000.M1P1.elsewhere", "old ")
    try box.must("subscribe", "stock", "orders", "--from", "2d")
    #expect(try box.must("read", "stock", "--all") == "recent ")
    try box.must("subscribe", "audit", "orders", "--from", "30000d")
    #expect(try box.must("read", "audit", "--all") == "old recent ")
  }

  @Test(arguments: ["yesterday", "-1d", "", "2"])
  func anotherStartIsRefused(from: String) throws {
    #expect(try box.post("subscribe", "stock", "orders", "--from", from).code == 64)
    #expect(!box.exists("spool"))
  }

  @Test func aSecondTimeChangesNothing() throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    try box.must("subscribe", "stock", "orders", "--tries", "5")
    try box.must("read", "stock")
    try box.must("read", "stock", "--lease", "1h")
    let before = try box.script(
      "cd spool; find . -not -path '*/log/*' | sort; cat mailboxes/stock/mailbox.conf")
    try box.must("subscribe", "stock", "orders")
    try box.must("subscribe", "stock", "orders", "--from", "start")
    let after = try box.script(
      "cd spool; find . -not -path '*/log/*' | sort; cat mailboxes/stock/mailbox.conf")
    #expect(after == before)
  }

  @Test func whoComesBackGetsWhatWasMissedAndNothingTwice() throws {
    try box.must("subscribe", "stock", "orders")
    try box.must("send", "orders", "-m", "before")
    #expect(try box.must("read", "stock") == "before")
    try box.must("unsubscribe", "stock", "orders")
    try box.must("send", "orders", "-m", "meanwhile")
    #expect(try box.post("read", "stock").code == 1)
    try box.must("subscribe", "stock", "orders")
    #expect(try box.must("read", "stock", "--all") == "meanwhile")
  }

  @Test func optionsBecomeSettings() throws {
    try box.must(
      "subscribe", "stock", "orders", "--tries", "7", "--timeout", "30s", "--retry", "2s..5m", "--parallel",
      "3", "--", "/bin/echo", "it's", "a b", "$HOME")
    let lines = try Set(conf().split(separator: "\n").map(String.init))
    #expect(
      lines == [
        "Tries: 7", "Timeout: 30s", "Retry: 2s..5m", "Parallel: 3",
        "Handler: /bin/echo 'it'\\''s' 'a b' '$HOME'",
      ])
  }

  @Test func commentsAndOrderOfTheSettingsStay() throws {
    try box.must("subscribe", "stock", "orders")
    try box.write(
      "spool/mailboxes/stock/mailbox.conf", "# ours\nKeep-Done: 3d\n\n  # why 4\nTries: 4\n# end\n")
    try box.must("subscribe", "stock", "orders", "--tries", "5", "--parallel", "2")
    #expect(try conf() == "# ours\nKeep-Done: 3d\n\n  # why 4\nTries: 5\n# end\nParallel: 2\n")
  }

  @Test(
    arguments: [
      ["--tries", "0"], ["--tries", "-1"], ["--tries", "many"], ["--timeout", "5"], ["--timeout", "0s"],
      ["--retry", "5m..1s"], ["--retry", "x"], ["--parallel", "257"], ["--parallel", "0"],
    ])
  func badSettingsAreRefusedBeforeAnythingIsMade(words: [String]) throws {
    let refused = try box.run([Sandbox.binary, "subscribe", "stock", "orders"] + words.map { Path($0) })
    #expect(refused.code == 64)
    #expect(refused.errors.contains("invalid value '\(words[1])' for \(words[0]): expected "))
    #expect(!box.exists("spool"))
  }

  @Test func unsubscribingFromOneLeavesTheOthersAndTheLetters() throws {
    try box.must("subscribe", "stock", "orders", "invoices", "returns")
    try box.must("send", "orders", "-m", "kept")
    try box.must("unsubscribe", "stock", "orders")
    try box.must("send", "orders", "-m", "not for stock")
    try box.must("send", "invoices", "-m", "+invoice")
    #expect(try box.must("read", "stock", "--all") == "kept+invoice")
    try box.must("unsubscribe", "stock")
    for topic in ["orders", "invoices", "returns"] {
      #expect(box.names(in: "spool/topics/\(topic)/subscribers").isEmpty)
    }
    #expect(box.exists("spool/mailboxes/stock/new"))
  }

  @Test func endingWhatIsNotThereIsNotFound() throws {
    try box.must("subscribe", "stock", "orders")
    try box.must("send", "invoices", "-m", "x")
    #expect(try box.post("unsubscribe", "stock", "invoices").code == 66)
    #expect(try box.post("unsubscribe", "stock", "nothing").code == 66)
    #expect(try box.post("unsubscribe", "attic").code == 66)
    #expect(box.names(in: "spool/topics/orders/subscribers") == ["stock"])
  }

  /// Senders, new subscribers and a reader at the same time.
  @Test func subscribingWhileSendersSendLosesAndDoublesNothing() throws {
    let output = try box.script(
      #"""
      post subscribe early orders
      for sender in 1 2 3; do
        (for n in $(seq 20); do post send orders -m "s$sender-$n"$'\n'; done
         seq -f "s$sender-%g"$'\n' 21 60 | grep . | post send orders --lines) &
      done
      until test "$(ls spool/topics/orders/cur | wc -l)" -ge 10; do :; done
      post subscribe late orders &
      (post subscribe later orders; post read later --all > first; post subscribe later orders) &
      wait
      cd spool
      ls topics/orders/cur > ../kept
      for mailbox in early late; do ls mailboxes/$mailbox/new | cmp - ../kept; done
      cd ..
      wc -l < kept
      { cat first; post read later --all; } | tr -d '\n' | sed 's/s/\ns/g' | grep . | sort > read
      post read late --all | tr -d '\n' | sed 's/s/\ns/g' | grep . | sort > all
      cmp read all
      uniq all | wc -l
      """#)
    #expect(output == "180\n180\n")
  }

  @Test(.needsStrace, arguments: ["fsync", "linkat", "symlinkat", "unlinkat"], 1...6)
  func aSubscriptionThatDiedIsFinishedByWhoeverPassesBy(call: String, number: Int) throws {
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    _ = try box.shell(
      "strace -o /dev/null -e inject=\(call):signal=KILL:when=\(number) post subscribe stock orders")
    try box.must("send", "orders", "-m", "d")
    let isSubscribed = box.names(in: "spool/topics/orders/subscribers") == ["stock"]
    if isSubscribed { #expect(try box.must("read", "stock", "--all") == "abcd") }
    try box.must("subscribe", "stock", "orders")
    let rest = try box.post("read", "stock", "--all")
    #expect(rest.text == (isSubscribed ? "" : "abcd"))
  }
}
