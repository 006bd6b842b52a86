// What a poll found: which descriptors can be read, which handlers have something to say or have ended.

import Linux
import PostOffice

/// What is ready, of all that a watcher waits for.
package struct PollResult {
  /// Of other descriptors, which may be ready.
  package private(set) var others: [Bool]
  /// Of handlers, which have ended.
  package private(set) var ended: [Bool]
  /// Of streaming handlers, what is the matter.
  private(set) var streams: [StreamSign]

  struct StreamSign {
    var hasSaid, hasEnded, listens: Bool
  }

  /// How often we look for ourselves, when the kernel cannot wake us. Nanoseconds.
  private static let blindInterval: Int64 = 100_000_000

  /// Waits until a handler has ended, a descriptor can be read, or the time is over. Should the system be
  /// short of memory or descriptors, no end is missed: then we look for ourselves, now and then.
  /// - Parameter nanoseconds: the longest wait; nil waits for as long as it takes.
  package init(_ descriptors: [Int32?], _ handlers: [Handler], atMost nanoseconds: Int64?) {
    self.init(descriptors, handlers, [], atMost: nanoseconds)
  }

  init(
    _ descriptors: [Int32?], _ handlers: [Handler], _ streamers: [StreamHandler], atMost nanoseconds: Int64?
  ) {
    let ends = handlers.map(\.descriptor)
    let streamEnds = streamers.map(\.end)
    let isBlind = ends.contains(nil) || streamEnds.contains(nil)
    let glance = min(nanoseconds ?? .max, PollResult.blindInterval)
    do throws(Errno) {
      let (readable, writable) = try wait(
        readable: descriptors + ends + streamEnds + streamers.map(\.voice), writable: streamers.map(\.ear),
        atMost: isBlind ? glance : nanoseconds)
      var next = 0
      func take(_ count: Int) -> ArraySlice<Bool> {
        defer { next += count }
        return readable[next..<(next + count)]
      }
      others = Array(take(descriptors.count))
      ended = zip(handlers, take(handlers.count)).map { $1 || isBlind && $0.hasEnded }
      let streamEnded = zip(streamers, take(streamers.count)).map { $1 || isBlind && $0.hasEnded }
      let said = Array(take(streamers.count))
      streams = streamers.indices.map {
        StreamSign(hasSaid: said[$0], hasEnded: streamEnded[$0], listens: writable[$0])
      }
    } catch {
      _ = try? waitReadable([], atMost: glance)
      others = descriptors.map { $0 != nil }
      ended = handlers.map(\.hasEnded)
      streams = streamers.map { StreamSign(hasSaid: true, hasEnded: $0.hasEnded, listens: true) }
    }
  }
}
