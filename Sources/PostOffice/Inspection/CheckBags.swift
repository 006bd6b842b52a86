// Bags, as post check sees them: what lies in them is looked at like any letter; here it is about themselves.

import Linux

extension Inspection {
  /// The directories in which the letters of a place lie.
  func folders(of place: Path) -> [Path] {
    var folders = [Path]()
    _ = look(at: place) { () throws(Errno) in
      try office.forEachFolder(of: place) { path, _ throws(Errno) in
        folders.append(path)
        return true
      }
    }
    return folders
  }

  /// Looks at the names, modes and owners of the bags of a topic or mailbox.
  func checkBags(of room: Room) {
    let home = Layout.bags(of: room.root / "new")
    guard (try? office.root.exists(home)) == true else { return }
    checkDirectory(home, of: room)
    checkBags(in: home, on: nil, of: room)
  }

  private func checkBags(in folder: Path, on shelf: Bag?, of room: Room) {
    for entry in names(in: folder) {
      let bag = Bag(entry)
      guard let bag, shelf == nil || bag.shelf == shelf && !bag.isShelf else {
        found(
          .badName, folder / entry, "is no valid name of a bag: nobody looks into it",
          remedy: "move it elsewhere")
        continue
      }
      if bag.isPlanted {
        found(
          .badName, folder / entry,
          "has a number that no bag of post's has; its letters are read all the same",
          remedy: "move them out of it, and remove it")
      }
      checkDirectory(folder / entry, of: room)
      if bag.isShelf { checkBags(in: folder / entry, on: bag, of: room) }
    }
  }
}

extension Path {
  /// Of a letter's path: the name of the place where it is, also if it lies in a bag.
  var place: Path {
    let folder = parent.name
    return Bag(folder).map { Path("\($0.kind.word)") } ?? folder
  }
}
