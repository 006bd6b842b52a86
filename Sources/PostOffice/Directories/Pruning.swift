// Pruning: deleting expired entries of a place, bag by bag, the oldest bag first. It stops at the first bag in which
// many entries prove to be younger, so its cost does not grow with what is kept.
//
// Which entries may be deleted for their age, the caller says (CrashSafety I30). An entry that tells a time to come, or
// none, counts by its last change. A directory among the entries is left alone, with a warning.

import Linux

extension Office {
  /// How many bags a sealer prunes for each that it seals: more than one, so that old bags get fewer.
  static let bagsAfterSealing = 2

  /// When anything about a file was changed last, seconds since 1970. (The time of modification of a foreign file may
  /// be of years ago: cp -p, tar.)
  func changed(_ path: Path) -> Int64 { (try? root.status(path).changed) ?? .max }

  /// When so many letters of a bag stay, and tell times that have passed, the bags behind it are younger. Fewer may be
  /// there for another reason, and those that tell times to come were named by a wrong clock.
  private static let proof = 32
  /// How many bags are removed together: they share their syncs.
  static let bagsAtOnce = 16
  /// After how many removals progress is reported.
  private static let progressStep = 256

  /// Deletes the expired entries of a place. All times are seconds since 1970.
  /// - Parameters:
  ///   - oldest: entries of before are deleted.
  ///   - now: as ``timeToDeleteBy(isFirst:noting:)`` returned it.
  ///   - limit: in no more than so many directories.
  ///   - willGo: called before each deletion.
  ///   - time: the time that an entry's name tells; nil: none that can be believed.
  package func prune(
    _ folder: Path, before oldest: Int64, now: Int64, bags limit: Int = .max,
    willGo: (LetterID) -> Void = { _ in }, _ time: (_ name: Path, EntryName) -> Int64?
  ) throws(PostError) {
    var (visited, removed) = (0, 0)
    var emptied = [Path]()
    defer { removeBags(emptied) }
    try attempt("cannot remove old letters from", "\(folder)") { () throws(Errno) in
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
