import Linux
import Testing

@testable import PostOffice

@Suite struct NameTests {
  @Test(arguments: ["a", "A9", "0", "a.b_c-d", "orders", String(repeating: "x", count: 128), "a..b", "a-"])
  func good(text: String) throws {
    #expect(try Name(text, as: "topic").description == text)
  }

  @Test(arguments: [
    "", ".", "..", ".a", "-a", "_a", "a/b", "/", "a b", "a\n", "a\0b", "ä", "a:b", "a,b",
    String(repeating: "x", count: 129),
  ])
  func bad(text: String) {
    let error = #expect(throws: PostError.self) { _ = try Name(text, as: "topic") }
    #expect(error?.kind == .usage)
    #expect(error?.message.contains("topic") == true)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func everyByteIsJudged() {
    let inside = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-".utf8)
    let first = inside.subtracting("._-".utf8)
    for byte in UInt8.min...UInt8.max {
      #expect((Name(bytes: [byte]) != nil) == first.contains(byte), "\(byte)")
      #expect((Name(bytes: [0x61, byte, 0x62]) != nil) == inside.contains(byte), "\(byte)")
      #expect((Name(bytes: [0x61, byte]) != nil) == inside.contains(byte), "\(byte)")
    }
  }
}
