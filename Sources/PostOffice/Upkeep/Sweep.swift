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
        try mailbox.sync()
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
}
