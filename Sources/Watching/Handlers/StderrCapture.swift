// What a handler says on standard error: a file in memory, not a pipe, for a handler that outlives its watcher must not
// die of writing to it. Its writes go to the end of the file. A handler that opens /dev/stderr has a position of its own
// there, and may cut the file off first (`echo x > /dev/stderr`); so the size tells what was said last, and nothing else.
// What the watcher has taken, or what is too much, becomes a hole, and no offset changes: what it reads of holes, zeros,
// nobody said.

import Linux
import PostOffice

/// The standard error of one handler.
final class StderrCapture {
  private let memory: File
  /// So much lay before the last hole.
  private var trimmed: Int64 = 0
  /// When it is to be looked at, while its handler has something to say. Monotonic nanoseconds.
  private(set) var lookAt: Int64
  private var pause = StderrCapture.firstPause

  /// From so much on, only its end is kept. Bytes.
  private static let enough: Int64 = 1 << 20
  /// How soon it is looked at: each time later, and at once again if much was said. Nanoseconds.
  private static let (firstPause, longestPause): (Int64, Int64) = (20_000_000, 1_000_000_000)

  init() throws(Errno) {
    memory = try File.inMemory()
    try memory.setAppending()
    lookAt = Clock.monotonic + StderrCapture.firstPause
  }

  var stream: Child.Stream { .descriptor(memory.descriptor) }

  private var size: Int64 { (try? memory.status().size) ?? 0 }

  /// The end of what it has said.
  func last() -> [UInt8] { last(before: size) }

  private func last(before end: Int64) -> [UInt8] {
    if end == 0 { return [] }
    let length = Int(min(end, Int64(Notes.stderrLimit)))
    let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      count = (try? memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: end - Int64(length))) ?? 0
    }
    return bytes.filter { $0 != 0 }
  }

  /// Takes what it has said so far, and forgets it.
  func take() -> [UInt8] {
    let end = size
    let said = last(before: end)
    if !said.isEmpty { try? memory.punchHole(from: 0, length: end) }
    return said
  }

  /// Keeps it within its bounds, if it is time to look.
  func tend(now: Int64) {
    if now < lookAt { return }
    let end = size
    if end < trimmed { trimmed = 0 }  // cut off
    pause = min(2 * pause, StderrCapture.longestPause)
    if end - trimmed > StderrCapture.enough {
      trimmed = end - Int64(Notes.stderrLimit)
      try? memory.punchHole(from: 0, length: trimmed)
      pause = StderrCapture.firstPause
    }
    lookAt = now + pause
  }
}
