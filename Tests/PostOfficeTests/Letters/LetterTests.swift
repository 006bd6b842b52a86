// Whether a letter has the content that was sent.

import Linux
import TestKit
import Testing

@testable import PostOffice

@Suite struct LetterTests {
  let box: Sandbox
  let office: Office
  let mailbox: Mailbox
  /// The file of a letter that post wrote, and its name.
  let id: LetterID
  let bytes: [UInt8]

  static let body = Array("the body\nof the letter\u{0}\u{1}\n".utf8)

  init() throws {
    box = try Sandbox()
    office = try Office.open(making: box.spool)
    let orders = try Name("orders", as: "topic")
    let stock = try Name("stock", as: "mailbox")
    try office.subscribe(stock, to: orders)
    mailbox = try office.mailbox(stock)
    id = try office.topic(orders).send(LetterTests.body, try Envelope(subject: "s"))
    bytes = try File(box.spool / "topics/orders/cur" / id.description, .read).readAll(limit: 1 << 20)
  }

  private var header: Int { bytes.count - LetterTests.body.count }

  /// Puts other bytes under the letter's name (or another) and opens it.
  private func letter(_ content: [UInt8], as name: Path? = nil) throws -> Letter {
    let folder = try Directory(box.spool / "mailboxes/stock/new")
    let name = name ?? id.path
    _ = try? folder.remove(name)
    try folder.open(name, .create(permissions: 0o444)).write(content)
    return try mailbox.open(mailbox.findOne(name, in: [.new]))
  }

  private func expectCorrupt(_ content: [UInt8], _ words: String) {
    let error = #expect(throws: PostError.self) { try letter(content).check() }
    #expect(error?.kind == .badData)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "no error")")
  }

  @Test func anUntouchedLetterIsGood() throws {
    let letter = try letter(bytes)
    try letter.check()
    #expect(try letter.body() == LetterTests.body)
  }

  @Test func aFlippedBitIsNoticedOrHarmless() throws {
    let folder = try Directory(box.spool / "mailboxes/stock/new")
    _ = try? folder.remove(id.path)
    let file = try folder.open(id.path, .create(permissions: 0o444))
    try file.write(bytes)
    var noticed = 0
    for offset in bytes.indices {
      for bit in 0..<8 {
        try put(bytes[offset] ^ 1 << UInt8(bit), file, at: offset)
        do {
          let letter = try mailbox.open(try mailbox.findOne(id.path, in: [.new]))
          try letter.check()
          #expect(try letter.body() == LetterTests.body, "bit \(bit) of byte \(offset)")
          #expect(offset < header, "bit \(bit) of byte \(offset) of the body goes unnoticed")
        } catch {
          #expect(error.kind == .badData)
          noticed += 1
        }
      }
      try put(bytes[offset], file, at: offset)
    }
    #expect(noticed >= LetterTests.body.count * 8)
    try mailbox.open(mailbox.findOne(id.path, in: [.new])).check()
  }

  private func put(_ byte: UInt8, _ file: borrowing File, at offset: Int) throws {
    try file.seek(to: Int64(offset))
    try file.write([byte])
  }

  @Test func aTruncatedLetterIsCorruptWhereverItIsCut() {
    for length in 1..<bytes.count {
      let error = #expect(throws: PostError.self, "\(length)") { try letter(Array(bytes[..<length])).check() }
      #expect(error?.kind == .badData)
    }
    expectCorrupt(Array(bytes.dropLast()), "has a body of \(LetterTests.body.count - 1) bytes")
    expectCorrupt([], "is empty")
  }

  @Test func anExtendedLetterIsCorrupt() {
    expectCorrupt(bytes + [0x0a], "has a body of \(LetterTests.body.count + 1) bytes")
    expectCorrupt(bytes + bytes, "has a body of")
  }

  @Test func aZeroedBodyIsCorrupt() {
    expectCorrupt(
      Array(bytes[..<header]) + [UInt8](repeating: 0, count: LetterTests.body.count),
      "does not match its digest")
    expectCorrupt([UInt8](repeating: 0, count: bytes.count), "has lost its header")
  }

  @Test func aLostHeaderIsCorruptInOurLetterAndNoneInAForeignOne() throws {
    expectCorrupt(LetterTests.body, "has lost its header")
    let foreign = try letter(LetterTests.body, as: "1795765752.4242_1.shop")
    try foreign.check()
    #expect(try foreign.body() == LetterTests.body)
  }

  @Test func aForeignLettersOwnDigestIsNotOurs() throws {
    let text = "Content-Digest: sha-256=:AAAA:\nContent-Length: 99\n\nbody"
    let foreign = try letter(Array(text.utf8), as: "1795765752.4242_1.shop")
    try foreign.check()
    #expect(try foreign.body() == Array("body".utf8))
  }

  @Test(arguments: [65_534, 65_535, 65_536, 65_537, 80_050])
  func aHeaderBlockEndsWithinItsLimitOrIsNone(size: Int) throws {
    let lines = String(repeating: "X: " + String(repeating: "v", count: 96) + "\n", count: size / 100)
    let last = size - lines.utf8.count - 1
    let block = lines + (last >= 3 ? "Y:" + String(repeating: "w", count: last - 3) + "\n" : "") + "\n"
    try #require(block.utf8.count == size)
    let letter = try letter(Array((block + "body").utf8), as: "1795765752.4242_1.shop")
    let isWithin = size <= Headers.blockLimit
    #expect(letter.headers.fields.isEmpty == !isWithin)
    #expect(letter.bodyLength == Int64(isWithin ? 4 : size + 4))
  }

  @Test func aBodyLargerThanOnePieceIsVerifiedToo() throws {
    let body = (0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
    let topic = try office.topic(try Name("orders", as: "topic"))
    let id = try topic.send(body)
    let letter = try mailbox.open(try mailbox.findOne(id.path, in: [.new]))
    try letter.check()
    #expect(try letter.body() == body)
  }

  @Test func whatIsNoFileIsNoLetter() throws {
    let folder = try Directory(box.spool / "mailboxes/stock/new")
    try folder.makeSymlink("a", to: "/etc/passwd")
    try folder.makeDirectory("b")
    #expect(try box.shell("mkfifo $POST_SPOOL/mailboxes/stock/new/c").code == 0)
    for name in ["a", "b", "c"] as [Path] {
      let error = #expect(throws: PostError.self) {
        _ = try mailbox.open(Mailbox.Entry(place: .new, folder: mailbox.layout[.new], name: name))
      }
      #expect(error?.kind == .badData, "\(name)")
    }
    let claim = try #require(try mailbox.claim())
    #expect(claim.letter.id == id)
    #expect(try mailbox.count(.new) == 3)
    #expect(throws: PostError.self) { _ = try mailbox.claim() }
    #expect(box.names(in: "spool/mailboxes/stock/corrupt") == ["a", "b", "c"])
  }
}
