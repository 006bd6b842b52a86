// Listing letters: the first names of a large directory, all letters of a place with its bags, how many there are.
// Memory is bounded by a limit of names, or by what one directory or bag holds (``Bag/limit``).

import Linux

extension Office {
  /// How many letters one pass takes up at most.
  static let passLimit = 1024

  /// The lowest names, in order, whatever the size of the directory: no more than about twice `limit` are held in
  /// memory.
  /// - Parameter isWanted: says which names count.
  package func firstNames(
    in folder: Path, limit: Int, where isWanted: (Path) -> Bool = { _ in true }
  ) throws(PostError) -> [Path] {
    var names = [Path]()
    do throws(Errno) {
      try root.forEachName(in: folder) { bytes in
        let name = Path(bytes)
        guard isWanted(name) else { return }
        names.append(name)
        if names.count / 2 > limit + 32 {
          names.sort()
          names.removeSubrange(limit...)
        }
      }
    } catch .noEntry {
      return []
    } catch {
      throw PostError(error, "cannot list", "\(folder)")
    }
    names.sort()
    return Array(names.prefix(limit))
  }

  /// How many letters are in a place and its bags; 0 if it is missing.
  func count(_ folder: Path) throws(PostError) -> Int {
    var count = 0
    try attempt("cannot list", "\(folder)") { () throws(Errno) in
      try forEachLetter(of: folder) { _, _, _ in count += 1 }
    }
    return count
  }

  /// Goes through the letters of a place, bag by bag, and in each in the order of their names.
  /// - Parameter body: gets the directory and the name, and returns whether to go on.
  func forEachEntry(
    of folder: Path, _ body: (_ folder: Path, _ name: Path) throws(PostError) -> Bool
  ) throws(PostError) {
    var trouble: PostError?
    try attempt("cannot list", "\(folder)") { () throws(Errno) in
      try forEachFolder(of: folder) { path, directory throws(Errno) in
        let names = try directory.names()
        do throws(PostError) {
          for name in names { guard try body(path, name) else { return false } }
        } catch {
          trouble = error
          return false
        }
        return true
      }
    }
    if let trouble { throw trouble }
  }

  func open(_ path: Path) throws(PostError) -> Letter {
    do throws(Letter.Flaw) {
      return try Letter(path, in: root, id: EntryName(path.name).id)
    } catch { throw error.asPostError("\(path)") }
  }
}
