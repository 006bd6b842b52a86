import Linux
import Testing

@testable import PostOffice

@Suite struct HeadersTests {
  private func parse(_ text: String) -> (fields: [String], body: String)? {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { buffer in
      Headers.parse(buffer).map { result in
        (
          result.headers.fields.map { "\($0.name)=\($0.value)" },
          String(decoding: buffer[result.bodyOffset...], as: UTF8.self)
        )
      }
    }
  }

  @Test(
    arguments: [
      ("A: 1\n\nbody", ["A=1"], "body"),
      ("A: 1\nB:2\n\n", ["A=1", "B=2"], ""),
      ("A: 1\r\nB: 2\r\n\r\nbody\r\n", ["A=1", "B=2"], "body\r\n"),
      ("A: one\n two\n\tthree\n\nbody", ["A=one two three"], "body"),
      ("A:   padded \t \nB:\n\n\n\nbody", ["A=padded", "B="], "\n\nbody"),
      ("A: b: c\n\n", ["A=b: c"], ""),
      ("A: 1\nA: 2\n\nx", ["A=1", "A=2"], "x"),
      ("A: ä\n\nö", ["A=ä"], "ö"),
    ] as [(String, [String], String)])
  func blocks(text: String, fields: [String], body: String) throws {
    let parsed = try #require(parse(text))
    #expect(parsed.fields == fields)
    #expect(parsed.body == body)
  }

  @Test(arguments: [
    "", "\n", "\nbody", "no header at all", "no header\n\nbody", "A: 1\n", "A: 1", "A: 1\nbody\n\n",
    " folded: first\n\n",
    ": no name\n\n", "A B: space in the name\n\n", "A: 1\nB : 2\n\n", "Ä: 1\n\n", "\r\nbody",
  ])
  func noBlocks(text: String) { #expect(parse(text) == nil) }

  @Test func fieldsAreFoundWhateverTheirCase() throws {
    var headers = Headers()
    headers.fields = [
      try Headers.Field("Content-Type", "text/plain"), try Headers.Field("content-type", "other"),
    ]
    #expect(headers["CONTENT-TYPE"] == "text/plain")
    #expect(headers["Content"] == nil)
  }

  @Test(arguments: ["a\nb", "a\rb", "a\0b", "\n", "a\r\nX: 1"])
  func aValueIsOneLine(value: String) {
    let error = #expect(throws: PostError.self) { _ = try Headers.Field("X", value) }
    #expect(error?.kind == .badData)
    #expect(error?.message.contains("\n") == false)
  }

  @Test(arguments: ["", "a b", "a:b", "a\n", "ä", "a\0", "\u{7f}"])
  func aNameIsPrintableASCII(name: String) {
    let error = #expect(throws: PostError.self) { _ = try Headers.Field(name, "value") }
    #expect(error?.kind == .badData)
  }

  @Test func aLineHasALimit() throws {
    #expect(try Headers.Field("X", String(repeating: "v", count: 995)).value.count == 995)
    let error = #expect(throws: PostError.self) {
      _ = try Headers.Field("X", String(repeating: "v", count: 996))
    }
    #expect(error?.kind == .badData)
  }

  @Test(arguments: ["message-id", "DATE", "From", "Post-Topic", "Content-Length", "Content-Digest"])
  func whatTheOfficeWritesNobodyElseDoes(name: String) throws {
    var envelope = Envelope()
    envelope.headers = [try Headers.Field(name, "1")]
    let error = #expect(throws: PostError.self) { _ = try envelope.fields() }
    #expect(error?.kind == .badData)
  }

  @Test func theHeadersTogetherHaveALimit() throws {
    var envelope = try Envelope(subject: "s")
    let field = try Headers.Field("X", String(repeating: "v", count: 900))
    envelope.headers += Array(repeating: field, count: 36)
    #expect(try envelope.fields().count == 37)
    envelope.headers.append(field)
    #expect(throws: PostError.self) { _ = try envelope.fields() }
  }
}
