// The mailboxes that a watcher serves, each with its worker, and the scheduler that gives them turns.

import PostOffice
import Scheduling

final class WorkerTable {
  /// By name. A worker that was closed while it had letters in hand, and replaced, has a key only.
  private var byName: [Name: MailboxWorker] = [:]
  private var byKey: [TurnScheduler.Key: MailboxWorker] = [:]
  private var scheduler = TurnScheduler(limit: Settings().maxHandlers)
  /// Workers whose schedule the scheduler has not seen.
  private var changed: Set<TurnScheduler.Key> = []
  private var lastKey: TurnScheduler.Key = 0

  var names: Dictionary<Name, MailboxWorker>.Keys { byName.keys }
  var all: Dictionary<Name, MailboxWorker>.Values { byName.values }
  var count: Int { byName.count }

  subscript(name: Name) -> MailboxWorker? { byName[name] }
  subscript(key: TurnScheduler.Key) -> MailboxWorker? { byKey[key] }

  func add(_ mailbox: Mailbox, _ settings: Settings) {
    lastKey += 1
    let worker = MailboxWorker(mailbox, settings, key: lastKey)
    byName[worker.name] = worker
    byKey[worker.key] = worker
    changed.insert(worker.key)
    worker.onChange = { [unowned self, key = lastKey] in changed.insert(key) }
    shareMemory()
  }

  func remove(_ worker: MailboxWorker) {
    if byName[worker.name] === worker { byName[worker.name] = nil }
    byKey[worker.key] = nil
    changed.insert(worker.key)
    worker.onChange = {}
    shareMemory()
  }

  private func shareMemory() {
    for worker in all { worker.mailbox.shareMemory(among: count) }
  }

  // MARK: Turns

  func limitHandlers(to limit: Int) { scheduler.limit = limit }

  /// - Parameter running: how many handlers run, or are about to.
  func nextTurn(running: Int, now: Int64) -> TurnScheduler.Turn? {
    for key in changed { scheduler[key] = byKey[key]?.schedule }
    changed = []
    scheduler.handlers = running
    return scheduler.next(now: now)
  }

  /// When there may be a turn again.
  var wakeAt: Int64? { scheduler.wakeAt }
  /// A mailbox cannot have its first handler until another handler ends.
  var isShortOfHandlers: Bool { scheduler.isShortOfHandlers }
}
