// Retention: what is kept is kept for a stated time. Only what has had its day is removed: letters
// that a topic keeps for replay, letters that are done, and the logs. Failed letters stay.

import Linux

extension Office {
  /// Does the chores of the whole office: finishes what others left, puts due and dead letters back,
  /// removes what has been kept long enough, lays the ballast in.
  public func sweep() throws(PostError) {
    for name in try topicNames() {
      let topic = try topic(name)
      try topic.tidy()
      if let keep = try settings(ofTopic: name).keep {
        let oldest = Clock.wall / 1_000_000_000 - keep.components.seconds
        try prune(topic.layout.cur) { name, entry in
          if let sent = entry.id.sent { return sent < oldest }
          // A foreign name that tells no time: when its file was written.
          let written = try? root.status(topic.layout.cur / name).modified
          return (written ?? .max) / 1_000_000_000 < oldest
        }
      }
    }
    for name in try mailboxNames() {
      let mailbox = try mailbox(name)
      try mailbox.refresh()
      try mailbox.prune()
    }
    Ballast(self).lay()
  }

  /// Removes entries of a directory.
  /// - Returns: their IDs.
  @discardableResult
  fileprivate func prune(
    _ folder: Path, _ hasHadItsDay: (Path, EntryName) -> Bool
  ) throws(PostError) -> [LetterID] {
    var old = [(name: Path, id: LetterID)]()
    do throws(Errno) {
      let directory = try root.directory(folder)
      try directory.forEachName { bytes in
        let name = Path(bytes)
        let entry = EntryName(name)
        if hasHadItsDay(name, entry) { old.append((name, entry.id)) }
      }
      for (name, _) in old { do throws(Errno) { try directory.remove(name) } catch .noEntry {} }
    } catch .noEntry {
      return []
    } catch {
      throw PostError(error, "cannot remove old letters from \(folder)")
    }
    return old.map(\.id)
  }
}

extension Mailbox {
  /// Removes letters that have been done for long enough, their notes, and old logs.
  public func prune() throws(PostError) {
    guard let keep = try settings().keepDone else { return }
    let oldest = Clock.wall / 1_000_000 - keep.milliseconds
    let gone = try office.prune(layout[.done]) { _, entry in
      (entry.doneAt ?? (entry.id.sent ?? 0) * 1000) < oldest
    }
    for id in gone { try? office.root.remove(layout[.notes] / id.path) }
    let lastDay = UTC(seconds: oldest / 1000).date
    try office.prune(layout[.log]) { name, _ in name.description < lastDay }
  }
}
