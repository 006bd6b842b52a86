// Replay: old letters of a topic come again to one mailbox.
//
// A letter is in one state at a time. One that the mailbox has ended with (done/, failed/) goes back to
// new/ by one rename; one that it has no more, or never had, is linked from the topic; one that waits, is in
// hands or was set aside as corrupt is left alone. Each is one call of the kernel, so whoever dies on the
// way leaves whole letters, each in one state, and the next replay goes on. The lock of the topic's
// finishers keeps every other out who gives a mailbox letters that are in the topic's cur/.

import Linux
import Text

extension Mailbox {
  /// So many letters of a topic are compared with the mailbox in one go. Memory does not grow with what
  /// the topic keeps; each go lists the mailbox's directories.
  private static let replayGroup = 1 << 15

  /// Gives the mailbox the letters again that a topic still keeps, durably. It need not be subscribed to it.
  /// - Parameter age: only those accepted within this time, as far as that is known of foreign letters.
  /// - Returns: how many letters came again.
  @discardableResult
  public func replay(_ topic: Topic, since age: Duration? = nil) throws(PostError) -> Int {
    try replay(topic, since: age, group: Mailbox.replayGroup)
  }

  func replay(_ topic: Topic, since age: Duration?, group: Int) throws(PostError) -> Int {
    let since = age.map { Clock.wall / 1_000_000_000 - $0.wholeSeconds }
    // What a dead sender left in new/ shall count as kept.
    do throws(PostError) { try topic.tidy() } catch let error where error.kind == .noPermission {} catch {
      office.warn(error.message)
    }
    window = ClaimQueue()  // what comes may be older than what it has in mind
    // What waits already may be the work of a replay that died before it was durable.
    unsynced.insert(.new)
    left.formUnion([layout[.done], layout[.failed]])
    var count = 0
    var trouble: PostError?
    _ = try topic.withLock(waiting: true) { () throws(PostError) in
      try attempt("cannot list \(topic.layout.cur)") { () throws(Errno) in
        try topic.forEachGroup(of: group, since: since) { letters throws(Errno) in
          if trouble != nil { return }
          do throws(PostError) { try replay(letters, of: topic, &count) } catch { trouble = error }
        }
      }
    }
    try syncSettled()
    guard let trouble else { return count }
    throw PostError(trouble.kind, trouble.message + (count == 0 ? "" : "; before it, \(count) came again"))
  }

  /// One go, under the topic's lock.
  private func replay(
    _ group: [ListedLetter], of topic: Topic, _ count: inout Int
  ) throws(PostError) {
    let what = "cannot replay topic \(topic.name) to mailbox \(name)"
    var letters = [LetterID: ListedLetter]()
    var ended = [(entry: Mailbox.Entry, id: LetterID)]()
    try attempt(what) { () throws(Errno) in
      for letter in group { letters[letter.id] = letter }
      let all = Array(letters.values)
      // What is under way, or no letter any more, is left alone, even if an end of it is on record, too.
      for id in try office.match(all, in: layout, [.later, .cur, .new, .cur, .later, .corrupt]).found {
        letters[id] = nil
      }
      ended = try entries(of: Array(letters.values), in: [.done, .failed])
    }
    for (entry, id) in ended.sorted(by: { $0.entry.name < $1.entry.name }) where letters[id] != nil {
      // One that is gone by now was pruned, or put back by somebody else: below we shall see.
      guard try bringBack(entry, as: "replayed") else { continue }
      letters[id] = nil
      count += 1
    }
    let rest = letters.values.sorted { $0.name < $1.name }
    try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try link(rest, of: topic, &count) }
  }

  /// Links letters of a topic that the mailbox does not have.
  private func link(_ letters: [ListedLetter], of topic: Topic, _ count: inout Int) throws(Errno) {
    if letters.isEmpty { return }
    let known = try office.known(letters, in: layout)
    try Delivery(topic).placeKept(letters.filter { !known.contains($0.id) }, into: layout) { letter in
      log("replayed", letter.id, "topic=\(topic.name)")
      count += 1
    }
  }

  /// The entries of these letters in these places.
  private func entries(
    of letters: [ListedLetter], in places: [Place]
  ) throws(Errno) -> [(entry: Entry, id: LetterID)] {
    let recognition = try LetterMatcher(letters, in: layout, of: office)
    var found = [(entry: Entry, id: LetterID)]()
    for place in places {
      try office.forEachLetter(of: layout[place]) { folder, name, inode in
        if let id = recognition.letter(EntryName(Path(name)).id, inode: inode) {
          found.append((Entry(place: place, folder: folder, name: Path(name)), id))
        }
      }
    }
    return found
  }
}
