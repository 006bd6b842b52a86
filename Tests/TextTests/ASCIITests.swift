import Testing

@testable import Text

@Suite struct ASCIITests {
  @Test(
    arguments: [("0", 0), ("007", 7), ("999999999999999", 999_999_999_999_999)] as [(String, Int64)])
  func decimals(text: String, value: Int64) { #expect(decimal(Array(text.utf8)[...]) == value) }

  @Test(arguments: ["", "-1", "+1", " 1", "1a", "\u{661}", "1000000000000000"])
  func noDecimals(text: String) { #expect(decimal(Array(text.utf8)[...]) == nil) }

  @Test(arguments: [0, 1, 0x0123_4567_89ab_cdef, .max] as [UInt64]) func hexadecimals(bits: UInt64) {
    let text = hexadecimal(bits, digits: 16)
    #expect(text.utf8.count == 16 && UInt64(text, radix: 16) == bits)
    #expect(hexadecimal(Array(text.utf8)[...]) == bits)
    #expect(hexadecimal(bits, digits: 4) == text.suffix(4))
  }

  @Test(arguments: ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"])
  func noHexadecimals(text: String) { #expect(hexadecimal(Array(text.utf8)[...]) == nil) }

  @Test func kindsOfBytes() {
    for byte in UInt8.min...UInt8.max {
      let scalar = Unicode.Scalar(byte)
      #expect(byte.isDigit == ("0"..."9" ~= scalar))
      #expect(byte.isLetterOrDigit == (byte.isDigit || "a"..."z" ~= scalar || "A"..."Z" ~= scalar))
      #expect(byte.isBlank == (scalar == " " || scalar == "\t"))
    }
  }
}
