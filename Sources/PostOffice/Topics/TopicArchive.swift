// The letters that a topic keeps in its cur/, for later subscribers and for replay, and their end: they expire after
// `Keep`.
//
// - Memory does not grow with what is kept: letters are listed in groups, bag by bag.
// - A letter may be sealed, pruned or named anew by a mail reader after it was listed; `keptNow` finds it again.
// - A letter expires by the time of its acceptance, as far as that is known of foreign letters; never sooner
//   (CrashSafety I31).

import Linux
import Text

extension Topic {
  /// Goes through the letters that the topic keeps, bag by bag, in groups. Files that are no letters are left out.
  /// - Parameter since: only letters that may have been accepted from then on, seconds since 1970; nil: all.
  func forEachGroup(
    of size: Int, since: Int64?, _ body: ([ListedLetter]) throws(Errno) -> Void
  ) throws(Errno) {
    var group = [ListedLetter]()
    try office.forEachFolder(of: layout.cur) { path, directory throws(Errno) in
      for name in try directory.names() {
        guard let letter = try kept(name, in: path, directory, since: since ?? 0) else { continue }
        group.append(letter)
        if group.count < size { continue }
        try body(group)
        group = []
      }
      return true
    }
    if !group.isEmpty { try body(group) }
  }

  /// Where a letter is that has no longer the path under which it was listed in cur/; nil: it was pruned.
  func keptNow(_ letter: ListedLetter) throws(Errno) -> Path? {
    if let bag = try office.bag(with: letter.name, of: layout.cur) { return bag / letter.name }
    let names = try office.root.directory(layout.cur).names()
    return names.first { EntryName($0).id == letter.id }.map { layout.cur / $0 }
  }

  private func kept(
    _ name: Path, in folder: Path, _ directory: borrowing Directory, since: Int64
  ) throws(Errno) -> ListedLetter? {
    let id = EntryName(name).id
    if id.isIssued, let sent = id.sent, sent < since { return nil }
    do throws(Errno) {
      let status = try directory.status(name)
      guard status.kind == .regular, id.acceptedAtLatest(status) >= since else { return nil }
      return ListedLetter(name: name, id: id, status: status, folder: folder)
    } catch .noEntry { return nil }  // pruned meanwhile
  }
}

extension Topic {
  /// Prunes a few old bags. It gives no warning for settings that cannot be read: the commands that need them do.
  func pruneAfterSealing() { try? prune(office.timeToDeleteBy(), bags: Office.bagsAfterSealing) }

  /// Deletes the expired letters.
  /// - Parameters:
  ///   - now: the time to delete by, seconds since 1970.
  ///   - bags: in no more than so many directories.
  package func prune(_ now: Int64, bags: Int = .max) throws(PostError) {
    guard let keep = try office.settings(ofTopic: name).keep else { return }
    let oldest = now - keep.wholeSeconds
    try office.prune(layout.cur, before: oldest, now: now, bags: bags) { name, entry in
      guard let sent = entry.id.sent, !entry.id.isIssued, sent < oldest else { return entry.id.sent }
      // A foreign name tells when the delivery began. That of a letter which a mail reader saved here may tell any
      // time.
      let latest = sent + LetterID.deliveryLimit
      return latest < oldest && EntryName.flags(of: name).isEmpty ? latest : nil
    }
  }
}
