// Bags: their names, modes and owners. The letters in them are checked like any others.

import Linux

extension Inspection {
  /// The directories that hold the letters of a place, bags included.
  func folders(of place: Path) -> [Path] {
    var folders = [Path]()
    _ = read(place) { () throws(Errno) in
      try office.forEachFolder(of: place) { path, _ throws(Errno) in
        folders.append(path)
        return true
      }
    }
    return folders
  }

  /// Checks the bags of a topic or mailbox.
  func checkBags(of subject: Subject) {
    let folder = Layout.bags(of: subject.root / "new")
    guard (try? office.root.exists(folder)) == true else { return }
    checkDirectory(folder, of: subject)
    checkBags(in: folder, on: nil, of: subject)
  }

  private func checkBags(in folder: Path, on shelf: Bag?, of subject: Subject) {
    for entry in names(in: folder) {
      guard let bag = Bag(entry), shelf == nil || bag.shelf == shelf && !bag.isShelf else {
        report(
          .badName, folder / entry, "is not a valid name of a bag, so post does not read it",
          remedy: "move it elsewhere")
        continue
      }
      if bag.isPlanted {
        report(
          .badName, folder / entry,
          "has a number that post gives to no bag; its letters are read all the same",
          remedy: "move them out of it, and remove it")
      }
      checkDirectory(folder / entry, of: subject)
      if bag.isShelf { checkBags(in: folder / entry, on: bag, of: subject) }
    }
  }
}
