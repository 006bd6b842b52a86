// Topics: what dead senders and subscribers left unfinished, and who has subscribed.

import Linux

extension Inspection {
  func check(topic name: Name) {
    let layout = TopicLayout(name)
    guard let subject = checkRoot(layout.root, as: "topic") else { return }
    checkSettings(layout.settings, .topic)
    let make = { () throws(PostError) in try self.office.makeTopic(name) }
    guard checkParts(layout.required, of: subject, creator: "post send \(name)", make) else { return }
    guard let topic = try? office.topic(name) else { return }  // gone meanwhile
    for folder in layout.required + [layout.held, layout.corrupt] { checkDirectory(folder, of: subject) }
    checkCorrupt(layout.corrupt)
    checkDebris(in: layout.tmp, of: subject, corrupt: layout.corrupt)
    checkBags(of: subject)
    let held = heldNames(of: topic).map { layout.held(for: $0) }
    let count = checkLetters(in: [layout.new] + held + folders(of: layout.cur), of: subject) {
      (entry, folder, _) throws(PostError) in
      try setAside(entry, from: folder, of: topic, subject)
    }
    checkUnfinished(in: topic)
    checkOverlooked(in: topic)
    checkSubscribers(of: topic)
    progress("checked \(layout.root): \(letters(count))")
  }

  /// Under the topic's lock, so that no finisher or subscriber uses the file meanwhile.
  private func setAside(
    _ entry: Path, from folder: Path, of topic: Topic, _ subject: Subject
  ) throws(PostError) -> Outcome {
    let (path, corrupt) = (folder / entry, topic.layout.corrupt)
    return try setAside(in: corrupt, of: subject) { () throws(PostError) in
      var outcome = Outcome.failed("another process is at work in the topic; run post check again")
      _ = try topic.withLock { () throws(PostError) in
        if folder == topic.layout.new, case .alive = office.writerState(of: path) {
          outcome = .failed("its sender is still at work on it; run post check again")
          return
        }
        do throws(Errno) {
          try office.setAside(path, in: corrupt)
          outcome = .repaired("set aside in \(corrupt)")
        } catch .noEntry { outcome = .gone } catch { throw PostError(error, "it cannot be set aside") }
      }
      return outcome
    }
  }

  /// Reports letters that a mail reader moved to cur/ before subscribers had them.
  private func checkOverlooked(in topic: Topic) {
    let words = { () -> String? in (try? topic.reportOverlooked()) ?? nil }
    guard let what = recheck(words) else { return }
    report(.overlooked, topic.layout.cur, what, repair: "delivers them") { () throws(PostError) in
      guard try topic.deliverOverlooked() else {
        return .failed("another process is at work in the topic; run post check again")
      }
      return words() == nil
        ? .repaired("delivered") : .failed("some could not be delivered; run post check again")
    }
  }

  // MARK: Unfinished work

  /// What a finisher would complete.
  private struct Unfinished: Hashable {
    /// unsorted, halfSubscribed or held.
    let kind: Finding.Kind
    /// The letter, the backlog mark, or the directory of held letters.
    let place: Path
    /// The mailbox, if it is about one.
    var mailbox: Name?
    /// The number of letters.
    var count = 1
  }

  /// The mailboxes for which letters are held.
  private func heldNames(of topic: Topic) -> [Name] {
    names(in: topic.layout.held).compactMap { Name(bytes: $0.bytes) }
  }

  private func checkUnfinished(in topic: Topic) {
    let layout = topic.layout
    for entry in names(in: layout.held) where Name(bytes: entry.bytes) == nil {
      report(
        .badName, layout.held / entry, "is not a valid name of a mailbox, so post does not deliver it",
        remedy: "move it elsewhere")
    }
    var work = names(in: layout.new).map { Unfinished(kind: .unsorted, place: layout.new / $0) }
    let pauses = rest(of: work).isEmpty ? Inspection.pauses : Inspection.longPauses
    work += ((try? topic.roll().unfinished) ?? []).map {
      Unfinished(kind: .halfSubscribed, place: layout.backlogMark($0), mailbox: $0)
    }
    work += heldNames(of: topic).map { Unfinished(kind: .held, place: layout.held(for: $0), mailbox: $0) }
    let unfinished = recheck(work, pauses: pauses, rest)
    // A finisher that has the topic's lock is completing it.
    guard !unfinished.isEmpty, (try? topic.withLock {}) != false else { return }
    if mayRepair { finish(unfinished, in: topic) }
    for work in unfinished { report(work, in: topic) }
  }

