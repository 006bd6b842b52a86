// One poll for all that a watcher waits for: descriptors, the ends of handlers, and the pipes of streaming handlers.

import Linux
import PostOffice

/// What a poll found.
package struct PollResult {
  /// Which of the caller's descriptors are readable. After a failed poll they all may be.
  package private(set) var readable: [Bool]
  /// Which handlers have ended.
  package private(set) var ended: [Bool]
  private(set) var streams: [StreamEvents]

  struct StreamEvents {
    /// Its standard output has lines for us, and its standard input takes more.
    var isReadable, isWritable: Bool
    var hasEnded: Bool
  }

  /// How often handlers are asked whether they have ended, when the kernel cannot wake us. Nanoseconds.
  private static let blindInterval: Int64 = 100_000_000

  /// Waits until a handler has ended, a descriptor is readable, or the time is over. No end is missed when the system
  /// is short of memory or descriptors: then every handler is asked, now and then.
  /// - Parameter nanoseconds: the longest wait; nil waits for as long as it takes.
  package init(_ descriptors: [Int32?], _ handlers: [Handler], atMost nanoseconds: Int64?) {
    self.init(descriptors, handlers, [], atMost: nanoseconds)
  }

  init(
    _ descriptors: [Int32?], _ handlers: [Handler], _ streamers: [StreamHandler], atMost nanoseconds: Int64?
  ) {
    let processes = handlers.map(\.process) + streamers.map(\.process)
    let isBlind = processes.contains { $0.descriptor == nil }
    let shortWait = min(nanoseconds ?? .max, PollResult.blindInterval)
    var (isReadable, isWritable, hasEnded): ([Bool], [Bool], [Bool])
    do throws(Errno) {
      (isReadable, isWritable) = try wait(
        readable: descriptors + processes.map(\.descriptor) + streamers.map(\.output.descriptor),
        writable: streamers.map(\.input.descriptor), atMost: isBlind ? shortWait : nanoseconds)
      hasEnded = zip(processes, isReadable.dropFirst(descriptors.count)).map { $1 || isBlind && $0.hasEnded }
    } catch {
      _ = try? waitReadable([], atMost: shortWait)
      isReadable =
        descriptors.map { $0 != nil } + [Bool](repeating: true, count: processes.count + streamers.count)
      isWritable = [Bool](repeating: true, count: streamers.count)
      hasEnded = processes.map(\.hasEnded)
    }
    readable = Array(isReadable.prefix(descriptors.count))
    ended = Array(hasEnded.prefix(handlers.count))
    streams = zip(isReadable.suffix(streamers.count), zip(isWritable, hasEnded.suffix(streamers.count))).map {
      StreamEvents(isReadable: $0, isWritable: $1.0, hasEnded: $1.1)
    }
  }
}
