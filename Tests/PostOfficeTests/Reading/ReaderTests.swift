// The library's reader, as a program uses it. ReadTests covers what `post read` does with it.

import Linux
import TestKit
import Testing

@testable import PostOffice

@Suite struct ReaderTests {
  let box: Sandbox
  let office: Office
  let stock: Mailbox

  init() throws {
    box = try Sandbox()
    office = try Office.open(making: box.spool.description)
    let (mailbox, topic) = (try Name("stock", as: "mailbox"), try Name("orders", as: "topic"))
    try office.subscribe(mailbox, to: topic)
    stock = try office.mailbox(mailbox)
  }

  private func send(_ bodies: String...) throws {
    let topic = try office.topic(try Name("orders", as: "topic"))
    for body in bodies { try topic.send(Array(body.utf8)) }
  }

  private func counts(_ places: Place...) -> [Int] { places.map { box.entries($0.rawValue).count } }

  private func set(_ lines: String) throws {
    try box.write("spool/mailboxes/stock/mailbox.conf", lines)
  }

  /// The five lines of PostOffice.md.
  @Test func aProgramReadsLettersInFiveLines() throws {
    try send("4711", "0815", "")
    var booked = [String]()
    func book(_ body: [UInt8]) -> Bool {
      booked.append(String(decoding: body, as: UTF8.self))
      return !body.isEmpty
    }

    let office = try Office(at: box.spool.description)
    let stock = try office.mailbox(Name("stock", as: "mailbox"))
    try Reader(stock).read { claim in
      try book(claim.letter.body()) ? .done : .retry("no stock")
    }

    #expect(booked == ["4711", "0815", ""])
    #expect(counts(.new, .cur, .later, .done) == [0, 0, 1, 2])
  }

  @Test func aReaderTellsHowManyLettersWereDone() throws {
    #expect(try Reader(stock).read { _ in .done } == Reader.Counts(claimed: 0, done: 0))
    try send("a", "b", "c")
    let read = try Reader(stock).read { try $0.letter.body() == Array("b".utf8) ? .failed("b") : .done }
    #expect(read == Reader.Counts(claimed: 3, done: 2))
    #expect(counts(.done, .failed) == [2, 1])
  }

  @Test func aReaderStopsAtItsLimit() throws {
    try send("a", "b", "c")
    var reader = try Reader(stock)
    reader.limit = 2
    #expect(try reader.read { _ in .done }.claimed == 2)
    #expect(counts(.new, .done) == [1, 2])
  }

  @Test func anErrorOfTheClosureReleasesTheLetterAndIsPassedOn() throws {
    struct Full: Error {}
    try send("a", "b")
    var isFirst = true
    #expect(throws: Full.self) {
      try Reader(stock).read { _ in
        defer { isFirst = false }
        if !isFirst { throw Full() }
        return .done
      }
    }
    #expect(counts(.new, .cur, .done) == [1, 0, 1])
    #expect(box.entries("new").allSatisfy { !$0.contains(",") })
  }

  @Test func aBrokenVerdictEndsTheReader() throws {
    try send("a", "b")
    #expect(try Reader(stock).read { _ in .broken("no database") } == Reader.Counts(claimed: 1, done: 0))
    #expect(counts(.new, .cur) == [2, 0])
  }

  @Test func aReaderThatWaitsGetsWhatArrives() throws {
    let sender = try box.start(["/bin/sh", "-c", "sleep 0.1; post send orders -m late"])
    var reader = try Reader(stock)
    reader.patience = .firstLetter(.seconds(60))
    #expect(try reader.read { _ in .done }.done == 1)
    #expect(try sender.wait().code == 0)
    reader.patience = .firstLetter(.milliseconds(10))
    #expect(try reader.read { _ in .done }.claimed == 0)
  }

  // MARK: Batches

  /// Reads in batches of three; a batch that holds the bad letter gets the verdict.
  private func readBatches(_ bad: String, _ verdict: Verdict) throws -> (sizes: [Int], counts: Reader.Counts)
  {
    var reader = try Reader(stock)
    reader.batch = 3
    var sizes = [Int]()
    let counts = try reader.run { (claims) throws(PostError) in
      sizes.append(claims.count)
      var isBad = false
      for claim in claims {
        let letter = (try? box.read("spool/mailboxes/stock/cur/\(claim.entry.path)")) ?? ""
        isBad = isBad || letter.hasSuffix("\n\n\(bad)")
      }
      return (isBad ? verdict : .done, true)
    }
    return (sizes, counts)
  }

  @Test func aBatchThatFailsIsTriedLetterByLetter() throws {
    try send("a", "b", "c", "d")
    let read = try readBatches("b", .retry("bad"))
    #expect(read.sizes == [3, 1, 1, 1, 1])
    #expect(read.counts == Reader.Counts(claimed: 4, done: 3))
    #expect(counts(.later, .done, .new, .cur) == [1, 3, 0, 0])
  }

  @Test func inStrictOrderNoLetterOvertakesOneThatIsTriedAgain() throws {
    try set("Order: strict\nRetry: 1h\n")
    try send("a", "b", "c", "d")
    let read = try readBatches("b", .retry("bad"))
    #expect(read.sizes == [3, 1, 1])
    #expect(counts(.later, .done, .new, .cur) == [1, 1, 2, 0])
    #expect(box.entries("new").allSatisfy { !$0.contains(",") })
  }

  @Test func inStrictOrderALetterThatHasFailedForGoodDelaysNoOther() throws {
    try set("Order: strict\n")
    try send("a", "b", "c", "d")
    let read = try readBatches("b", .failed("bad"))
    #expect(read.sizes == [3, 1, 1, 1, 1])
    #expect(counts(.failed, .done, .new, .cur) == [1, 3, 0, 0])
  }

  @Test func aBrokenHandlerReleasesTheBatch() throws {
    try send("a", "b", "c", "d")
    let read = try readBatches("b", .broken("bad"))
    #expect(read.sizes == [3])
    #expect(counts(.new, .cur) == [4, 0])
  }
}
