// Which topics and mailboxes the watcher serves, as they appear, change and go. inotify's hints say what may have
// changed; the directories and settings are read to see what is so.

import Linux
import PostOffice
import Scheduling

/// What discovery could not see, and when it is repeated.
struct Discovery {
  /// Mailboxes that are not served: why.
  fileprivate var unserved: [Name: PostError.Kind] = [:]
  /// The topics or mailboxes could not be listed: why.
  fileprivate var unlisted: PostError.Kind?
  fileprivate(set) var repeatAt: Int64?
  fileprivate var pause = MailboxSchedule.firstPause

  /// Why not every mailbox is served; nil if all are.
  var trouble: PostError.Kind? { unlisted ?? unserved.min { $0.key < $1.key }?.value }

  /// Repeats the discovery after a pause, if the trouble may end by itself. inotify reports settings that were
  /// corrected.
  fileprivate mutating func repeatAfter(_ error: PostError) {
    guard [.tryAgain, .io].contains(error.kind), repeatAt == nil else { return }
    repeatAt = Clock.monotonic + pause
    pause = min(2 * pause, MailboxSchedule.longestPause)
  }
}

extension Watcher {
  /// Lists the topics and mailboxes, and reads all settings again.
  package func discover() {
    for target in [InotifyWatches.Target.office, .topics, .mailboxes] { inotify.watches.add(target) }
    (discovery.unlisted, discovery.unserved, discovery.repeatAt) = (nil, [:], nil)
    do throws(PostError) {
      let names = try office.names(in: Layout.topics)
      for name in topics.keys where !names.contains(name) { topics[name] = nil }
      for name in names { open(topic: name) }
      let mailboxes = try office.names(in: Layout.mailboxes)
      for name in Set(workers.names).subtracting(mailboxes) { close(name) }
      for name in mailboxes { open(name, isNew: true) }
    } catch {
      office.warn(error.message)
      discovery.unlisted = error.kind
      discovery.repeatAfter(error)
    }
    do throws(PostError) { workers.limitHandlers(to: try office.settings().maxHandlers) } catch {
      office.warn(error.message)
      discovery.repeatAfter(error)
    }
    if discovery.repeatAt == nil { discovery.pause = MailboxSchedule.firstPause }
    inotify.warnOfLimit()
  }

  /// Takes what inotify reports, and acts on it.
  /// - Returns: the mailboxes where letters may have arrived.
  /// - Throws: not found, when the spool was moved or removed; else inotify can no longer be read.
  @discardableResult
  func takeHints() throws(PostError) -> Set<Name> {
    guard let hints = try inotify.watches.hints() else {
      hintAll()
      return Set(workers.names)
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
      case .mailbox(let name): if isForeignChange(of: hint.name, in: name) { changed.insert(name) }
      }
    }
    for name in arrived {
      workers[name]?.isScanned = false
      workers[name]?.hintLetters()
    }
    if mustDiscover { discover() } else { for name in changed { open(name) } }
    return arrived
  }

  /// Whether another process may have changed an entry of a mailbox's directory: settings, a pause, a directory. The
  /// file that marks a broken handler is ours: when it is gone during its pause, the operator has resumed the
  /// mailbox.
  private func isForeignChange(of entry: Path, in name: Name) -> Bool {
    let layout = MailboxLayout(name)
    guard entry == layout.broken.name else { return true }
    guard let worker = workers[name], worker.schedule.pausedUntil != nil else { return false }
    guard (try? office.root.exists(layout.broken)) == false else { return false }
    worker.markWorking()
    return true
  }

  /// Something may have happened anywhere.
  func hintAll() {
    discover()
    for worker in workers.all { worker.schedule.hint() }
    for topic in topics.values { topic.hint(Clock.monotonic) }
  }

  private func checkSpool() throws(PostError) {
    let isThere = try? Directory(office.path).status(".").inode == office.root.status(".").inode
    guard isThere == true else {
      throw PostError(.notFound, "the spool \(office.path) was moved or removed while it was watched")
    }
  }

  /// Begins to watch a topic, or the part of it that was missing.
  private func open(topic name: Name) {
    inotify.watches.add(.topic(name))
    inotify.watches.add(.accepted(name))
    if let topic = topics[name] {
      topic.hint(Clock.monotonic)
    } else {
      topics[name] = TopicWorker(name, office)
    }
  }

  /// Begins to serve a mailbox, or applies its changed settings.
  /// - Parameter isNew: no hint says that it is changing at this moment.
  private func open(_ name: Name, isNew: Bool = false) {
    guard only?.contains(name) ?? true else { return }
    inotify.watches.add(.mailbox(name))
    do throws(PostError) {
      let settings = try office.settings(of: name)
      guard settings.handler != nil || closure != nil else { return close(name) }
      // A reader, which may be killed at any time, writes its log at once; a watcher need not.
      let mailbox = try office.mailbox(
        name, completing: isNew, verifiedAtOnce: closure == nil ? BodyCopy.slice : .max, keepsLogBack: true)
      let worker = workers[name]
      let isSame = worker?.mailbox.inode == mailbox.inode
      if !isSame { close(name) }
      inotify.watches.add(.arrived(name))
      if isSame { worker?.apply(settings) } else { workers.add(mailbox, settings) }
      discovery.unserved[name] = nil
    } catch let error where error.kind == .notFound {
      close(name)  // not complete yet, or just removed; inotify reports when that changes
    } catch {
      let isServed = workers[name]?.schedule.isOpen == true
      if !isServed { discovery.unserved[name] = error.kind }
      let outcome = isServed ? "the old settings stay" : "mailbox \(name) is not served"
      office.warn(error.adding(outcome: outcome).message)
      discovery.repeatAfter(error)
    }
  }

  private func close(_ name: Name) {
    inotify.watches.remove(.arrived(name))
    discovery.unserved[name] = nil
    guard let worker = workers[name] else { return }
    for stream in worker.streams { stream.close() }
    // While it has handlers the worker stays: the mailbox may be served again.
    worker.schedule.isOpen = false
    removeIfFinished(worker)
  }

  /// Removes a worker that was closed, once its last letter is out of its hands.
  func removeIfFinished(_ worker: MailboxWorker) {
    guard !worker.schedule.isOpen, worker.schedule.running == 0, worker.streams.isEmpty else { return }
    workers.remove(worker)
  }
}
