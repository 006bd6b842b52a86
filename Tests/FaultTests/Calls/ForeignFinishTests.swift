import Linux
import TestKit
import Testing

/// Foreign letters, which may have one name twice, while the finishers that sort them die or meet each other.
@Suite(.needsPtrace) struct ForeignFinishTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("invoice", "stock")
  }

  /// Delivers a letter as another program would.
  private func deliver(_ text: String, as name: String = "order.json") throws {
    try box.write("spool/topics/orders/tmp/\(name)", text)
    try box.script("cd spool/topics/orders; mv tmp/\(name) new/\(name)")
  }

  /// A name that may stay.
  private let unique = "\(Clock.wall / 1_000_000_000).1_1.host"

  private func sweep() throws -> Traced { try Traced(box, [Sandbox.binary, "sweep"]) }

  @Test func aLetterThatComesUnderANameJustSortedIsNotLost() throws {
    try deliver("a")
    let slow = try sweep()
    while let call = try slow.next(), call.name != "flock" {}
    // It has seen the first letter; while it waits for its turn, another finisher sorts that one.
    try box.must("sweep")
    try deliver("b")
    #expect(try slow.wait().code == 0)
    try box.must("sweep")
    for mailbox in ["invoice", "stock"] {
      #expect(try box.must("read", mailbox, "--all").sorted() == ["a", "b"])
    }
    #expect(box.topicEntries("new").isEmpty)
  }

  /// Where a letter can have no second link it is copied. A sorter dies when both mailboxes have their copies.
  @Test(arguments: [Errno.crossDevice, .tooManyLinks, .notPermitted], [false, true])
  func aCopyIsNotMadeTwice(refusal: Errno, isUnique: Bool) throws {
    try deliver("a", as: isUnique ? unique : "order.json")
    let dying = try sweep()
    while let call = try dying.next() {
      if call.name == "linkat" { try dying.fail(refusal) }
      if call.name == "renameat2", try "\(dying.path(at: call.arguments[3]))".hasPrefix("topics/orders/cur/")
      {
        dying.kill()
      }
    }
    #expect(try dying.wait().code == 137)
    #expect(box.entries("new").count == 1 && box.topicEntries("new").count == 1)
    try box.must("sweep")
    #expect(box.topicEntries("new").isEmpty)
    for mailbox in ["invoice", "stock"] { #expect(try box.must("read", mailbox, "--all") == "a") }
  }

  /// A file may have the inode of one that is gone, and any time (cp -p). Here it is the very file, under another name.
  @Test func aLetterWithTheInodeAndTimeOfOneThatWasCopiedIsAnother() throws {
    for name in [unique, unique.replacing(".1_1.", with: ".1_2.")] {
      if name == unique { try deliver("a", as: name) }
      let sorter = try sweep()
      while let call = try sorter.next() { if call.name == "linkat" { try sorter.fail(.crossDevice) } }
      #expect(try sorter.wait().code == 0)
      for mailbox in ["invoice", "stock"] { #expect(try box.must("read", mailbox, "--all") == "a") }
      if name == unique {
        try box.script(
          "cd spool/topics/orders; mv cur/\(name) new/\(unique.replacing(".1_1.", with: ".1_2."))")
      }
    }
    #expect(box.entries("done").count == 2)
  }

  @Test func aCopyThatWasBegunIsMadeAnew() throws {
    try deliver("a")
    let dying = try sweep()
    while let call = try dying.next() {
      if call.name == "linkat" { try dying.fail(.tooManyLinks) }
      if call.name == "renameat2", try "\(dying.path(at: call.arguments[1]))".contains("/tmp/") {
        dying.kill()
      }
    }
    #expect(box.entries("tmp", of: "invoice").count == 1)
    let second = try sweep()
    while let call = try second.next() { if call.name == "linkat" { try second.fail(.tooManyLinks) } }
    #expect(try second.wait().errors == "")
    #expect(box.entries("tmp", of: "invoice").isEmpty)
    for mailbox in ["invoice", "stock"] { #expect(try box.must("read", mailbox, "--all") == "a") }
  }

  @Test func aLetterIsHeldEvenIfAnotherOfItsNameIsHeldAlready() throws {
    try box.script("mv spool/mailboxes/stock away")
    try deliver("a")
    try box.must("sweep", "-q")
    try box.script("rm spool/topics/orders/cur/*")  // it has expired
    try deliver("b")
    try box.must("sweep", "-q")
    #expect(box.topicEntries("held/stock").count == 2)
    try box.script("mv away spool/mailboxes/stock")
    #expect(try box.must("read", "stock", "--all").sorted() == ["a", "b"])
    #expect(try box.must("read", "invoice", "--all").sorted() == ["a", "b"])
  }

  /// A letter comes under a name that is about to go to cur/: it is not the one that was delivered.
  @Test func aLetterThatReplacesOneThatIsBeingSortedIsNotLost() throws {
    try deliver("a", as: unique)
    let slow = try sweep()
    while let call = try slow.next() {
      if call.name == "renameat2", try "\(slow.path(at: call.arguments[3]))".hasPrefix("topics/orders/cur/") {
        break
      }
    }
    try deliver("b", as: unique)
    #expect(try slow.wait().code == 0)
    try box.must("sweep")
    for mailbox in ["invoice", "stock"] {
      #expect(try box.must("read", mailbox, "--all").sorted() == ["a", "b"])
    }
    #expect(box.topicEntries("new").isEmpty)
  }

  // MARK: Kills

  /// Runs a command again and again, killed at one of its changes after the other, each time on a new office.
  private func forEachKill(
    of words: [String], prepare: (Sandbox) throws -> Void, _ judge: (Sandbox, Comment) throws -> Void
  ) throws {
    for kill in 1... {
      let box = try Sandbox(in: Sandbox.memory)
      try prepare(box)
      let traced = try Traced(box, [Sandbox.binary] + words.map { Path($0) })
      var count = 0
      while count < kill, let call = try traced.next() { if call.changesSomething { count += 1 } }
      if count == kill { traced.kill() }
      _ = try traced.wait()
      try judge(box, "killed at change \(kill)")
      if count < kill { return #expect(kill > 5) }
    }
  }

  /// The IDs of all letters in these places of a spool, by their bodies.
  private func ids(_ box: Sandbox, _ places: String...) -> [String: [String]] {
    var found = [String: [String]]()
    for (folder, name) in places.flatMap({ box.letters(in: "spool/\($0)") }) {
      found[(try? box.read("\(folder)/\(name)")) ?? "?", default: []].append(SpoolNames.id(name))
    }
    return found
  }

  /// However often finishers die, a letter has one ID, in its topic and in every mailbox, and comes once.
  @Test(arguments: ["mv", "ln"]) func aLetterGetsOneIDWhoeverDies(how: String) throws {
    try forEachKill(of: ["sweep"]) { box in
      try box.open("invoice", "stock")
      try box.must("subscribe", "stock", "returns")
      for topic in ["orders", "returns"] {
        let body = how == "ln" ? "a" : topic
        try box.script("test -e out || printf \(body) > out; \(how) out spool/topics/\(topic)/new/order.json")
      }
    } _: { box, place in
      try box.must("sweep")
      let sent = ids(box, "topics/orders/cur", "topics/returns/cur").mapValues { $0.sorted() }
      #expect(sent.values.joined().count == 2 && Set(sent.values.joined()).count == 2, place)
      #expect(ids(box, "mailboxes/stock/new").mapValues { $0.sorted() } == sent, place)
      #expect(ids(box, "mailboxes/invoice/new") == ids(box, "topics/orders/cur"), place)
      let rest = ["new", "tmp", "corrupt"].flatMap { box.topicEntries($0) }
      #expect(rest.isEmpty, place)
    }
  }

  /// What a mail reader put into cur/ comes once, whichever finisher dies while it delivers it.
  @Test(arguments: [":2,", ""]) func aRepairOfWhatAMailReaderTookIsRepeated(flags: String) throws {
    let ours = "\(Clock.wall / 1_000_000_000 + 60).M000000R00000000P1Q1.shop"
    try forEachKill(of: ["check", "--repair"]) { box in
      try box.open("invoice", "stock")
      try box.script("post send orders -m a; cd spool/topics/orders; n=$(ls cur); mv cur/$n cur/\(ours):2,S")
      try box.script("rm spool/mailboxes/*/new/*; printf b > spool/topics/orders/cur/order.json\(flags)")
    } _: { box, place in
      _ = try box.post("check", "--repair")
      #expect(try box.post("check").text.contains("never reached") == false, place)
      for mailbox in ["invoice", "stock"] {
        #expect(try box.must("read", mailbox, "--all").sorted() == ["a", "b"], place)
      }
      #expect(
        box.topicEntries("cur").count == 2
          && box.topicEntries("cur").filter { $0.contains(":2,") }.count == (flags.isEmpty ? 1 : 2), place)
    }
  }
}
