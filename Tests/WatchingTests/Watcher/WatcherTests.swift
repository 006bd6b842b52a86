// The watcher inside a program that uses the library: a closure instead of handlers.

import Linux
import TestKit
import Testing

@testable import PostOffice
@testable import Watching

@Suite struct WatcherTests {
  let box: Sandbox
  let office: Office
  let orders: Name
  let stock: Name

  init() throws {
    box = try Sandbox()
    office = try Office.open(making: box.spool)
    orders = try Name("orders", as: "topic")
    stock = try Name("stock", as: "mailbox")
    try office.subscribe(stock, to: orders)
    try box.write("spool/mailboxes/stock/mailbox.conf", "Retry: 5ms..10ms\nTries: 3\n")
  }

  private func watch(_ handle: @escaping Watcher.Closure) throws {
    let watcher = try Watcher(office, mailboxes: [stock], handler: handle)
    watcher.untilEmpty = true
    try watcher.run()
  }

  private func counts() throws -> [Int] {
    let mailbox = try office.mailbox(stock)
    return try [.new, .cur, .later, .done, .failed].map { try mailbox.count($0) }
  }

  @Test func eachLetterComesOnceAndInOrder() throws {
    let topic = try office.topic(orders)
    let sent = try (0..<300).map { try topic.send(Array(String($0).utf8)) }
    var handled = [LetterID]()
    try watch { claim in
      handled.append(claim.letter.id)
      return .done
    }
    #expect(handled == sent)
    #expect(try counts() == [0, 0, 0, 300, 0])
  }

  @Test func aLetterIsRetriedUntilItsTriesAreSpent() throws {
    try office.topic(orders).send([])
    var attempts = [Int]()
    try watch { claim in
      attempts.append(claim.attempt)
      return .retry("busy")
    }
    #expect(attempts == [1, 2, 3])
    #expect(try counts() == [0, 0, 0, 0, 1])
  }

  @Test func oneThatFailsHoldsUpNoOther() throws {
    let topic = try office.topic(orders)
    for number in 0..<10 { try topic.send(Array(String(number).utf8)) }
    try watch { claim in
      switch (try? claim.letter.body())?.first {
      case UInt8(ascii: "3"): .failed("three")
      case UInt8(ascii: "5"): claim.attempt == 2 ? .done : .retry("not yet")
      default: .done
      }
    }
    #expect(try counts() == [0, 0, 0, 9, 1])
  }

  @Test func aBrokenClosureLeavesTheLettersAndIsAnError() throws {
    let topic = try office.topic(orders)
    for _ in 0..<3 { try topic.send([]) }
    var calls = 0
    let error = #expect(throws: PostError.self) {
      try watch { _ in
        calls += 1
        return .broken("no database")
      }
    }
    #expect(error?.kind == .badSettings)
    #expect(calls == 1)
    #expect(try counts() == [3, 0, 0, 0, 0])
    #expect(try office.mailbox(stock).brokenHandler?.contains("no database") == true)
  }

  @Test func aLetterThatTheClosureSendsIsHandledToo() throws {
    let topic = try office.topic(orders)
    try topic.send([5])
    var bodies = [UInt8]()
    try watch { claim in
      guard let number = (try? claim.letter.body())?.first else { return .failed("empty") }
      bodies.append(number)
      if number > 0 { _ = try? topic.send([number - 1]) }
      return .done
    }
    #expect(bodies == [5, 4, 3, 2, 1, 0])
    #expect(try counts() == [0, 0, 0, 6, 0])
  }

  @Test func toldToStopItTakesNoOtherLetter() throws {
    let topic = try office.topic(orders)
    for _ in 0..<10 { try topic.send([]) }
    var watcher: Watcher?
    var calls = 0
    watcher = try Watcher(office, mailboxes: [stock]) { _ in
      calls += 1
      if calls == 4 { watcher?.stop() }
      return .done
    }
    try watcher?.run()
    watcher = nil
    #expect(calls == 4)
    #expect(try counts() == [6, 0, 0, 4, 0])
  }

  @Test func itTellsWhatItDoes() throws {
    let id = try office.topic(orders).send([])
    var told = [String]()
    var warned = [String]()
    office.warn = { warned.append($0) }
    let watcher = try Watcher(office) { $0.attempt == 2 ? .done : .retry("busy") }
    watcher.untilEmpty = true
    watcher.tell = { told.append($0) }
    try watcher.run()
    #expect(told == ["stock: letter \(id) done"])
    #expect(warned == ["mailbox stock: letter \(id) will be tried again, attempt 1 of 3: busy"])
  }

  @Test func aMissingMailboxIsAnError() throws {
    let error = #expect(throws: PostError.self) {
      _ = try Watcher(office, mailboxes: [try Name("nobody", as: "mailbox")]) { _ in .done }
    }
    #expect(error?.kind == .notFound)
  }
}
