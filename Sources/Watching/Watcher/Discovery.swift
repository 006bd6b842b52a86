// Whom the watcher serves: topics and mailboxes as they come, change and go.

import Linux
import PostOffice
import Scheduling

extension Watcher {
  /// Looks which topics and mailboxes there are, and reads settings anew.
  package func discover() {
    for target in [InotifyWatches.Target.office, .topics, .mailboxes] { watches.add(target) }
    (unseen, unserved, discoverAt) = (nil, [:], nil)
    do throws(PostError) {
      let names = try office.names(in: Layout.topics)
      for name in topics.keys where !names.contains(name) { topics[name] = nil }
      for name in names { open(topic: name) }
      let mailboxes = try office.names(in: Layout.mailboxes)
      for name in Set(workers.keys).subtracting(mailboxes) { close(name) }
      for name in mailboxes { open(name, isNew: true) }
    } catch {
      office.warn(error.message)
      unseen = error.kind
      comeBack(after: error)
    }
    do throws(PostError) { scheduler.limit = try office.settings().maxHandlers } catch {
      office.warn(error.message)
      comeBack(after: error)
    }
    if discoverAt == nil { discoverPause = MailboxSchedule.firstPause }
    noticeBlindness()
  }

  /// Takes what the kernel noticed.
  /// - Returns: the mailboxes where letters arrived, as far as they are known.
  /// - Throws: not found, when the spool is gone.
  @discardableResult
  func takeHints() throws(PostError) -> Set<Name> {
    guard let hints = try watches.hints() else {
      hintAll()
      return Set(workers.keys)
    }
    let now = Clock.monotonic
    var mustDiscover = false
    var changed = Set<Name>()
    var arrived = Set<Name>()
    for hint in hints {
      switch hint.target {
      case .topics: if let name = Name(bytes: hint.name.bytes) { open(topic: name) }
      case .mailboxes: if let name = Name(bytes: hint.name.bytes) { changed.insert(name) }
      case .office:
        if hint.name.isEmpty { try checkSpool() }
        if hint.name == Layout.settings { mustDiscover = true }
      case .topic(let name): open(topic: name)
      case .accepted(let name): topics[name]?.hint(now)
      case .arrived(let name):
        arrived.insert(name)
        workers[name]?.mailbox.lettersArrived(named: hint.name)
      case .mailbox(let name): if isNews(hint.name, of: name) { changed.insert(name) }
      }
    }
    for name in arrived {
      workers[name]?.isScanned = false
      workers[name]?.schedule.hint()
    }
    if mustDiscover { discover() } else { for name in changed { open(name) } }
    return arrived
  }

  /// Whether a change in a mailbox's directory may be somebody else's: settings, a pause, a directory. The sign
  /// of a broken handler is ours; if it is gone while we think that the handler is broken, somebody resumes.
  private func isNews(_ entry: Path, of name: Name) -> Bool {
    let layout = MailboxLayout(name)
    guard entry == layout.broken.name else { return true }
    guard let worker = workers[name], worker.schedule.pausedUntil != nil else { return false }
    guard (try? office.root.exists(layout.broken)) == false else { return false }
    worker.markWorking()
    return true
  }

  func hintAll() {
    discover()
    for worker in workers.values { worker.schedule.hint() }
    for topic in topics.values { topic.hint(Clock.monotonic) }
  }

  private func checkSpool() throws(PostError) {
    let isThere = try? Directory(office.path).status(".").inode == office.root.status(".").inode
    guard isThere == true else {
      throw PostError(.notFound, "the spool \(office.path) was moved or removed while it was watched")
    }
  }

  /// Begins to watch a topic, or what has been missing of it.
  private func open(topic name: Name) {
    watches.add(.topic(name))
    watches.add(.accepted(name))
    if let topic = topics[name] {
      topic.hint(Clock.monotonic)
    } else {
      topics[name] = TopicWorker(name, office)
    }
  }

  /// Begins to serve a mailbox, or takes up its changed settings.
  /// - Parameter isNew: nothing tells that it is changing at this moment.
  private func open(_ name: Name, isNew: Bool = false) {
    guard only?.contains(name) ?? true else { return }
    watches.add(.mailbox(name))
    do throws(PostError) {
      let settings = try office.settings(of: name)
      guard settings.handler != nil || closure != nil else { return close(name) }
      // A reader, which may be killed at any time, writes its log at once; a watcher need not.
      let mailbox = try office.mailbox(
        name, completing: isNew, verifiedAtOnce: closure == nil ? BodyCopy.slice : .max, keepsLogBack: true)
      let worker = workers[name]
      let isSame = worker?.mailbox.inode == mailbox.inode
      if !isSame { close(name) }
      watches.add(.arrived(name))
      if isSame { worker?.change(settings) } else { add(MailboxWorker(mailbox, settings, key: nextKey)) }
      unserved[name] = nil
    } catch let error where error.kind == .notFound {
      close(name)  // not yet complete, or just removed; its directory tells when that changes
    } catch {
      let isServed = workers[name]?.schedule.isOpen == true
      if !isServed { unserved[name] = error.kind }
      office.warn(error.message + (isServed ? "; the old settings stay" : "; mailbox \(name) is not served"))
      comeBack(after: error)
    }
  }

  /// Some trouble passes, and nothing tells when. Of settings that are put right we hear.
  private func comeBack(after error: PostError) {
    guard [.tryAgain, .io].contains(error.kind), discoverAt == nil else { return }
    discoverAt = Clock.monotonic + discoverPause
    discoverPause = min(2 * discoverPause, MailboxSchedule.longestPause)
  }

  private func close(_ name: Name) {
    watches.remove(.arrived(name))
    unserved[name] = nil
    guard let worker = workers[name] else { return }
    for stream in worker.streams { stream.close() }
    // With handlers at work the worker stays, for the case that the mailbox is served again.
    worker.schedule.isOpen = false
    closeIfOver(worker)
  }

  private func add(_ worker: MailboxWorker) {
    let key = worker.key
    nextKey += 1
    workers[worker.name] = worker
    workersByKey[key] = worker
    changed.insert(key)
    worker.onChange = { [unowned self] in changed.insert(key) }
    shareWindows()
  }

  func remove(_ worker: MailboxWorker) {
    if workers[worker.name] === worker { workers[worker.name] = nil }
    workersByKey[worker.key] = nil
    changed.insert(worker.key)
    worker.onChange = {}
    shareWindows()
  }

  private func shareWindows() {
    for worker in workers.values { worker.mailbox.shareMemory(among: workers.count) }
  }
}
