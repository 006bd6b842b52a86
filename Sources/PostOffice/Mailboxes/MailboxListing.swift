// Listing the letters of a mailbox, and finding one by its ID. Nothing is claimed or changed. Other processes move
// letters meanwhile: one that moves during a listing may be met twice, or not at all, and a listed letter may be gone.

import Linux

extension Mailbox {
  /// A letter as it lies in the mailbox.
  package struct Entry: Hashable, Sendable {
    package let place: Place
    /// The directory: that of the place, or a bag.
    let folder: Path
    package let name: Path
  }

  /// Calls `body` with the letters in one place, bag by bag, in each in the order of their IDs.
  /// - Parameter body: says whether to go on.
  package func forEachEntry(
    in place: Place, _ body: (Entry) throws(PostError) -> Bool
  ) throws(PostError) {
    try office.forEachEntry(of: layout[place]) { (folder, name) throws(PostError) in
      try body(Entry(place: place, folder: folder, name: name))
    }
  }

  /// How many letters are in a place.
  public func count(_ place: Place) throws(PostError) -> Int {
    try office.count(layout[place])
  }

  /// The letters whose ID begins with these bytes, wherever they are.
  package func find(_ prefix: Path, in places: [Place] = Place.states) throws(PostError) -> [Entry] {
    var found = [Entry]()
    for place in places {
      try attempt("cannot list", "\(layout[place])") { () throws(Errno) in
        try office.forEachLetter(of: layout[place]) { folder, bytes, _ in
          if bytes.starts(with: prefix.bytes) {
            found.append(Entry(place: place, folder: folder, name: Path(bytes)))
          }
        }
      }
    }
    // A whole ID means that letter, even if it begins a longer one.
    let exact = found.filter { EntryName($0.name).id.path == prefix }
    return (exact.isEmpty ? found : exact).sorted { $0.name < $1.name }
  }

  /// The one letter whose ID begins with these bytes.
  /// - Throws: not found; usage, if there are several.
  package func findOne(_ prefix: Path, in places: [Place]) throws(PostError) -> Entry {
    let found = try find(prefix, in: places)
    guard let first = found.first else {
      let names = places.map { "\($0)/" }.joined(separator: " or ")
      throw PostError(
        .notFound, "no letter \(prefix) in", "\(names) of mailbox \(name)", remedy: "see post list \(name)")
    }
    guard Set(found.map { EntryName($0.name).id }).count == 1 else {
      throw PostError(
        .usage, "\(prefix) could be any of \(found.count) letters of", "mailbox \(name)",
        remedy: "give more of the ID")
    }
    return first
  }

  /// Opens a letter where it lies, without claiming it.
  package func open(_ entry: Entry) throws(PostError) -> Letter { try office.open(entry.folder / entry.name) }
}
