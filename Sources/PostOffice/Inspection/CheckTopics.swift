// Topics: unfinished work of senders, subscribers and passers-by, and who has subscribed.

import Linux

extension Inspection {
  func check(topic name: Name) {
    let layout = TopicLayout(name)
    guard let room = enter(layout.root, as: "topic") else { return }
    checkSettings(layout.settings, .topic)
    let make = { () throws(PostError) in try self.office.makeTopic(name) }
    guard isMade(room, layout.required, "post send \(name) makes it", make) else { return }
    guard let topic = try? office.topic(name) else { return }  // gone meanwhile
    for folder in layout.required + [layout.held, layout.corrupt] { checkDirectory(folder, of: room) }
    checkCorrupt(layout.corrupt)
    checkDebris(in: layout.tmp, of: room, layout.corrupt)
    // Before the work of others is finished: what is corrupt shall not be delivered.
    var count = 0
    checkBags(of: room)
    for folder in [layout.new] + heldFolders(of: topic) + folders(of: layout.cur) {
      for entry in names(in: folder) {
        count += 1
        checkLetter(entry, in: folder, of: room) { (how) throws(PostError) in
          try setAside(entry, from: folder, of: topic, room, how)
        }
      }
    }
    finishWork(in: topic)
    checkReaders(of: topic)
    checkSubscribers(of: topic)
    tell("looked at \(layout.root): \(letters(count))")
  }

  private func setAside(
    _ entry: Path, from folder: Path, of topic: Topic, _ room: Room, _ how: String
  ) throws(PostError) -> Outcome {
    let (path, corrupt) = (folder / entry, topic.layout.corrupt)
    return try settingAside(corrupt, of: room) { () throws(PostError) in
      var outcome = Outcome.left("another process is at work in the topic; run it again")
      // Nobody sorts it, or links it for a new subscriber, meanwhile.
      _ = try topic.withLock { () throws(PostError) in
        if folder == topic.layout.new, case .alive = office.writerState(of: path) {
          outcome = .left("its sender is at work on it; run it again")
          return
        }
        do throws(Errno) {
          try office.setAside(path, in: corrupt)
          outcome = .done("set aside in \(corrupt)")
        } catch .noEntry { outcome = .gone } catch { throw PostError(error, "cannot be set aside") }
      }
      return outcome
    }
  }

  /// Tells of letters that a mail reader put into cur/ before subscribers had them.
  private func checkReaders(of topic: Topic) {
    let words = { () -> String? in (try? topic.reportOverlooked()) ?? nil }
    guard let what = lasting([words()].compactMap { $0 }, { _ in [words()].compactMap { $0 } }).first else {
      return
    }
    found(.overlooked, topic.layout.cur, what, cure: "delivers them") { () throws(PostError) in
      guard try topic.deliverOverlooked() else {
        return .left("another process is at work in the topic; run it again")
      }
      return words() == nil ? .done("delivered") : .left("some could not be delivered; run it again")
    }
  }

  // MARK: Unfinished work

  /// What a passer-by would finish.
  private enum Work: Hashable {
    /// A letter in new/ that nobody sorts.
    case sorting(Path)
    /// A mark beside a subscriber's symlink, or without one.
    case subscribing(Name)
    /// So many letters for a mailbox that could not take them.
    case delivering(Name, Int)
  }

  private func heldFolders(of topic: Topic) -> [Path] {
    heldNames(of: topic).map { topic.layout.held(for: $0) }
  }

  /// Whom letters are held for.
  private func heldNames(of topic: Topic) -> [Name] {
    names(in: topic.layout.held).compactMap { Name(bytes: $0.bytes) }
  }

  private func finishWork(in topic: Topic) {
    let layout = topic.layout
    for entry in names(in: layout.held) where Name(bytes: entry.bytes) == nil {
      found(.badName, layout.held / entry, "is no valid name of a mailbox", remedy: "move it elsewhere")
    }
    var work = names(in: layout.new).map { Work.sorting($0) }
    work += ((try? topic.roll().unfinished) ?? []).map { Work.subscribing($0) }
    work += heldNames(of: topic).map { Work.delivering($0, 0) }
    let suspects = work.compactMap { state(of: $0, in: topic) }
    let isUnsorted = suspects.contains { if case .sorting = $0 { true } else { false } }
    let pauses = isUnsorted ? Inspection.longPauses : Inspection.pauses
    let unfinished = lasting(suspects, pauses: pauses) { rest in
      rest.compactMap { self.state(of: $0, in: topic) }
    }
    // Who holds the topic's lock is finishing it just now.
    guard !unfinished.isEmpty, !isBeingFinished(topic) else { return }
    if mayRepair { finish(unfinished, in: topic) }
    for work in unfinished { tell(of: work, in: topic) }
  }

