// Writing letters: the header block, then the body, in the topic's tmp/.

import Linux
import Text

/// What a letter's body is read from: fills the buffer with some bytes and says how many; 0 is the end.
package typealias BodySource = (UnsafeMutableRawBufferPointer) throws(PostError) -> Int

/// Writes letters of one topic and envelope. What is the same in all of them is made once.
final class LetterWriter {
  /// The most that is read before the header is written: such a letter takes one write.
  private static let firstPiece = 64 << 10

  private let office: Office
  private let tmp: Path
  /// From the end of the date to the length of the content.
  private let middle: [UInt8]
  private let buffer: UnsafeMutableRawBufferPointer
  /// What is written: header, and the first piece of the body.
  private var text: [UInt8] = []
  /// The date, as it stands in the header, of the second that it is for.
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

  /// What failed, if a write does.
  private var trouble: String { "cannot write the letter into \(office.path)/\(tmp)" }

  /// Makes a letter's file and takes the sorter's lock on it.
  func makeLetter() throws(Errno) -> UnsortedLetter {
    var wasGone = false
    while true {
      let id = office.ids.next(now: Clock.wall)
      let file: File
      do throws(Errno) {
        // The mode is for good, less the umask: mailboxes share the inode, so nobody may write it.
        file = try office.root.open(tmp / id.path, .create(permissions: 0o444))
      } catch .exists { continue } catch .noEntry where !wasGone {
        wasGone = true  // an empty one has just been put in its place
        continue
      }
      do throws(Errno) {
        // A cleaner may have met the file before it was locked: then it is gone, or about to go.
        guard try file.tryLock(.exclusive, byte: sorterByte), try file.status().links > 0 else { continue }
      } catch {
        try? office.root.remove(tmp / id.path)
        throw error
      }
      return UnsortedLetter(id.path, id, file: file)
    }
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
    try office.attemptWrite(trouble, in: tmp) { () throws(Errno) in try letter.file.write(text) }
    if isWhole { return length }

    while true {
      let count = try source(buffer)
      if count == 0 { break }
      take(count)
      try office.attemptWrite(trouble, in: tmp) { () throws(Errno) in
        try letter.file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    // Now length and digest are known; the header was written with room for them.
    setHeader(letter.id, length: length, padded: true, crc)
    try office.attemptWrite(trouble, in: tmp) { () throws(Errno) in
      try letter.file.seek(to: 0)
      try letter.file.write(text)
    }
    return length
  }

  /// The header block becomes the text. Padded, it is of the same length whatever the numbers are.
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

  private func append(_ words: String) { text.append(contentsOf: words.utf8) }
}
