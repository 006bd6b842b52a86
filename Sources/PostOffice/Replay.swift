// Replay: old letters of a topic come again to one mailbox.
//
// A letter is in one state at a time. One that the mailbox has ended with (done/, failed/) goes back to
// new/ by one rename; one that it has no more, or never had, is linked from the topic; one that waits, is in
// hands or was set aside as corrupt is left alone. Each is one call of the kernel, so whoever dies on the
// way leaves whole letters, each in one state, and the next replay goes on. The lock of the topic's
// finishers keeps every other out who gives a mailbox letters that are in the topic's cur/.

import Linux

extension Mailbox {
  /// So many letters of a topic are compared with the mailbox in one go. Memory does not grow with what
  /// the topic keeps; each go lists the mailbox's directories.
  private static let replayGroup = 1 << 15

  /// Gives the mailbox the letters again that a topic still keeps, durably. It need not be subscribed to it.
  /// - Parameter age: only those sent within this time, as their IDs tell; a foreign program's letter whose
  ///   name tells no time counts from when its file was written.
  /// - Returns: how many letters came again.
  @discardableResult
  public func replay(_ topic: Topic, since age: Duration? = nil) throws(PostError) -> Int {
    try replay(topic, since: age, group: Mailbox.replayGroup)
  }

  func replay(_ topic: Topic, since age: Duration?, group: Int) throws(PostError) -> Int {
    let since = age.map { Clock.wall / 1_000_000_000 - $0.components.seconds }
    // What a dead sender left in new/ shall count as kept.
    do throws(PostError) { try topic.tidy() } catch let error where error.kind == .noPermission {} catch {
      office.warn(error.message)
    }
    window = Window()  // what comes may be older than what it has in mind
    // What waits already may be the work of a replay that died before it was durable.
    unsynced.insert(.new)
    left.formUnion([.done, .failed])
    var count = 0
    var trouble: PostError?
    _ = try topic.withLock(waiting: true) { () throws(PostError) in
      do throws(PostError) {
        var last: Path?
        while true {
          let names = try topic.kept(after: last, since: since, limit: group)
          guard let end = names.last else { break }
          try replay(names, of: topic, since: since ?? 0, &count)
          last = end
        }
      } catch { trouble = error }
    }
    try syncSettled()
    guard let trouble else { return count }
    throw PostError(trouble.kind, trouble.message + (count == 0 ? "" : "; before it, \(count) came again"))
  }

  /// One go, under the topic's lock.
  private func replay(
    _ names: [Path], of topic: Topic, since: Int64, _ count: inout Int
  ) throws(PostError) {
    let what = "cannot replay topic \(topic.name) to mailbox \(name)"
    var letters = [LetterID: Topic.Orphan]()
    var ended = [(place: Place, name: Path, id: LetterID)]()
    try attempt(what) { () throws(Errno) in
      for letter in try topic.letters(names, since: since) { letters[letter.id] = letter }
      let all = Array(letters.values)
      // What is under way, or no letter any more, is left alone, even if an end of it is on record, too.
      for id in try office.find(all, of: layout, in: [.later, .cur, .new, .cur, .later, .corrupt]) {
        letters[id] = nil
      }
      ended = try entries(of: Array(letters.values), in: [.done, .failed])
    }
    for entry in ended.sorted(by: { $0.name < $1.name }) where letters[entry.id] != nil {
      // One that is gone by now was pruned, or put back by somebody else: below we shall see.
      guard try bringBack(entry.name, from: entry.place, as: "replayed") else { continue }
      letters[entry.id] = nil
      count += 1
    }
    let rest = letters.values.sorted { $0.name < $1.name }
    try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try link(rest, of: topic, &count) }
  }

  /// Links letters of a topic that the mailbox does not have.
  private func link(_ letters: [Topic.Orphan], of topic: Topic, _ count: inout Int) throws(Errno) {
    if letters.isEmpty { return }
    let known = try office.known(letters, in: layout)
    let delivery = Delivery(topic)
    for letter in letters where !known.contains(letter.id) {
      guard let mustSync = try delivery.placeKept(letter.name, letter.id, into: layout) else { continue }
      if mustSync { unsynced.insert(.new) }
      log("replayed", letter.id, "topic=\(topic.name)")
      count += 1
    }
  }

  /// The entries of these letters in these places.
  private func entries(
    of letters: [Topic.Orphan], in places: [Place]
  ) throws(Errno) -> [(place: Place, name: Path, id: LetterID)] {
    let recognition = try Recognition(letters, in: layout, of: office)
    var found = [(place: Place, name: Path, id: LetterID)]()
    for place in places {
      try office.root.directory(layout[place]).forEachEntry { name, inode in
        if let id = recognition.letter(named: name, inode: inode) { found.append((place, Path(name), id)) }
      }
    }
    return found
  }
}

extension Topic {
  /// The names of letters that the topic keeps, in order.
  /// - Parameters:
  ///   - last: only names behind this one.
  ///   - since: seconds since 1970; names that tell an earlier time are left out.
  fileprivate func kept(after last: Path?, since: Int64?, limit: Int) throws(PostError) -> [Path] {
    try office.firstNames(in: layout.cur, limit: limit) { name in
      if let last, name <= last { return false }
      guard let since, let sent = LetterID(name).sent else { return true }
      return sent >= since
    }
  }

  /// What bears these names in cur/; what is gone, or no letter, is left out.
  fileprivate func letters(_ names: [Path], since: Int64) throws(Errno) -> [Orphan] {
    var letters = [Orphan]()
    for name in names {
      do throws(Errno) {
        let id = EntryName(name).id
        let status = try office.root.status(layout.cur / name)
        guard status.kind == .regular, (id.sent ?? status.modified) >= since else { continue }
        letters.append(Orphan(name: name, id: id, status: status))
      } catch .noEntry {}  // pruned meanwhile
    }
    return letters
  }
}
