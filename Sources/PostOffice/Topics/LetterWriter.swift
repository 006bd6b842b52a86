// Writing letters into the topic's tmp/: the header block, then the body.
//
// - A letter is a draft until its sender renames it: no reader sees it, and a failed write leaves nothing that counts.
// - A failed read of the input is not its end: the letter is refused (CrashSafety I17).
// - Length and digest stand in the header. Of a body of up to 64 KiB they are known before it is written, in one write;
//   the header of a longer one is written first with room for them, and once more at the end.

import Linux
import Text

/// Where a letter's body comes from: fills the buffer with some bytes and returns how many; 0 is the end.
package typealias BodySource = (UnsafeMutableRawBufferPointer) throws(PostError) -> Int

/// Writes letters of one topic and envelope. What is the same in all of them is composed once.
final class LetterWriter {
  /// Up to so many bytes of the body are written together with the header.
  private static let firstPiece = 64 << 10

  private let office: Office
  private let tmp: Path
  /// The header from the end of the date to the length of the content.
  private let middle: [UInt8]
  private let buffer: UnsafeMutableRawBufferPointer
  /// The header, and the first piece of the body.
  private var text: [UInt8] = []
  /// The date as the header has it, and the second that it is for.
  private var date: (second: Int64, text: [UInt8]) = (-1, [])

  init(_ topic: Topic, _ fields: [Headers.Field]) {
    office = topic.office
    tmp = topic.layout.tmp
    var lines = "\nFrom: \(office.sender)\nPost-Topic: \(topic.name)\n"
    for field in fields { lines += "\(field.name): \(field.value)\n" }
    middle = Array((lines + "Content-Length: ").utf8)
    buffer = .allocate(byteCount: LetterWriter.firstPiece, alignment: 16)
  }

  deinit { buffer.deallocate() }

  private var operation: String { "cannot write the letter into" }
  private var place: String { "\(office.path)/\(tmp)" }

  /// Makes a letter's file.
  func makeLetter() throws(Errno) -> UnsortedLetter {
    // The mode is for good, less the umask: mailboxes share the inode, so no program may write to it.
    let draft = try Draft(in: tmp, of: office, permissions: 0o444)
    let id = draft.id
    return UnsortedLetter(id.path, id, file: draft.keepFile())
  }

  /// Writes header and body.
  /// - Returns: the length of the body, bytes.
  func write(_ letter: UnsortedLetter, from source: BodySource) throws(PostError) -> Int64 {
    var length: Int64 = 0
    var crc = CRC32C()
    var filled = 0
    var isWhole = false
    while filled < buffer.count {
      let count = try source(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if count == 0 {
        isWhole = true
        break
      }
      filled += count
    }
    func take(_ count: Int) {
      crc.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      length += Int64(count)
    }
    take(filled)
    setHeader(letter.id, length: isWhole ? length : nil, crc)
    text.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
    try office.attemptWrite(operation, place, in: tmp) { () throws(Errno) in try letter.file.write(text) }
    if isWhole { return length }

    while true {
      let count = try source(buffer)
      if count == 0 { break }
      take(count)
      try office.attemptWrite(operation, place, in: tmp) { () throws(Errno) in
        try letter.file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    // Now length and digest are known.
    setHeader(letter.id, length: length, padded: true, crc)
    try office.attemptWrite(operation, place, in: tmp) { () throws(Errno) in
      try letter.file.seek(to: 0)
      try letter.file.write(text)
    }
    return length
  }

  /// Makes the header block the text. Padded, its length is the same whatever the numbers are.
  private func setHeader(_ id: LetterID, length: Int64?, padded: Bool = false, _ crc: CRC32C) {
    let second = id.sent ?? 0
    if second != date.second { date = (second, Array(UTC(seconds: second).mailDate.utf8)) }
    text.removeAll(keepingCapacity: true)
    append("Message-ID: <")
    text += id.path.bytes.dropLast(office.ids.host.utf8.count + 1)
    append("@")
    append(office.ids.host)
    append(">\nDate: ")
    text += date.text
    text += middle
    let digits = String(length ?? 0)
    if padded || length == nil { append(String(repeating: " ", count: 19 - digits.utf8.count)) }
    append(digits)
    append("\nContent-Digest: ")
    append(crc.digestField)
    append("\n\n")
  }

  private func append(_ part: String) { text.append(contentsOf: part.utf8) }
}
