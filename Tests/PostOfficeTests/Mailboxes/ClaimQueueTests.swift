// Which letter is next: letters that are tried again and those that come for the first time take turns, or in
// strict order always the oldest.

import Linux
import TestKit
import Testing

@testable import PostOffice

@Suite struct NextLetterTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// The mailbox with letters of these names: a number is a time, an `x` after it means that it was tried.
  private func mailbox(_ names: String..., order: Settings.Order = .any) throws -> Mailbox {
    try put(names)
    try box.write("spool/mailboxes/stock/mailbox.conf", "Order: \(order)\nTries: 100\n")
    return try Office(at: box.spool.description).mailbox(try Name("stock", as: "mailbox"))
  }

  private func put(_ names: [String]) throws {
    for name in names {
      let file = "10000000\(name.prefix(2)).a" + (name.hasSuffix("x") ? ",A=1" : "")
      try box.write("spool/mailboxes/stock/new/\(file)", "Subject: s\n\n\(name)")
    }
  }

  private func number(_ claim: Claim) -> String {
    claim.letter.id.description.prefix(10).suffix(2) + (claim.attempt > 1 ? "x" : "")
  }

  /// Claims some. Other tests start programs, which hold our lock on `cur/` until their execve(2).
  private func claim(_ mailbox: Mailbox, _ limit: Int) throws -> [Claim] {
    for _ in 0..<1000 {
      let claims =
        limit == 1 ? try mailbox.claim().map { [$0] } ?? [] : try mailbox.claim(upTo: limit, Beacon(mailbox))
      guard claims.isEmpty, case .claimer? = mailbox.block else { return claims }
      _ = try? waitReadable([], atMost: 1_000_000)
    }
    throw Failure("other processes hold the lock all the time")
  }

  /// Claims one after the other, and settles each as done.
  private func order(_ mailbox: Mailbox, _ count: Int = 100) throws -> [String] {
    var found = [String]()
    while found.count < count, let claim = try claim(mailbox, 1).first {
      found.append(number(claim))
      try claim.settle(.done, settings: Settings())
    }
    return found
  }

  /// Claims batches one after the other, and settles each letter as done.
  private func batches(_ mailbox: Mailbox, of limit: Int) throws -> [[String]] {
    var found = [[String]]()
    while case let claims = try claim(mailbox, limit), !claims.isEmpty {
      found.append(claims.map(number))
      for claim in claims { try claim.settle(.done, settings: Settings()) }
    }
    return found
  }

  @Test func newLettersComeInTheirOrder() throws {
    #expect(try order(mailbox("13", "11", "12")) == ["11", "12", "13"])
  }

  @Test func newOnesAndThoseThatAreTriedAgainComeInTheirOrderToo() throws {
    let mailbox = try mailbox("11", "12x", "13", "14x", "15", "16x", "17", "18")
    #expect(try order(mailbox) == ["11", "12x", "13", "14x", "15", "16x", "17", "18"])
  }

  @Test func ofOneKindOnlyAFewComeInARow() throws {
    let mailbox = try mailbox("10x", "11x", "12x", "13x", "14x", "15x", "16x", "17x", "18x", "98", "99")
    #expect(
      try order(mailbox) == ["10x", "11x", "12x", "13x", "98", "14x", "15x", "16x", "17x", "99", "18x"])
  }

  @Test func manyThatAreTriedAgainDoNotKeepOneNewLetterWaiting() throws {
    #expect(
      try order(mailbox("10x", "11x", "12x", "13x", "14x", "99"), 5) == ["10x", "11x", "12x", "13x", "99"])
  }

  @Test func manyNewLettersDoNotKeepOneThatIsTriedAgainWaiting() throws {
    let mailbox = try mailbox("10", "11", "12", "13", "14", "15")
    #expect(try order(mailbox, 2) == ["10", "11"])
    try put(["99x"])
    mailbox.queue.letterMoved(to: .new)
    #expect(try order(mailbox, 3) == ["12", "13", "99x"])
  }

  @Test func whatArrivesMeanwhileIsFound() throws {
    let mailbox = try mailbox("11", "12")
    #expect(try order(mailbox) == ["11", "12"])
    try put(["13", "14x"])
    mailbox.lettersArrived()
    mailbox.queue.letterMoved(to: .new)
    #expect(try Set(order(mailbox)) == ["13", "14x"])
  }

  @Test func inStrictOrderTheOldestIsNextWhateverBefellIt() throws {
    let mailbox = try mailbox("11", "12x", "13", "14x", "15x", "16", order: .strict)
    #expect(try order(mailbox) == ["11", "12x", "13", "14x", "15x", "16"])
  }

  @Test func inStrictOrderOneThatComesBackIsNext() throws {
    let mailbox = try mailbox("12", "13", "14", order: .strict)
    #expect(try order(mailbox, 1) == ["12"])
    try put(["11x"])
    mailbox.queue.letterMoved(to: .new)
    #expect(try order(mailbox) == ["11x", "13", "14"])
  }

  @Test func inStrictOrderNothingIsClaimedBesideALetterInHands() throws {
    let mailbox = try mailbox("11", "12", order: .strict)
    let first = try #require(try claim(mailbox, 1).first)
    #expect(try claim(mailbox, 1).isEmpty)
    if case .letter? = mailbox.block {} else { Issue.record("\(String(describing: mailbox.block))") }
    try first.release()
    #expect(try order(mailbox) == ["11", "12"])
  }

  @Test(arguments: ["11", "11x"]) func inStrictOrderALetterThatOthersGaveBackIsNext(name: String) throws {
    let mailbox = try mailbox("12", "13", "14", order: .strict)
    #expect(try order(mailbox, 1) == ["12"])
    try put([name])
    mailbox.lettersArrived(named: Path(box.entries("new")[0]))
    #expect(try order(mailbox) == [name, "13", "14"])
  }

  @Test func inStrictOrderNothingOvertakesALetterThatWaitsForItsNextAttempt() throws {
    let mailbox = try mailbox("12", order: .strict)
    try box.write("spool/mailboxes/stock/later/1000000011.a,A=1,L=8000000000", "Subject: s\n\n11")
    #expect(try order(mailbox) == [])
    if case .letter? = mailbox.block {} else { Issue.record("\(String(describing: mailbox.block))") }
  }

  @Test func aLaterLetterThatWaitsForItsNextAttemptHoldsUpNoneBeforeIt() throws {
    let mailbox = try mailbox("12", order: .strict)
    try box.write("spool/mailboxes/stock/later/1000000013.a,A=1,L=8000000000", "Subject: s\n\n13")
    #expect(try order(mailbox) == ["12"])
  }

  @Test func aLetterThatIsTriedAgainGoesAlone() throws {
    let found = try batches(mailbox("11", "12x", "13", "14x", "15", "16"), of: 3)
    #expect(found == [["11", "13", "15"], ["12x"], ["14x"], ["16"]])
  }

  @Test func inStrictOrderABatchEndsBeforeALetterThatIsTriedAgain() throws {
    let found = try batches(mailbox("11", "12", "13x", "14", "15", order: .strict), of: 10)
    #expect(found == [["11", "12"], ["13x"], ["14", "15"]])
  }

  @Test(arguments: Seeded.seeds(1, 2)) func randomMailboxes(seed: UInt64) throws {
    var random = Seeded(seed)
    for round in 0..<20 {
      let isStrict = random.oneIn(2)
      let names = (10..<random.number(10...60)).map { "\($0)" + (random.oneIn(3) ? "x" : "") }
      let mailbox = try mailbox(order: isStrict ? .strict : .any)
      try put(names)
      let found = try batches(mailbox, of: random.number(1...8))
      let label: Comment = "seed \(seed), round \(round)"
      #expect(found.joined().sorted() == names.sorted(), label)
      #expect(found.allSatisfy { $0.count == 1 || $0.allSatisfy { !$0.hasSuffix("x") } }, label)
      if isStrict { #expect(Array(found.joined()) == names, label) }
      for kind in [true, false] {
        let ofKind = found.joined().filter { $0.hasSuffix("x") == kind }
        #expect(ofKind == ofKind.sorted(), label)
      }
    }
  }
}
