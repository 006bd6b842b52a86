// The work that a watcher has under way: handlers, and letters that are being prepared for them.

import Linux
import PostOffice

struct RunningWork {
  /// Exec handlers.
  var jobs: [Job] = []
  /// Streaming handlers, and the workers that they work for.
  var streams: [(handler: StreamHandler, worker: MailboxWorker)] = []
  var preparations: [Preparation] = []

  /// An exec handler, and the worker that it works for, even if that is no longer served.
  struct Job {
    let handler: Handler
    let worker: MailboxWorker
    let item: WorkItem
    /// Of a batch that failed: the letters that are still to be tried one by one.
    var rest: [Claim] = []
  }

  /// A streaming handler keeps its place for so long while mailboxes wait for their first handler. Nanoseconds.
  private static let streamShare: Int64 = 1_000_000_000

  /// How many handlers run.
  var handlers: Int { jobs.count + streams.count }

  /// How many places of Max-Handlers are taken: a letter that is being prepared for a new handler has one.
  var places: Int { handlers + preparations.count { $0.stream == nil } }

  /// When a handler must be terminated, killed, or have its standard error trimmed.
  var deadlines: [Int64] {
    jobs.compactMap(\.handler.deadline) + streams.compactMap(\.handler.deadline)
      + jobs.compactMap(\.handler.process.standardError?.trimAt) + streams.compactMap(\.handler.trimAt)
  }

  func closeStreams() { for (stream, _) in streams { stream.close() } }

  /// Terminates all handlers because the watcher stops.
  func stop(now: Int64) {
    for job in jobs { job.handler.stop(now: now) }
    for (stream, _) in streams { stream.stop(now: now) }
  }

  /// Makes handlers keep their deadlines.
  func enforceLimits(now: Int64) {
    for job in jobs { job.handler.enforceLimits(now: now) }
    for (stream, worker) in streams where stream.enforceLimits(now: now) { worker.makeRoom() }
  }

  /// Closes a streaming handler, because a mailbox waits for its first handler and there is no place: the one that
  /// has had no letters for the longest time, or else the oldest that has had its share of time. It answers its
  /// letters first.
  func retireStream(now: Int64) {
    if streams.contains(where: \.handler.isClosed) { return }  // one is about to exit
    let idle = streams.filter { !$0.handler.hasLetters }
    // Letters that are being prepared would have to be prepared again.
    let next =
      idle.min { $0.handler.idleSince < $1.handler.idleSince }
      ?? streams.filter {
        $0.handler.expected == 0 && now - $0.handler.process.startedAt >= RunningWork.streamShare
      }
      .min { $0.handler.process.startedAt < $1.handler.process.startedAt }
    next?.handler.close()
    next?.worker.makeRoom()
  }
}
