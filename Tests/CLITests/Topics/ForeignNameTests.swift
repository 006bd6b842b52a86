import Linux
import TestKit
import Testing

/// The ID of a letter that a foreign program delivered, and when it counts as accepted: one ID names one letter of
/// its topic for as long as anything of it is kept.
@Suite struct ForeignNameTests {
  let box: Sandbox
  private let now = Clock.wall / 1_000_000_000

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice")
  }

  /// As three lines of shell deliver: written elsewhere, moved into new/.
  private func deliver(_ content: String, as name: String, to topic: String = "orders") throws {
    try box.write("letter", content)
    try box.script("mv letter 'spool/topics/\(topic)/new/\(name)'")
  }

  private func isOurForm(_ id: String) -> Bool {
    id.wholeMatch(of: /[0-9]{10}\.F[0-9]{6}R[0-9a-f]{8}P[0-9]+Q[0-9]+\..+/) != nil
  }

  /// The IDs that a handler sees, each with the topic and the body, in order of the bodies.
  private func handled(_ mailbox: String = "stock") throws -> [String] {
    let script = #"printf '%s %s %s\n' "$POST_ID" "$POST_TOPIC" "$(cat)""#
    let ended = try box.post("read", mailbox, "--all", "--", "sh", "-c", script)
    return ended.lines.sorted { $0.split(separator: " ").last! < $1.split(separator: " ").last! }
  }

  // MARK: Names

  @Test(
    arguments: [
      "%.M1P1.host", "%.M1P1.host,S=123", "%.M1P1.host,S=12,W=13", "%.1_2.host.with.dots",
      "%.1_ü.höst",
    ], [0, 35 * 3600, 36 * 3600 - 60])
  func aUniqueNameOfTheLastThirtySixHoursStays(name: String, age: Int64) throws {
    let id = name.replacing("%", with: "\(now - age)")
    try deliver("Subject: x\n\nbody", as: id)
    #expect(try box.must("read", "stock", "--", "sh", "-c", #"printf %s "$POST_ID""#) == id)
    #expect(box.entries("done").first?.hasPrefix("\(id),A=1,D=") == true)
    #expect(try box.must("read", "invoice") == "body")
    #expect(box.topicEntries("cur") == [id])
  }

  @Test(arguments: [
    "order.json", "noTime", "2_ü", "name with space", "%.with space.host", "%", "%.host", "%.1_2", "%..host",
    "%.1_2.",
    "12345678.1_2.host",
    "123456789012.1_2.host", "1500000000.M1P1.host", "old.M1P1.host", "ahead.M1P1.host", "%.M1P1.host:2,S",
    "%.M1P1.host,A=1", "%.M1P1.host,D=1500000000", "%.a:b.host", "%.a\u{1}b.host", "%.a\u{85}b.host", "long",
  ])
  func anyOtherNameMakesWayForOneOfOurs(name: String) throws {
    let words = [
      "%": "\(now)", "old": "\(now - 36 * 3600 - 60)", "ahead": "\(now + 3600)",
      "long": "\(now).1_2.\(String(repeating: "h", count: 200))",
    ]
    let given = words.reduce(name) { $0.replacing($1.key, with: $1.value) }
    try deliver("Subject: x\n\nbody", as: given)
    let id = try box.must("read", "stock", "--", "sh", "-c", #"printf %s "$POST_ID""#)
    #expect(isOurForm(id))
    #expect((now...now + 60).contains(Int64(id.prefix(10)) ?? 0))
    #expect(try box.must("read", "invoice", "--format", "json").contains(id))
    #expect(box.topicEntries("cur") == [id] && box.topicEntries("new").isEmpty)
  }

  @Test func aNameThatIsNotUTF8MakesWay() throws {
    try box.script(
      #"printf body > letter; mv letter "$(printf 'spool/topics/orders/new/%s.a\377b.host' $(date +%s))""#)
    try box.must("sweep")
    #expect(box.topicEntries("cur").allSatisfy(isOurForm))
    #expect(try box.must("read", "stock") == "body")
  }

  // MARK: One ID, one letter

  @Test func oneNameInTwoTopicsMakesTwoLettersOfOneMailbox() throws {
    try box.must("subscribe", "stock", "returns")
    for name in ["order.json", "\(now).1_1.host"] {
      for topic in ["orders", "returns"] {
        try deliver("\(name)-\(topic)", as: name, to: topic)
        try box.must("sweep")
      }
      let seen = try handled()
      #expect(seen.count == 2 && Set(seen.map { $0.split(separator: " ")[0] }).count == 2)
      #expect(seen.map { "\($0.split(separator: " ")[1])" } == ["orders", "returns"])
    }
  }

  /// One file, linked into two topics: to a mailbox of both it is two letters.
  @Test(arguments: ["order.json", "%.1_1.host"], [false, true])
  func oneFileInTwoTopicsIsTwoLetters(name: String, isSwept: Bool) throws {
    try box.must("subscribe", "stock", "returns")
    let name = name.replacing("%", with: "\(now)")
    try box.write("outbox", "body")
    for topic in ["orders", "returns"] {
      try box.script("ln outbox 'spool/topics/\(topic)/new/\(name)'")
      if isSwept { try box.must("sweep") }
    }
    let seen = try handled()
    #expect(seen.count == 2 && Set(seen.map { $0.split(separator: " ")[0] }).count == 2)
    #expect(Set(seen.map { $0.split(separator: " ")[1] }) == ["orders", "returns"])
    #expect(try handled("invoice").count == 1)
    try box.must("subscribe", "late", "orders", "returns")
    #expect(try handled("late").count == 2)
    #expect(try box.read("outbox") == "body")
  }

  /// One file, linked several times into one topic: each has a file of its own.
  @Test(arguments: [2, 3, 4]) func oneFileSeveralTimesInOneTopicIsSeveralLetters(count: Int) throws {
    try box.write("outbox", "body")
    try box.script(
      "for n in $(seq \(count)); do ln outbox spool/topics/orders/new/$n; done; rm outbox; post sweep")
    let inodes = try box.script("stat -c %i spool/topics/orders/cur/*").split(separator: "\n")
    #expect(inodes.count == count && Set(inodes).count == count)
    #expect(try handled().count == count && handled("invoice").count == count)
    try box.must("replay", "stock")
    #expect(try handled().count == count)
  }

  /// However long it could not be sorted: it has its ID. Not if that is another file's name, too.
  @Test(arguments: [false, true]) func anIDThatAFinisherGaveStays(isLinked: Bool) throws {
    let id = "\(now - 40 * 3600).F000001R00000000P1Q1.host"
    try deliver("body", as: id)
    if isLinked { try box.script("ln spool/topics/orders/new/\(id) outbox") }
    try box.must("sweep")
    #expect(box.topicEntries("cur").count == 1)
    #expect((box.topicEntries("cur") == [id]) != isLinked)
    #expect(box.entries("new") == box.topicEntries("cur"))
  }

  @Test(arguments: ["mv", "ln"])
  func whatIsDeliveredAgainIsAnotherLetter(how: String) throws {
    var ids = Set<Substring>()
    for turn in 1...4 {
      try box.write(how == "mv" ? "order.json" : "outbox-\(turn)", "body")
      try box.script(
        how == "mv"
          ? "mv order.json spool/topics/orders/new/"
          : "test -e order.json || mv outbox-1 order.json; ln order.json spool/topics/orders/new/order.json")
      if turn > 2 { try box.script("rm spool/topics/orders/cur/*") }  // Keep is over
      let seen = try handled()
      #expect(seen.count == 1)
      ids.formUnion(seen.map { $0.split(separator: " ")[0] })
    }
    #expect(ids.count == 4)
    #expect(try handled("invoice").count == 4)
  }

  /// A name may come again although its letter has flags by now, or lies in a bag.
  @Test(arguments: ["cur", "flagged", "bag"])
  func aUniqueNameThatTheTopicHasMakesWay(place: String) throws {
    try box.must("unsubscribe", "stock", "orders")
    try box.must("unsubscribe", "invoice", "orders")
    let name = "\(now).1_1.host"
    try deliver("one", as: name)
    try box.must("sweep")
    let cur = "spool/topics/orders/cur"
    switch place {
    case "flagged": try box.script("mv \(cur)/\(name) \(cur)/\(name):2,S")
    case "bag":
      try box.script(
        "mkdir -p \(cur)/../bags/cur.0000000001; mv \(cur)/\(name) \(cur)/../bags/cur.0000000001")
    default: break
    }
    try deliver("two", as: name)
    try box.must("sweep")
    #expect(box.topicEntries("cur").count { isOurForm($0) } == 1)
    try box.must("subscribe", "late", "orders")
    #expect(try handled("late").map { $0.split(separator: " ").last } == ["one", "two"])
  }

  @Test func aNameUnderWhichAMailboxHasAnotherLetterMakesWay() throws {
    let name = "\(now).1_1.host"
    try box.write("spool/mailboxes/stock/new/\(name)", "direct")
    #expect(try box.must("read", "stock") == "direct")
    try deliver("body", as: name)
    try box.must("sweep")
    let id = try #require(box.topicEntries("cur").first)
    #expect(isOurForm(id) && box.entries("new") == [id] && box.entries("new", of: "invoice") == [id])
  }

  // MARK: What version 0.1.0 left

  /// Its finisher died when one mailbox had the letter: the others get it under the same ID.
  @Test func aLetterThatAMailboxHasUnderItsNameKeepsIt() throws {
    try deliver("body", as: "order.json")
    try box.script("cd spool; ln topics/orders/new/order.json mailboxes/stock/new/order.json")
    try box.must("sweep")
    for mailbox in ["stock", "invoice"] { #expect(box.entries("new", of: mailbox) == ["order.json"]) }
    #expect(box.topicEntries("cur") == ["order.json"])
  }

  /// The same where it had to copy it.
  @Test func aCopyThatItsFinisherMadeIsKnown() throws {
    try deliver("body", as: "order.json")
    try box.script(
      """
      cd spool; touch -d @1700000000.123456789 topics/orders/new/order.json
      copy=1700000000.F123456R00000000P$(stat -c %i topics/orders/new/order.json)Q789.copy
      cp topics/orders/new/order.json mailboxes/stock/new/$copy
      """)
    let copies = box.entries("new")
    try box.must("sweep")
    #expect(box.entries("new") == copies && box.entries("new", of: "invoice") == ["order.json"])
  }

  @Test func whatIsKeptUnderAForeignNameReachesLateSubscribersOnce() throws {
    try box.script(
      """
      cd spool; echo body > topics/orders/cur/order.json; chmod 444 topics/orders/cur/order.json
      ln topics/orders/cur/order.json mailboxes/stock/new/order.json
      touch -d 2001-01-01 topics/orders/cur/order.json
      post read stock -q; post sweep; post unsubscribe stock orders; post subscribe stock orders
      post subscribe late orders --from 2d
      """)
    #expect(try box.post("read", "stock").code == 1)
    #expect(try handled("late").count == 1)
  }

  // MARK: Times

  @Test(arguments: ["order.json", "1000000000.1_1.host", "%.1_1.host"])
  func keepAndSinceCountFromAcceptance(name: String) throws {
    try box.write("letter", "body")
    try box.write("spool/topics/orders/topic.conf", "Keep: 1h\n")
    let name = name.replacing("%", with: "\(now - 30 * 3600)")
    try box.script(
      "touch -d 2001-01-01 letter; mv letter spool/topics/orders/new/\(name); post sweep; post sweep; post sweep"
    )
    #expect(box.topicEntries("cur").count == 1)
    try box.must("subscribe", "early", "orders")
    try box.must("subscribe", "late", "orders", "--from", "10m")
    for mailbox in ["stock", "invoice", "early", "late"] { #expect(try handled(mailbox).count == 1) }
    try box.must("replay", "stock", "--since", "10m")
    #expect(try handled().count == 1)
  }

  @Test func aForeignLetterGoesWhenItHasHadItsDay() throws {
    try deliver("body", as: "order.json")
    try box.must("sweep")
    let id = try #require(box.topicEntries("cur").first)
    // As if it had been accepted eight days ago.
    let old = "\(now - 8 * 86_400)" + id.drop(while: \.isNumber)
    try box.script("mv spool/topics/orders/cur/\(id) spool/topics/orders/cur/\(old)")
    try box.must("sweep")
    #expect(box.topicEntries("cur").isEmpty)
  }

  /// Otherwise a mailbox that subscribes anew would get letters again that it has done.
  @Test func aMailboxRemembersAForeignLetterForAsLongAsItsTopicKeepsIt() throws {
    try box.write("spool/post.conf", "Keep: 10s\nKeep-Done: 10s\n")
    let first = now - 36 * 3600 - 5
    for second in stride(from: first - 30, through: first, by: 5) {
      let name = "\(second).1_1.host"
      try box.write("spool/topics/orders/cur/\(name)", "a")
      try box.write("spool/mailboxes/stock/done/\(name),A=1,D=\(second + 10)", "a")
    }
    try box.script("chmod a-w spool/topics/orders/cur/*")  // as a finisher leaves them
    try box.must("sweep")
    let kept = box.topicEntries("cur")
    #expect((1...6).contains(kept.count))
    #expect(box.entries("done").map { "\($0.prefix { $0 != "," })" } == kept)
  }

  // MARK: Its topic

  /// Also where the mailbox has it under another ID: as a copy, or because it had another letter of that name.
  @Test(.needsStrace, arguments: ["copy", "taken"], ["cur", "flagged", "bag"])
  func aForeignLetterUnderAnotherIDKnowsItsTopic(how: String, place: String) throws {
    try box.must("subscribe", "stock", "returns")
    let name = "\(now).1_1.host"
    try deliver("Post-Topic: returns\n\nbody", as: name)
    try box.script(
      how == "copy"
        ? "strace -f -o /dev/null -e inject=linkat:error=EXDEV post sweep"
        : """
        post sweep; cd spool/mailboxes/stock/new
        mv \(name) \(now).F000001R00000000P1Q1.host
        """)
    #expect(box.topicEntries("cur") == [name] && box.entries("new") != [name])
    switch place {
    case "flagged": try box.script("cd spool/topics/orders/cur; mv \(name) \(name):2,S")
    case "bag": try box.script("cd spool/topics/orders; mkdir bags; mv cur bags/cur.0000000001; mkdir cur")
    default: break
    }
    #expect(try handled().map { $0.split(separator: " ")[1] } == ["orders"])
  }

  @Test func aForeignLetterKnowsItsTopicWhateverItSays() throws {
    try box.must("subscribe", "stock", "returns", "third")
    for (topic, header) in [
      ("orders", "Post-Topic: returns"), ("returns", "X: y"), ("third", "Post-Topic: none"),
    ] {
      try deliver("\(header)\n\n\(topic)", as: "order.json", to: topic)
      try deliver("\(header)\n\n\(topic)", as: "\(now).1_1.host", to: topic)
      try box.must("sweep")
    }
    let peeked = try box.must("read", "stock", "-n", "9", "--peek", "--format", "json").split(separator: "\n")
    #expect(peeked.count == 6)
    for topic in ["orders", "returns", "third"] {
      let lines = peeked.filter { $0.contains(#""body":"\#(topic)""#) }
      #expect(lines.count == 2 && lines.allSatisfy { $0.contains(#""topic":"\#(topic)""#) })
      for id in box.names(in: "spool/topics/\(topic)/cur") {
        #expect(try box.must("show", id, "--format", "json").contains(#""topic":""#))
      }
    }
    let seen = try handled()
    #expect(seen.count == 6)
    for line in seen { #expect(line.split(separator: " ")[1] == line.split(separator: " ")[2]) }
  }
}
