// Letters that come again: replay gives a mailbox letters that its topic still keeps, retry puts back letters that
// failed or wait for their next attempt.
//
// A letter is in one state at a time (CrashSafety I20). One that is done or failed goes back to new/ by one rename; one
// that the mailbox has no more, or never had, is linked from the topic; one that waits, is claimed or was set aside as
// corrupt is left alone. Each is one system call, so a replay that dies leaves whole letters, each in one state, and
// the next replay goes on. The lock of the topic's finishers keeps out every other process that gives a mailbox letters
// of the topic's cur/ (I8).

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
    // A letter that a dead sender left in new/ counts as kept.
    do throws(PostError) { try topic.tidy() } catch let error where error.kind == .noPermission {} catch {
      office.warn(error.message)
    }
    queue.forget()  // what comes may be older than the names in its window
    // What waits already may be the work of a replay that died before it was durable.
    moves.adoptMoves(from: [.done, .failed], to: .new)
    var count = 0
    var trouble: PostError?
    _ = try topic.withLock(waiting: true) { () throws(PostError) in
      try attempt("cannot list", "\(topic.layout.cur)") { () throws(Errno) in
        try topic.forEachGroup(of: group, since: since) { letters throws(Errno) in
          if trouble != nil { return }
          do throws(PostError) { try replay(letters, of: topic, &count) } catch { trouble = error }
        }
      }
    }
    try sync()
    guard let trouble else { return count }
    throw count == 0 ? trouble : trouble.adding(outcome: "before it, \(count) came again")
  }

  /// One go, under the topic's lock.
  private func replay(
    _ group: [ListedLetter], of topic: Topic, _ count: inout Int
  ) throws(PostError) {
    let (operation, place) = ("cannot replay topic \(topic.name) to", "mailbox \(name)")
    var letters = [LetterID: ListedLetter]()
    var ended = [(entry: Mailbox.Entry, id: LetterID)]()
    try attempt(operation, place) { () throws(Errno) in
      for letter in group { letters[letter.id] = letter }
      let all = Array(letters.values)
      // What is under way, or no letter any more, is left alone, even if an end of it is on record, too.
      for id in try office.match(all, in: layout, [.later, .cur, .new, .cur, .later, .corrupt]).found {
        letters[id] = nil
      }
      ended = try entries(of: Array(letters.values), in: [.done, .failed])
    }
    for (entry, id) in ended.sorted(by: { $0.entry.name < $1.entry.name }) where letters[id] != nil {
      // One that is gone by now was deleted, or put back by another process: below it is seen which.
      guard try bringBack(entry, as: "replayed") else { continue }
      letters[id] = nil
      count += 1
    }
    let rest = letters.values.sorted { $0.name < $1.name }
    try office.attemptWrite(operation, place, in: layout.root) { () throws(Errno) in
      try link(rest, of: topic, &count)
    }
  }

  /// Links letters of a topic that the mailbox does not have.
  private func link(_ letters: [ListedLetter], of topic: Topic, _ count: inout Int) throws(Errno) {
    if letters.isEmpty { return }
    let known = try office.known(letters, in: layout)
    try Delivery(topic).placeKept(letters.filter { !known.contains($0.id) }, into: layout) { letter in
      log.write("replayed", letter.id, "topic=\(topic.name)")
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

  // MARK: Letters that come back

  /// Puts a letter that failed, or waits for its next attempt, back into `new/` with all its tries.
  package func retry(_ entry: Entry) throws(PostError) {
    _ = try bringBack(entry, as: "retried")
  }

  /// Puts a letter that has ended, or waits for its next attempt, back into `new/` with all its tries.
  /// - Parameter event: what the log calls it.
  /// - Returns: false if it is no longer there.
  private func bringBack(_ entry: Entry, as event: String) throws(PostError) -> Bool {
    let id = EntryName(entry.name).id
    do throws(Errno) {
      do throws(Errno) {
        try moves.move(entry.name, from: entry.folder, to: .new, as: EntryName(id))
      } catch .noEntry {
        // Gone; or sealed since it was seen.
        guard let bag = try office.bag(with: entry.name, of: layout[entry.place]) else { return false }
        try moves.move(entry.name, from: bag, to: .new, as: EntryName(id))
      }
    } catch .noEntry {
      return false
    } catch {
      throw office.trouble(
        error, "cannot put letter \(id) of mailbox \(name) back into", "\(layout[.new])", in: layout.root)
    }
    log.write(event, id)
    return true
  }
}
