// Retention: what is kept is kept for a stated time. Only what has had its day is removed: letters
// that a topic keeps for replay, letters that are done, and the logs. Failed letters stay.

import Linux

extension Office {
  /// Does the chores of the whole office: finishes what others left, puts due and dead letters back,
  /// removes what has been kept long enough, lays the ballast in.
  /// - Throws: the first trouble, after everything else was done; further ones are told.
  public func sweep() throws(PostError) {
    var troubles = [PostError]()
    // One moment for all: a mailbox must not forget that a letter was done while the topic, which came
    // first, still keeps it for whoever subscribes.
    let now = Clock.wall / 1_000_000_000
    for name in try topicNames() {
      do throws(PostError) { try sweep(topic: name, now) } catch { troubles.append(error) }
    }
    for name in try mailboxNames() {
      do throws(PostError) {
        let mailbox = try mailbox(name)
        try mailbox.refresh()
        try mailbox.prune(now)
        try mailbox.syncSettled()
      } catch { troubles.append(error) }
    }
    Ballast(self).lay()
    for words in (try? shortages()) ?? [] { warn(words) }
    for trouble in troubles.dropFirst() { warn(trouble.message) }
    if let first = troubles.first { throw first }
  }

  private func sweep(topic name: Name, _ now: Int64) throws(PostError) {
    let topic = try topic(name)
    try topic.tidy()
    guard let keep = try settings(ofTopic: name).keep else { return }
    let oldest = now - keep.wholeSeconds
    let cur = topic.layout.cur
    try prune(cur) { name, entry in (entry.id.sent ?? written(cur / name)) < oldest }
  }

  /// When a file was last written, seconds since 1970: for foreign names that tell no time.
  fileprivate func written(_ path: Path) -> Int64 { (try? root.status(path).modified) ?? .max }

  /// Removes entries of a directory.
  /// - Parameter willGo: called before each goes.
  fileprivate func prune(
    _ folder: Path, willGo: (LetterID) -> Void = { _ in }, _ hasHadItsDay: (Path, EntryName) -> Bool
  ) throws(PostError) {
    var old = [(name: Path, id: LetterID)]()
    do throws(Errno) {
      let directory = try root.directory(folder)
      try directory.forEachName { bytes in
        let name = Path(bytes)
        let entry = EntryName(name)
        if hasHadItsDay(name, entry) { old.append((name, entry.id)) }
      }
      for (name, id) in old {
        willGo(id)
        do throws(Errno) { try directory.remove(name) } catch .noEntry {} catch .isDirectory {
          warn("\(folder / name) is a directory, not a letter; left alone")
        }
      }
    } catch .noEntry {} catch { throw PostError(error, "cannot remove old letters from \(folder)") }
  }
}

extension Mailbox {
  /// Removes letters that have been done for long enough, their notes, and old logs.
  public func prune() throws(PostError) { try prune(Clock.wall / 1_000_000_000) }

  /// - Parameter now: seconds since 1970. Time is counted in whole ones, as in the IDs by which topics go.
  fileprivate func prune(_ now: Int64) throws(PostError) {
    guard let keep = try settings().keepDone else { return }
    let oldest = now - keep.wholeSeconds
    // The note first: one without its letter would look like a loss.
    let forget = { (id: LetterID) in _ = try? self.office.root.remove(self.layout[.notes] / id.path) }
    try office.prune(layout[.done], willGo: forget) { name, entry in
      let time = entry.doneAt.map { $0 / 1000 } ?? entry.id.sent
      return (time ?? office.written(layout[.done] / name)) < oldest
    }
    let lastDay = UTC(seconds: oldest).date
    try office.prune(layout[.log]) { name, _ in
      let day = name.description
      return day.count == lastDay.count && day.first?.isNumber == true && day < lastDay
    }
  }
}
