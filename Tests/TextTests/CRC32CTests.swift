import Testing

@testable import Text

@Suite struct CRC32CTests {
  @Test(
    arguments: [
      ("", 0), ("123456789", 0xe306_9283),  // the check value of CRC-32C
      ("The quick brown fox jumps over the lazy dog", 0x2262_0404),
    ] as [(String, UInt32)])
  func crc32c(text: String, expected: UInt32) {
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      var crc = CRC32C()
      bytes[..<cut].withUnsafeBytes { crc.update($0) }
      bytes[cut...].withUnsafeBytes { crc.update($0) }
      #expect(crc.value == expected)
    }
  }

  @Test func digestField() {
    var crc = CRC32C()
    Array("{\"order\": 4711}\n".utf8).withUnsafeBytes { crc.update($0) }
    #expect(crc.digestField == "crc32c=:89ie+w==:")
  }

  /// Short and long texts are computed in different ways.
  @Test func everyLengthAndEveryCutGivesTheSameAsBitByBit() {
    let bytes = (0..<1100).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
    var state: UInt32 = ~0
    for count in 1...bytes.count {
      state ^= UInt32(bytes[count - 1])
      for _ in 0..<8 { state = state >> 1 ^ (state & 1 == 1 ? 0x82f6_3b78 : 0) }
      for cut in [0, count / 3] {
        var crc = CRC32C()
        bytes[..<cut].withUnsafeBytes { crc.update($0) }
        bytes[cut..<count].withUnsafeBytes { crc.update($0) }
        #expect(crc.value == ~state, "\(count) bytes, cut at \(cut)")
      }
    }
  }
}
