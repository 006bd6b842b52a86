// The library as a program uses it: open, subscribe, send, claim, settle.

import Linux
import TestKit
import Testing

@testable import PostOffice

@Suite struct OfficeTests {
  let box: Sandbox
  let office: Office
  let orders: Name
  let stock: Name

  init() throws {
    box = try Sandbox()
    office = try Office.open(making: box.spool.description)
    orders = try Name("orders", as: "topic")
    stock = try Name("stock", as: "mailbox")
  }

  /// A subscribed mailbox in which a letter waits.
  private func mailboxWithLetter(_ body: String = "4711") throws -> (mailbox: Mailbox, id: LetterID) {
    try office.subscribe(stock, to: orders)
    let id = try office.topic(orders).send(Array(body.utf8))
    return (try office.mailbox(stock), id)
  }

  private func names(_ place: Place) -> [String] { box.names(in: "spool/mailboxes/stock/\(place)") }

  @Test func openingMakesAnOfficeAndFindsItAgain() throws {
    #expect(try office.topicNames().isEmpty && office.mailboxNames().isEmpty)
    _ = try Office(at: box.spool.description)
    let deep = box.root / "a/b/c"
    _ = try Office.open(making: deep.description)
    #expect(try Directory(deep).names() == ["mailboxes", "topics"])
    let error = #expect(throws: PostError.self) { _ = try Office(at: (box.root / "missing").description) }
    #expect(error?.kind == .notFound)
    try box.write("file", "")
    let other = #expect(throws: PostError.self) { _ = try Office(at: (box.root / "file").description) }
    #expect(other?.kind == .cannotCreate)
  }

  @Test func subscribingTwiceIsSubscribingOnce() throws {
    for _ in 1...2 { try office.subscribe(stock, to: orders) }
    #expect(try office.topic(orders).subscribers() == [stock])
    #expect(try office.topics(of: stock).map(\.name) == [orders])
    try office.unsubscribe(stock, from: orders)
    #expect(try office.topic(orders).subscribers().isEmpty)
    let error = #expect(throws: PostError.self) { try office.unsubscribe(stock, from: orders) }
    #expect(error?.kind == .notFound)
    #expect(try office.mailboxNames() == [stock])
  }

