// The sweep: finishes interrupted work and deletes expired letters, in the whole office. Trouble in one topic or
// mailbox does not stop the others. It deletes only letters that a topic has kept, or a mailbox has had done, for
// longer than the settings say, with their notes and logs (CrashSafety I30, I31), bag by bag, the oldest first. Sealers
// delete a little of that; the sweep and the watcher's hourly chores delete all of it.

import Linux

extension Office {
  /// Does the chores of the whole office: finishes deliveries and subscriptions, puts back due retries and the letters
  /// of dead holders, deletes expired letters, and makes the ballast again.
  /// - Throws: the first trouble, after everything else was done; further ones are warnings.
  public func sweep() throws(PostError) {
    var troubles = [PostError]()
    // One moment for all, before anything changes: a mailbox must not forget that a letter was done while its topic,
    // which came first, still keeps the letter for new subscribers.
    let now = timeToDeleteBy(isFirst: true)
    for name in try topicNames() {
      do throws(PostError) { try sweep(topic: name, now) } catch { troubles.append(error) }
    }
    for name in try mailboxNames() {
      do throws(PostError) { try sweep(mailbox: name, now) } catch { troubles.append(error) }
    }
    Ballast(self).lay()
    for words in (try? shortages()) ?? [] { warn(words) }
    for trouble in troubles.dropFirst() { warn(trouble.message) }
    if let first = troubles.first { throw first }
  }

  private func sweep(topic name: Name, _ now: Int64) throws(PostError) {
    let topic = try topic(name)
    let layout = topic.layout
    try topic.tidy()
    if let words = try topic.reportOverlooked(isQuick: true) {
      warn("\(layout.cur): \(words); \(Topic.remedy)")
    }
    shrink([layout.cur], ifEmpty: [layout.new, layout.tmp])
    try topic.prune(now)
    removeEmptyBags(of: layout.root)
  }

  private func sweep(mailbox name: Name, _ now: Int64) throws(PostError) {
    let mailbox = try mailbox(name)
    let layout = mailbox.layout
    try mailbox.refresh()
    shrink([.new, .later, .done, .failed].map { layout[$0] }, ifEmpty: [.cur, .tmp].map { layout[$0] })
    try mailbox.prune(now)
    try mailbox.sync()
    removeEmptyBags(of: layout.root)
  }

  /// Seals directories that are full.
  /// - Parameter empty: directories that are replaced when they were full and are empty now. A letter there must not
  ///   move, because a process uses its path.
  private func shrink(_ folders: [Path], ifEmpty empty: [Path]) {
    for folder in folders + empty {
      guard let size = try? root.status(folder).size, size > Bag.limit else { continue }
      _ = try? seal(folder, ifEmpty: empty.contains(folder))
    }
  }
}
