// What a handler says on standard error: a file in memory, not a pipe, for a handler that outlives its
// watcher must not die of writing to it.

import Linux

/// The standard error of one handler.
final class Words {
  private let memory: File

  /// So much is kept between two looks; more fails in the handler, with EPERM. Bytes.
  private static let capacity: Int64 = 64 << 20
  /// From so much on, only its end is kept.
  private static let trimmed: Int64 = 1 << 20
  /// How often that is looked at. Nanoseconds.
  static let trimInterval: Int64 = 1_000_000_000

  init() throws(Errno) { memory = try File.inMemory(capacity: Words.capacity) }

  var stream: Child.Stream { .descriptor(memory.descriptor) }

  /// The end of what it has said. The position of the file is shared with the handler: it stands
  /// behind its last word.
  func last() -> [UInt8] {
    guard let end = try? memory.position(), end > 0 else { return [] }
    let size = Int(min(end, Int64(Mailbox.wordsLimit)))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size])
      count = (try? memory.read(into: bytes, at: end - Int64(size))) ?? 0
    }
  }

  /// Takes what it has said so far, and forgets it.
  func take() -> [UInt8] {
    let said = last()
    if !said.isEmpty { forget() }
    return said
  }

  /// Keeps it within its bounds.
  func trim() {
    guard let end = try? memory.position(), end > Words.trimmed else { return }
    let last = last()
    forget()
    try? memory.write(last)
  }

  /// What it writes in this moment may be lost: it has said more than enough.
  private func forget() {
    try? memory.seek(to: 0)
    try? memory.punchHole(from: 0, length: Words.capacity)
  }
}
