// Whom the watcher serves: topics and mailboxes as they come, change and go.

import Linux

extension Watcher {
  /// Looks which topics and mailboxes there are, and reads settings anew.
  package func discover() {
    for target in [WatchList.Target.office, .topics, .mailboxes] { watches.add(target) }
    hasUnserved = false
    do throws(PostError) {
      let names = try office.names(in: Layout.topics)
      for name in topics.keys where !names.contains(name) { topics[name] = nil }
      for name in names { open(topic: name) }
      let mailboxes = try office.names(in: Layout.mailboxes)
      for name in Set(desks.keys).subtracting(mailboxes) { close(name) }
      for name in mailboxes { open(name, isNew: true) }
    } catch { office.warn(error.message) }
  }

  /// Takes what the kernel noticed.
  /// - Throws: not found, when the spool is gone.
  func takeHints() throws(PostError) {
    guard let hints = try watches.hints() else { return hintAll() }
    let now = Clock.monotonic
    var mustDiscover = false
    var changed = Set<Name>()
    for hint in hints {
      switch hint.target {
      case .topics: if let name = Name(bytes: hint.name.bytes) { open(topic: name) }
      case .mailboxes: if let name = Name(bytes: hint.name.bytes) { changed.insert(name) }
      case .office:
        if hint.name.isEmpty { try checkSpool() }
        if hint.name == Layout.settings { mustDiscover = true }
      case .topic(let name): open(topic: name)
      case .accepted(let name): topics[name]?.hint(now)
      case .arrived(let name): desks[name]?.schedule.hint()
      case .mailbox(let name): if hint.name != MailboxLayout(name).broken.name { changed.insert(name) }
      }
    }
    if mustDiscover { return discover() }
    for name in changed { open(name) }
  }

  func hintAll() {
    discover()
    for desk in desks.values { desk.schedule.hint() }
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
      topics[name] = TopicDesk(name, office)
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
      let mailbox = try office.mailbox(name, completing: isNew)
      watches.add(.arrived(name))
      if let desk = desks[name], desk.mailbox.beaconByte == mailbox.beaconByte {
        desk.change(settings)
      } else {
        desks[name] = Desk(mailbox, settings)
      }
    } catch let error where error.kind == .notFound {
      close(name)  // not yet complete, or just removed; its directory tells when that changes
    } catch {
      let isServed = desks[name]?.isServed == true
      if !isServed { hasUnserved = true }
      office.warn(error.message + (isServed ? "; the old settings stay" : "; mailbox \(name) is not served"))
    }
  }

  private func close(_ name: Name) {
    watches.remove(.arrived(name))
    guard let desk = desks[name] else { return }
    // With handlers at work the desk stays, for the case that the mailbox is served again.
    if desk.schedule.running > 0 { desk.isServed = false } else { desks[name] = nil }
  }
}
