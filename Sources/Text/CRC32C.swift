// CRC-32C (Castagnoli), RFC 3720 appendix B.4. Short texts go bit by bit or byte by byte, long ones eight bytes at a
// time: most letters are short, and a process that sends one should not compute tables first.

/// The running checksum of a letter's body.
package struct CRC32C {
  private var state: UInt32 = ~0

  package init() {}

  /// The checksum of all bytes so far.
  package var value: UInt32 { ~state }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if bytes.count < CRC32C.tiny {
      for byte in bytes { stepByBits(byte) }
      return
    }
    if bytes.count < CRC32C.short {
      for byte in bytes { step(byte) }
      return
    }
    CRC32C.tables.withUnsafeBufferPointer { table in
      var crc = state
      var index = 0
      while index + 8 <= bytes.count {
        let word =
          UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(crc)
        crc = 0
        for lane in 0..<8 {
          crc ^= table[(7 - lane) << 8 | Int(truncatingIfNeeded: word >> (8 * UInt64(lane))) & 0xff]
        }
        index += 8
      }
      state = crc
      while index < bytes.count {
        step(bytes[index])
        index += 1
      }
    }
  }

  private mutating func step(_ byte: UInt8) {
    state = CRC32C.table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] ^ state >> 8
  }

  private mutating func stepByBits(_ byte: UInt8) {
    state ^= UInt32(byte)
    for _ in 0..<8 { state = state >> 1 ^ (state & 1 == 1 ? 0x82f6_3b78 : 0) }
  }

  /// With fewer bytes than this, computing the table costs more than it saves.
  private static let tiny = 128
  /// With fewer bytes than this, computing the tables for eight bytes at a time costs more than they save.
  private static let short = 512

  /// The effect of each byte: that of its bits, xored.
  private static let table: [UInt32] = {
    var table = [UInt32](repeating: 0, count: 256)
    var crc: UInt32 = 1
    var bit = 128
    while bit > 0 {
      crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0)
      for higher in stride(from: 0, to: 256, by: 2 * bit) { table[higher + bit] = table[higher] ^ crc }
      bit >>= 1
    }
    return table
  }()

  /// Table k has the effect of a byte that is followed by k others.
  private static let tables: [UInt32] = {
    var tables = table + [UInt32](repeating: 0, count: 7 << 8)
    for index in 256..<(8 << 8) {
      let previous = tables[index - 256]
      tables[index] = tables[Int(previous & 0xff)] ^ previous >> 8
    }
    return tables
  }()

  /// `crc32c=:89ie+w==:`, the value of a Content-Digest field (RFC 9530: a dictionary of byte
  /// sequences, here the four bytes in network order, in base64).
  package var digestField: String {
    let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    let bits = UInt64(value) << 4  // 32 bits in six groups of six
    var field = "crc32c=:"
    for digit in 0..<6 {
      field.unicodeScalars.append(
        Unicode.Scalar(alphabet.utf8Start[Int(bits >> (30 - 6 * UInt64(digit)) & 63)]))
    }
    return field + "==:"
  }
}
