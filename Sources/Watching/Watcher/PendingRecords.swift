// What the watcher has done and not yet recorded in full: workers with log lines that are not written, settlements
// that are not synced, and letters that were handled and cannot be settled (CrashSafety I26).
//
// Each waits for a bounded time: log lines until the next poll, syncs for a second, the third kind until a pause is
// over.

import Linux
import PostOffice
import Scheduling

struct PendingRecords {
  typealias Workers = [TurnScheduler.Key: MailboxWorker]

  var unlogged: Workers = [:]
  private var unsynced: Workers = [:]
  var unsettled: Workers = [:]
  private var lastSync: Int64 = 0

  /// Settlements are durable after this time at the latest. Nanoseconds.
  private static let syncInterval: Int64 = 1_000_000_000

  /// A letter of the mailbox was settled.
  mutating func noteSettlement(of worker: MailboxWorker) {
    unsynced[worker.key] = worker
    unlogged[worker.key] = worker
  }

  /// Writes the log lines of this round: a file is opened once for all lines of a mailbox.
  mutating func writeLogs() {
    for worker in unlogged.values { worker.mailbox.flushLog() }
    unlogged = [:]
  }

  /// When ``sync(_:)`` must be called.
  var syncAt: Int64? { unsynced.isEmpty ? nil : lastSync + PendingRecords.syncInterval }

  /// Makes all settlements durable.
  mutating func sync(_ office: Office) {
    lastSync = Clock.monotonic
    let workers = unsynced.values
    unsynced = [:]
    for worker in workers { worker.mailbox.flushLog() }
    if workers.count > Delivery.directorySyncs, (try? office.root.syncFileSystem()) != nil {
      for worker in workers { worker.mailbox.fileSystemWasSynced() }
    }
    for worker in workers { worker.mailbox.syncOrWarn() }
  }
}