  /// A passer-by takes up a part of it at a time.
  private func finish(_ unfinished: [Work], in topic: Topic) {
    var (rest, before) = (unfinished, [Work]())
    for _ in 0..<Topic.passes where rest != before && !rest.isEmpty {
      do throws(PostError) { try topic.tidy() } catch { return office.warn(error.message) }
      (before, rest) = (rest, rest.compactMap { state(of: $0, in: topic) })
    }
  }

  /// What is still to be done of this work; nil: nothing, or somebody who lives is at it.
  private func state(of work: Work, in topic: Topic) -> Work? {
    let layout = topic.layout
    switch work {
    case .sorting(let entry):
      if case .dead = office.writerState(of: layout.new / entry) { return work }
      return nil
    case .subscribing(let name):
      if case .dead = office.writerState(of: layout.backlogMark(name)) { return work }
      return nil
    case .delivering(let name, _):
      let count = names(in: layout.held(for: name)).count
      return count > 0 ? .delivering(name, count) : nil
    }
  }

  private func isBeingFinished(_ topic: Topic) -> Bool {
    (try? topic.withLock {}) == false
  }

  private func tell(of work: Work, in topic: Topic) {
    let layout = topic.layout
    let rest = state(of: work, in: topic)
    switch work {
    case .sorting(let entry):
      found(.unsorted, layout.new / entry, "is accepted, and nobody sorts it", cure: "sorts it") {
        rest == nil ? .done("sorted") : .left("it could not be sorted; post sweep tries again")
      }
    case .subscribing(let name):
      let isSubscriber = (try? office.root.exists(layout.subscriber(name))) == true
      let what =
        isSubscriber
        ? "a subscriber died before it had the letters that the topic keeps"
        : "a subscriber died before it was one: nobody subscribed"
      found(.halfSubscribed, layout.backlogMark(name), what, cure: isSubscriber ? "links them" : "removes it")
      {
        if rest != nil { return .left("it could not be finished; post sweep tries again") }
        return .done(isSubscriber ? "linked" : "removed")
      }
    case .delivering(let name, let count):
      let what = "\(letters(count)) for mailbox \(name), which could not take \(count == 1 ? "it" : "them")"
      found(.held, layout.held(for: name), what, cure: "delivers what it can take now") {
        guard let rest, case .delivering(_, let left) = rest else { return .done("delivered") }
        return .left(
          "\(left) cannot be delivered yet (gone for good? post unsubscribe \(name) \(topic.name))")
      }
    }
  }

  // MARK: Subscribers

  private func checkSubscribers(of topic: Topic) {
    for entry in names(in: topic.layout.subscribers) {
      let place = topic.layout.subscribers / entry
      guard let name = Name(bytes: entry.bytes) else {
        found(.badName, place, "is no valid name of a mailbox, and gets nothing", remedy: "remove it")
        continue
      }
      _ = look(at: place) { () throws(Errno) in try check(subscriber: name, of: topic, at: place) }
    }
  }

  private func check(subscriber name: Name, of topic: Topic, at place: Path) throws(Errno) {
    let end = "post unsubscribe \(name) \(topic.name)"
    guard try office.root.status(place).kind == .symlink else {
      return found(.foreignSubscriber, place, "is not a symlink", remedy: "remove it, and post subscribe")
    }
    let target = try office.root.readSymlink(place)
    do throws(Errno) { _ = try office.root.status(place / ".") } catch .denied { throw .denied } catch {
      guard try office.root.exists(place) else { return }  // unsubscribed meanwhile
      return found(
        .danglingSubscriber, place, "leads to \(target), where nothing is: its letters are held",
        remedy: "bring the mailbox back, or \(end)")
    }
    let usual = TopicLayout.subscriberTarget(name)
    if target == usual { return }
    let mailbox = MailboxLayout(throughSymlink: place)
    var isMailbox = true
    for part in [Place.tmp, .new] where isMailbox { isMailbox = try office.root.exists(mailbox[part] / ".") }
    if isMailbox { return found(.otherSubscriber, place, "leads to \(target) instead of \(usual)") }
    found(
      .foreignSubscriber, place, "leads to \(target), which lacks tmp/ or new/: its letters are held",
      remedy: "put it right, or \(end)")
  }

  func letters(_ count: Int) -> String { count == 1 ? "1 letter" : "\(count) letters" }
}