  /// A finisher takes up a part of the work at a time.
  private func finish(_ work: [Unfinished], in topic: Topic) {
    var (left, before) = (work, [Unfinished]())
    for _ in 0..<Topic.passes where left != before && !left.isEmpty {
      do throws(PostError) { try topic.tidy() } catch { return office.warn(error.message) }
      (before, left) = (left, rest(of: left))
    }
  }

  /// What is left of some work, and has no living process at it.
  private func rest(of work: [Unfinished]) -> [Unfinished] {
    work.compactMap { work in
      guard work.kind == .held else {
        if case .dead = office.writerState(of: work.place) { return work }
        return nil
      }
      var rest = work
      rest.count = names(in: work.place).count
      return rest.count == 0 ? nil : rest
    }
  }

  private func report(_ work: Unfinished, in topic: Topic) {
    let left = rest(of: [work]).first?.count
    guard let name = work.mailbox else {
      return report(
        .unsorted, work.place, "is accepted but not delivered: it has no living sender", repair: "delivers it"
      ) {
        left == nil ? .repaired("delivered") : .failed("it could not be delivered; post sweep tries again")
      }
    }
    if work.kind == .held {
      let what = "\(letters(work.count)) could not be delivered to mailbox \(name)"
      return report(.held, work.place, what, repair: "delivers what the mailbox can take now") {
        left.map {
          .failed("\($0) cannot be delivered yet (gone for good? post unsubscribe \(name) \(topic.name))")
        } ?? .repaired("delivered")
      }
    }
    let isSubscriber = (try? office.root.exists(topic.layout.subscriber(name))) == true
    let what =
      isSubscriber
      ? "post subscribe died before \(name) had all letters that the topic keeps"
      : "post subscribe died before it subscribed \(name)"
    report(.halfSubscribed, work.place, what, repair: isSubscriber ? "links the rest" : "removes it") {
      left == nil
        ? .repaired(isSubscriber ? "linked" : "removed")
        : .failed("it could not be finished; post sweep tries again")
    }
  }

  // MARK: Subscribers

  private func checkSubscribers(of topic: Topic) {
    for entry in names(in: topic.layout.subscribers) {
      let place = topic.layout.subscribers / entry
      guard let name = Name(bytes: entry.bytes) else {
        report(
          .badName, place, "is not a valid name of a mailbox, so it gets no letters", remedy: "remove it")
        continue
      }
      _ = read(place) { () throws(Errno) in try check(subscriber: name, of: topic, at: place) }
    }
  }

  private func check(subscriber name: Name, of topic: Topic, at place: Path) throws(Errno) {
    let unsubscribe = "post unsubscribe \(name) \(topic.name)"
    guard try office.root.status(place).kind == .symlink else {
      return report(
        .foreignSubscriber, place, "is not a symlink", remedy: "remove it, and run post subscribe")
    }
    let target = try office.root.readSymlink(place)
    do throws(Errno) { _ = try office.root.status(place / ".") } catch .denied { throw .denied } catch {
      guard try office.root.exists(place) else { return }  // unsubscribed meanwhile
      return report(
        .danglingSubscriber, place, "leads to \(target), which does not exist: its letters are held",
        remedy: "restore the mailbox, or \(unsubscribe)")
    }
    let usual = TopicLayout.subscriberTarget(name)
    if target == usual { return }
    let mailbox = MailboxLayout(throughSymlink: place)
    for part in [Place.tmp, .new] where try !office.root.exists(mailbox[part] / ".") {
      return report(
        .foreignSubscriber, place, "leads to \(target), which lacks tmp/ or new/: its letters are held",
        remedy: "correct it, or \(unsubscribe)")
    }
    report(.otherSubscriber, place, "leads to \(target) instead of \(usual)")
  }
}
