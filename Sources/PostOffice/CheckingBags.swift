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
    for entry in names(in: home) {
      if Bag(entry) != nil {
        checkDirectory(home / entry, of: room)
      } else {
        found(
          .badName, home / entry, "is no valid name of a bag: nobody looks into it",
          remedy: "move it elsewhere")
      }
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
