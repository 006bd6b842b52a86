// The standard error of a handler of the watcher.
//
// It is a file in memory, not a pipe: a handler that outlives its watcher must not die of writing to it. The
// handler's writes go to the end of the file. If it opens /dev/stderr it has a position of its own there, and may
// truncate the file first (`echo x > /dev/stderr`); so the size of the file, and nothing else, shows where the last
// bytes are. What the watcher has taken, and what is too much, becomes a hole: no offset changes, and the zeros that
// it reads there were not written.

import Linux
import PostOffice

/// Captures the standard error of one handler, in bounded memory.
final class StderrCapture {
  private let memory: File
  /// Where the last hole that ``trim(now:)`` made ends.
  private var trimmed: Int64 = 0
  /// When to call ``trim(now:)``. Monotonic nanoseconds, as ``takenAt``.
  private(set) var trimAt: Int64
  /// When ``take()`` was called last.
  private(set) var takenAt: Int64
  private var pause = StderrCapture.firstPause

  /// If there is more, only the end is kept. Bytes.
  private static let limit: Int64 = 1 << 20
  /// Delays until the next trim: each twice the one before, and the first again after a trim. Nanoseconds.
  private static let (firstPause, longestPause): (Int64, Int64) = (20_000_000, 1_000_000_000)

  init() throws(Errno) {
    memory = try File.inMemory()
    try memory.setAppending()
    takenAt = Clock.monotonic
    trimAt = takenAt + StderrCapture.firstPause
  }

  var stream: Child.Stream { .descriptor(memory.descriptor) }

  private var size: Int64 { (try? memory.status().size) ?? 0 }

  /// The end of what the handler has written.
  func last() -> [UInt8] { last(before: size) }

  private func last(before end: Int64) -> [UInt8] {
    if end == 0 { return [] }
    let length = Int(min(end, Int64(Notes.stderrLimit)))
    let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      count = (try? memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: end - Int64(length))) ?? 0
    }
    return bytes.filter { $0 != 0 }
  }

  /// Returns the end of what the handler has written, and forgets all of it.
  func take() -> [UInt8] {
    takenAt = Clock.monotonic
    let end = size
    let text = last(before: end)
    if !text.isEmpty { try? memory.punchHole(from: 0, length: end) }
    return text
  }

  /// Frees all but the end, if there is too much, and if it is time to look.
  func trim(now: Int64) {
    if now < trimAt { return }
    let end = size
    if end < trimmed { trimmed = 0 }  // the handler has truncated the file
    pause = min(2 * pause, StderrCapture.longestPause)
    if end - trimmed > StderrCapture.limit {
      trimmed = end - Int64(Notes.stderrLimit)
      try? memory.punchHole(from: 0, length: trimmed)
      pause = StderrCapture.firstPause
    }
    trimAt = now + pause
  }
}
