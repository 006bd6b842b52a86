// Letters: whether they are what was sent, who may write and read them, and what lies among them.

import Linux

extension Inspection {
  /// Looks at one entry of a place where letters are.
  /// - Parameter setAside: moves it to where nobody trips over it.
  func checkLetter(
    _ entry: Path, in folder: Path, of room: Room, _ setAside: (String) throws(PostError) -> Outcome
  ) {
    let path = folder / entry
    guard let status = status(path) else { return }
    let id = EntryName(entry).id
    guard status.kind == .regular else {
      let what = "is \(status.kind.words), not a letter"
      return found(.stray, path, what, cure: "sets it aside") { () throws(PostError) in try setAside(what) }
    }
    let inode = Inode(device: status.device, number: status.inode, isOurs: id.isOurs)
    checkMode(path, status, inode, of: room)
    if isKnownGood(inode) { return }
    do throws(Letter.Flaw) {
      let letter = try Letter(path, in: office.root, id: id)
      try letter.verify()
      if status.links > 1 { isGood(inode) }
    } catch {
      guard (try? office.root.exists(path)) == true else { return }  // moved meanwhile
      switch error {
      case .errno(.noEntry): return
      case .errno(let errno): isClosed(path, errno)
      case .corrupt(let how):
        found(.corrupt, path, how, cure: "sets it aside") { () throws(PostError) in try setAside(how) }
      }
    }
  }

  private func checkMode(_ path: Path, _ status: Status, _ inode: Inode, of room: Room) {
    let mode = String(status.permissions, radix: 8)
    // A foreign program's letter that nobody shares is its own affair.
    if status.permissions & 0o222 != 0, inode.isOurs || status.links > 1, toldModes.insert(inode).inserted {
      let what = "has mode \(mode): who writes it, writes into every mailbox that has it"
      found(.writable, path, what, cure: "takes the right to write away") { () throws(PostError) in
        try puttingRight("its mode cannot be changed") { () throws(Errno) in
          let file = try office.root.open(path, .read)
          try file.protect()
          return .done("mode \(String(try file.status().permissions, radix: 8))")
        }
      }
    }
    let isReadable = status.permissions & (status.owner == room.owner ? 0o400 : 0o044) != 0
    if room.owner != 0, !isReadable {
      found(
        .unreadable, path,
        "has mode \(mode) and owner \(status.owner): user \(room.owner), who owns \(room.root), cannot read it",
        remedy: "chmod a+r")
    }
  }

  /// Tells of letters that were set aside and wait for somebody to look at them.
  func checkCorrupt(_ folder: Path) {
    let count = names(in: folder).count
    if count == 0 { return }
    let (were, them) = count == 1 ? ("was", "it") : ("were", "them")
    found(
      .setAside, folder, "holds \(letters(count)) that \(were) set aside",
      remedy: "look at \(them), then remove \(them)")
  }

  // MARK: Debris

  /// Tells of what dead writers have left in a tmp/.
  func checkDebris(in folder: Path, of room: Room, _ corrupt: Path) {
    let dead = { (entries: [Path]) in entries.filter { self.isDebris(folder / $0) } }
    for entry in lasting(dead(names(in: folder)), dead) {
      let path = folder / entry
      guard let status = status(path) else { continue }
      guard status.kind == .regular else {
        let what = "is \(status.kind.words), and old"
        found(.stray, path, what, cure: "sets it aside") { () throws(PostError) in
          try settingAside(corrupt, of: room) { () throws(PostError) in
            try puttingRight("cannot be removed") { () throws(Errno) in
              try office.setAside(path, in: corrupt)
              return .done("set aside in \(corrupt)")
            }
          }
        }
        continue
      }
      let what =
        EntryName(entry).id.isOurs
        ? "was being written by a sender that is dead" : "has not been written for more than 36 hours"
      found(.debris, path, what, cure: "removes it") { () throws(PostError) in
        try puttingRight("cannot be removed") { () throws(Errno) in
          try office.removeDebris(path)
          return isDebris(path) ? .left("it could not be removed") : .done("removed")
        }
      }
    }
  }

  private func isDebris(_ path: Path) -> Bool {
    do throws(Errno) {
      let status = try office.root.status(path)
      guard status.kind == .regular, EntryName(path.name).id.isOurs else {
        return try office.isOldDebris(path)
      }
      return try !office.root.open(path, .read).isLocked(byte: LockBytes.writer)
    } catch { return false }
  }
}

extension Status.Kind {
  fileprivate var words: String {
    switch self {
    case .regular: "a file"
    case .directory: "a directory"
    case .symlink: "a symlink"
    case .fifo: "a FIFO"
    case .other: "a socket or device"
    }
  }
}