  @Test func aNewSubscriberGetsTheBacklogItAsksFor() throws {
    let topic = try office.makeTopic(orders)
    let id = try topic.send(Array("old".utf8))
    try #require(
      try box.shell("cd $POST_SPOOL/topics/orders/cur && cp \(id) 1000000000.4242_1.shop").code == 0)
    let (all, none, recent) = (
      try Name("all", as: "mailbox"), try Name("none", as: "mailbox"), try Name("recent", as: "mailbox")
    )
    try office.subscribe(all, to: orders)
    try office.subscribe(none, to: orders, from: .now)
    try office.subscribe(recent, to: orders, from: .since(.seconds(3600)))
    #expect(try office.mailbox(all).count(.new) == 2)
    #expect(try office.mailbox(none).count(.new) == 0)
    let found = try office.mailbox(recent).find("", in: [.new]).map(\.name)
    #expect(found == [id.path])
    #expect(box.names(in: "spool/topics/orders/subscribers") == ["all", "none", "recent"])
  }

  @Test func aClaimedLetterIsWhatWasSent() throws {
    try office.subscribe(stock, to: orders)
    var envelope = try Envelope(subject: "approved", contentType: "application/json")
    envelope.headers.append(try Headers.Field("X-Color", "red"))
    let id = try office.topic(orders).send(Array("{}".utf8), envelope)
    let claim = try #require(try office.mailbox(stock).claim())
    #expect(claim.letter.id == id)
    #expect(claim.attempt == 1)
    #expect(try claim.letter.body() == Array("{}".utf8))
    #expect(claim.letter.subject == "approved")
    #expect(claim.letter.contentType == "application/json")
    #expect(claim.letter.topic == "orders")
    #expect(claim.letter.headers["x-color"] == "red")
    #expect(claim.letter.bodyLength == 2)
    #expect(box.inHands() == ["\(id),A=1"])
    #expect(try office.mailbox(stock).claim() == nil)
  }

  @Test func lettersAreClaimedInTheOrderOfSending() throws {
    let (mailbox, first) = try mailboxWithLetter()
    let topic = try office.topic(orders)
    let rest = try (0..<600).map { try topic.send(Array(String($0).utf8)) }
    for id in [first] + rest {
      let claim = try #require(try mailbox.claim())
      #expect(claim.letter.id == id)
      try claim.settle(.done, settings: Settings())
    }
    #expect(try mailbox.claim() == nil)
    #expect(try mailbox.count(.done) == 601)
  }

  @Test(arguments: 1...6) func aReplayInGroupsMissesNothingBetweenThem(group: Int) throws {
    let (mailbox, _) = try mailboxWithLetter()
    let topic = try office.topic(orders)
    for _ in 1...4 { try topic.send([]) }
    for _ in 1...3 { try #require(try mailbox.claim()).settle(.done, settings: Settings()) }
    #expect(try mailbox.replay(topic, since: nil, group: group) == 3)
    #expect(names(.new) == box.names(in: "spool/topics/orders/cur"))
    #expect(names(.done).isEmpty)
    #expect(try mailbox.replay(topic) == 0)
    // The mailbox had looked ahead before the old letters came back.
    #expect(try mailbox.claim()?.letter.id.description == box.names(in: "spool/topics/orders/cur").first)
  }

  @Test func eachVerdictHasItsPlace() throws {
    let (mailbox, id) = try mailboxWithLetter()
    var settings = Settings()
    settings.retry = .zero ... .zero
    settings.tries = 3
    func settle(_ verdict: Verdict) throws -> Place {
      try mailbox.refresh()
      return try #require(try mailbox.claim()).settle(verdict, settings: settings).place
    }
    #expect(try settle(.broken("no such program")) == .new)
    #expect(names(.new) == ["\(id)"])
    #expect(try settle(.retry("busy")) == .later)
    #expect(names(.later).first?.hasPrefix("\(id),A=1,L=") == true)
    #expect(try settle(.broken("no such program")) == .new)
    #expect(names(.new) == ["\(id),A=1"])
    #expect(try settle(.retry("busy")) == .later)
    #expect(try settle(.retry("busy")) == .failed)
    #expect(names(.failed) == ["\(id),A=3"])
    try mailbox.retry(try mailbox.findOne(id.path, in: [.failed]))
    #expect(names(.new) == ["\(id)"])
    #expect(try settle(.failed("bad data")) == .failed)
    try mailbox.retry(try mailbox.findOne(id.path, in: [.failed]))
    #expect(try settle(.done) == .done)
    #expect(names(.done).first?.hasPrefix("\(id),A=1,D=") == true)
    let note = try #require(mailbox.notes.read(about: id))
    #expect(note.contains("attempt 3 of 3: busy; no tries left"))
    #expect(note.contains("attempt 1 of 3: bad data; failed for good"))
    #expect(try mailbox.find(id.path).count == 1, "a letter is in one place at a time")
  }

  @Test func aReleasedLetterIsAsIfNeverClaimed() throws {
    let (mailbox, id) = try mailboxWithLetter()
    for _ in 1...3 { try #require(try mailbox.claim()).release() }
    #expect(names(.new) == ["\(id)"])
  }

  @Test func aClaimKeepsOthersOffUntilItIsDropped() throws {
    let (mailbox, id) = try mailboxWithLetter()
    let other = try Office(at: box.spool.description).mailbox(stock)
    var claim = try mailbox.claim()
    #expect(claim != nil)
    try other.refresh()
    #expect(try other.claim() == nil)
    claim = nil
    try other.refresh()
    let second = try #require(try other.claim())
    #expect(second.letter.id == id)
    #expect(second.attempt == 2)
  }

  @Test func aDroppedClaimAtTheLastTryFails() throws {
    let (mailbox, id) = try mailboxWithLetter()
    try box.write("spool/mailboxes/stock/mailbox.conf", "Tries: 1\n")
    _ = try mailbox.claim()
    try mailbox.refresh()
    #expect(names(.failed) == ["\(id),A=1"])
  }

  @Test func aForeignReadersLetterInCurIsLeftAlone() throws {
    let (mailbox, id) = try mailboxWithLetter()
    #expect(try box.shell("cd $POST_SPOOL/mailboxes/stock && mv new/\(id) cur/\(id):2,S").code == 0)
    try mailbox.refresh()
    #expect(names(.cur) == ["\(id):2,S"])
    #expect(try mailbox.claim() == nil)
  }

  @Test func aSecondLinkToAClaimedLetterIsNotHandledTwice() throws {
    let (mailbox, id) = try mailboxWithLetter()
    let claim = try #require(try mailbox.claim())
    let spool = try Directory(box.spool)
    try spool.link(
      Path("mailboxes/stock/cur/\(names(.cur)[0])"), into: spool, Path("mailboxes/stock/new/\(id)"))
    #expect(try mailbox.claim() == nil)
    #expect(names(.new).isEmpty && names(.cur).count == 1)
    try claim.settle(.done, settings: Settings())
    #expect(names(.done).count == 1)
  }

  @Test func sweepGoesOnBehindAMailboxInTrouble() throws {
    let (mailbox, id) = try mailboxWithLetter()
    _ = try mailbox.claim()  // dropped at once
    #expect(box.inHands() == ["\(id),A=1"])
    try office.makeMailbox(try Name("before", as: "mailbox"))
    try box.write("spool/mailboxes/before/mailbox.conf", "Tries: many\n")
    try? office.sweep()
    #expect(names(.new) == ["\(id),A=1"])
  }

  @Test(arguments: [0, 1, 2, 7, 100, 499, 500, 501, 5000])
  func theFirstNamesAreTheSmallestWhateverTheLimit(limit: Int) throws {
    let seed = UInt64(Host.random)
    var random = Seeded(seed)
    let folder = try Directory(box.spool)
    try folder.makeDirectory("many")
    var expected = [Path]()
    for _ in 0..<500 {
      let name = Path(String(random.next(), radix: 36))
      _ = try folder.open("many" / name.description, .create(permissions: 0o644))
      expected.append(name)
    }
    #expect(
      try office.firstNames(in: "many", limit: limit) == Array(expected.sorted().prefix(limit)),
      "seed \(seed)")
    #expect(try office.firstNames(in: "missing", limit: limit).isEmpty)
  }

  @Test func lookingAnOfficeOverTellsWhatIsWrongAndWhatWasDone() throws {
    let (mailbox, id) = try mailboxWithLetter()
    try mailbox.moves.move(id.path, from: mailbox.layout[.new], to: .cur, as: EntryName(id, attempt: 1))
    func check(repair: Bool) -> [Finding] {
      var found = [Finding]()
      office.check(repair: repair) { if !$0.kind.isRemark { found.append($0) } }
      return found
    }
    let place = "mailboxes/stock/cur/\(id),A=1"
    let found = check(repair: false)
    #expect(found.map(\.kind) == [.deadClaim] && found.map(\.place) == [place])
    #expect(found.first?.line == "\(place): its holder is dead; post check --repair puts it back")
    #expect(check(repair: true).map(\.repair) == ["put back into mailboxes/stock/new"])
    #expect(check(repair: false).isEmpty)
    #expect(names(.new) == ["\(id),A=1"])
  }
}
