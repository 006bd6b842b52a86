// Pruning: deleting what is old, bag by bag.

import Linux

extension Office {
  /// Who seals a bag prunes so many: more than are sealed, so that the old ones get fewer.
  static let bagsAfterSealing = 2

  /// When anything about a file was changed last, seconds since 1970: for foreign names, and for those that tell a time
  /// to come. A foreign file's own time may be of years ago (cp -p, tar).
  func changed(_ path: Path) -> Int64 { (try? root.status(path).changed) ?? .max }

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
  package func prune(
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
