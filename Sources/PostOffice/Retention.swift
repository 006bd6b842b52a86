// Retention: what is kept is kept for a stated time. Only what has had its day is removed: letters
// that a topic keeps for replay, letters that are done, and the logs. Failed letters stay.
//
// It goes bag by bag, the oldest first, and ends at the first in which nothing has had its day. Whoever seals a
// directory removes a little of what is old; post sweep and the watcher remove all of it.

import Linux

extension Office {
  /// Does the chores of the whole office: finishes what others left, puts due and dead letters back,
  /// removes what has been kept long enough, lays the ballast in.
  /// - Throws: the first trouble, after everything else was done; further ones are told.
  public func sweep() throws(PostError) {
    var troubles = [PostError]()
    // One moment for all: a mailbox must not forget that a letter was done while the topic, which came
    // first, still keeps it for whoever subscribes. And before anything changes.
    let now = timeToDeleteBy(isFirst: true)
    for name in try topicNames() {
      do throws(PostError) { try sweep(topic: name, now) } catch { troubles.append(error) }
    }
    for name in try mailboxNames() {
      do throws(PostError) {
        let mailbox = try mailbox(name)
        try mailbox.refresh()
        let layout = mailbox.layout
        shrink([.new, .later, .done, .failed].map { layout[$0] }, still: [.cur, .tmp].map { layout[$0] })
        try mailbox.prune(now)
        try mailbox.syncSettled()
        removeEmptyBags(of: layout.root)
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
    if let words = try topic.wordsOnOverlooked(isQuick: true) {
      warn("\(topic.layout.cur): \(words); \(Topic.remedy)")
    }
    shrink([topic.layout.cur], still: [topic.layout.new, topic.layout.tmp])
    try topic.prune(now)
    removeEmptyBags(of: topic.layout.root)
  }

  /// Seals directories that are full, and replaces those that have been.
  /// - Parameter still: those that are not sealed: whoever is at a letter there goes by its path.
  fileprivate func shrink(_ folders: [Path], still: [Path]) {
    for folder in folders + still {
      guard let size = try? root.status(folder).size, size > Bag.limit else { continue }
      _ = try? seal(folder, ifEmpty: still.contains(folder))
    }
  }

  /// What has just been sealed makes room for more: a few old bags go.
  func pruneAfterSealing(_ folder: Path) {
    guard let name = Name(bytes: folder.parent.name.bytes) else { return }
    do throws(PostError) {
      if folder == TopicLayout(name).cur {
        try topic(name).prune(timeToDeleteBy(), bags: Office.bagsAfterSealing)
      }
      if folder == MailboxLayout(name)[.done] {
        try mailbox(name, completing: false).prune(timeToDeleteBy(), bags: Office.bagsAfterSealing)
      }
    } catch {}  // settings that cannot be read are told of by whoever needs them more
  }

  /// More than are sealed, so that the old ones get fewer.
  private static let bagsAfterSealing = 2

  /// When anything about a file was changed last, seconds since 1970: for foreign names, and for those that tell a time
  /// to come. A foreign file's own time may be of years ago (cp -p, tar).
  fileprivate func changed(_ path: Path) -> Int64 { (try? root.status(path).changed) ?? .max }

  /// So many letters that stay say of a bag that those behind it are younger, if their times are past; those that tell
  /// of a time to come say that a clock was wrong. Fewer may be there for another reason.
  private static let proof = 32
  /// So many bags go together, for the syncs that they share.
  static let bagsAtOnce = 16
  /// Progress is told after so many removals.
  private static let progressStep = 256

  /// Removes entries of a place. All times are seconds since 1970, and now is what ``timeToDeleteBy(isFirst:noting:)`` says.
  /// - Parameters:
  ///   - oldest: what is older goes.
  ///   - bags: in no more than so many directories.
  ///   - willGo: called before each goes.
  ///   - time: what an entry tells itself, and can be believed. If it is nil, or still to come, it goes by when it was
  ///     last changed.
  fileprivate func prune(
    _ folder: Path, before oldest: Int64, now: Int64, bags limit: Int = .max,
    willGo: (LetterID) -> Void = { _ in }, _ time: (_ name: Path, EntryName) -> Int64?
  ) throws(PostError) {
    var (visited, removed) = (0, 0)
    var emptied = [Path]()
    defer { removeBags(emptied) }
    try attempt("cannot remove old letters from \(folder)") { () throws(Errno) in
      try forEachFolder(of: folder) { path, directory throws(Errno) in
        var old = [(name: Path, id: LetterID)]()
        var (rest, young) = (0, 0)
        try directory.forEachName { bytes in
          let name = Path(bytes)
          let entry = EntryName(name)
          let told = time(name, entry).flatMap { $0 <= now ? $0 : nil }
          if told ?? changed(path / name) < oldest {
            old.append((name, entry.id))
          } else {
            rest += 1
            if told != nil { young += 1 }
          }
        }
        for (name, id) in old {
          willGo(id)
          do throws(Errno) { try directory.remove(name) } catch .noEntry {} catch .isDirectory {
            rest += 1
            warn("\(path / name) is a directory, not a letter; left alone")
          }
          removed += 1
          if removed % Office.progressStep == 0 { progress(folder.description, removed) }
        }
        if rest == 0, path != folder { emptied.append(path) }
        if emptied.count == Office.bagsAtOnce {
          removeBags(emptied)
          emptied = []
        }
        visited += 1
        return visited < limit && !(old.isEmpty && young >= Office.proof)
      }
    }
  }
}

extension Topic {
  /// Removes letters that have been kept for long enough.
  /// - Parameters:
  ///   - now: seconds since 1970.
  ///   - bags: in no more than so many directories.
  fileprivate func prune(_ now: Int64, bags: Int = .max) throws(PostError) {
    guard let keep = try office.settings(ofTopic: name).keep else { return }
    let oldest = now - keep.wholeSeconds
    try office.prune(layout.cur, before: oldest, now: now, bags: bags) { name, entry in
      guard let sent = entry.id.sent, !entry.id.isIssued, sent < oldest else { return entry.id.sent }
      // A foreign name tells when its delivery began. What a mail reader saved here may be from anywhere.
      let latest = sent + LetterID.deliveryLimit
      return latest < oldest && EntryName.flags(of: name).isEmpty ? latest : nil
    }
  }
}

extension Mailbox {
  /// Removes letters that have been done for long enough, their notes, and old logs.
  public func prune() throws(PostError) { try prune(office.timeToDeleteBy()) }

  /// - Parameter now: seconds since 1970. Time is counted in whole ones, as in the IDs by which topics go.
  fileprivate func prune(_ now: Int64, bags: Int = .max) throws(PostError) {
    guard let keep = try settings().keepDone else { return }
    let oldest = now - keep.wholeSeconds
    // The note first: one without its letter would look like a loss.
    let forget = { (id: LetterID) in _ = try? self.office.root.remove(self.layout[.notes] / id.path) }
    try office.prune(layout[.done], before: oldest, now: now, bags: bags, willGo: forget) { _, entry in
      let done = entry.doneAt.map { $0 / 1000 }
      if entry.id.isIssued { return done ?? entry.id.sent }
      // For as long as the topic may keep it.
      return done.map { max($0, min(now, (entry.id.sent ?? 0) + LetterID.deliveryLimit)) }
    }
    if bags < .max { return }
    let lastDay = UTC(seconds: oldest).date
    try office.prune(layout[.log], before: oldest, now: now) { name, _ in
      let day = name.description
      return day.count == lastDay.count && day.first?.isNumber == true && day < lastDay ? .min : now
    }
  }
}
