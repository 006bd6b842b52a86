// Letters: whether each is what was sent, and who may write and read it; also what lies among letters, or was left in
// a tmp/. Files that are no good letters are moved to corrupt/, never deleted.

import Linux

extension Inspection {
  /// Checks everything in some directories of letters.
  /// - Parameter setAside: moves one of them to corrupt/.
  /// - Returns: how many there are.
  func checkLetters(
    in folders: [Path], of subject: Subject,
    _ setAside: (_ entry: Path, _ folder: Path, _ why: String) throws(PostError) -> Outcome
  ) -> Int {
    var count = 0
    for folder in folders {
      for entry in names(in: folder) {
        count += 1
        checkLetter(folder / entry, of: subject) { (why) throws(PostError) in
          try setAside(entry, folder, why)
        }
      }
    }
    return count
  }

  private func checkLetter(
    _ path: Path, of subject: Subject, _ setAside: (String) throws(PostError) -> Outcome
  ) {
    guard let status = status(path) else { return }
    let id = EntryName(path.name).id
    guard status.kind == .regular else {
      let what = "is \(status.kind.words), not a letter"
      return report(.stray, path, what, repair: "sets it aside") { () throws(PostError) in
        try setAside(what)
      }
    }
    let inode = Inode(device: status.device, number: status.inode, isOurs: id.isOurs)
    checkMode(of: path, status, inode, subject)
    if isKnownGood(inode) { return }
    do throws(Letter.Flaw) {
      try Letter(path, in: office.root, id: id).verify()
      if status.links > 1 { markGood(inode) }
    } catch {
      guard (try? office.root.exists(path)) == true else { return }  // moved meanwhile
      switch error {
      case .errno(.noEntry), .tooLarge: return  // it is read in pieces, however large
      case .errno(let errno): reportUnreadable(path, errno)
      case .corrupt(let how):
        report(.corrupt, path, how, repair: "sets it aside") { () throws(PostError) in try setAside(how) }
      }
    }
  }

  private func checkMode(of path: Path, _ status: Status, _ inode: Inode, _ subject: Subject) {
    let mode = String(status.permissions, radix: 8)
    // A foreign letter that no other mailbox shares may be writable.
    if status.permissions & 0o222 != 0, inode.isOurs || status.links > 1,
      reportedWritable.insert(inode).inserted
    {
      let what = "has mode \(mode): a program that writes to it changes the letter in every mailbox"
      report(.writable, path, what, repair: "takes the write permission away") { () throws(Errno) in
        let file = try office.root.open(path, .read)
        try file.protect()
        return .repaired("mode \(String(try file.status().permissions, radix: 8))")
      }
    }
    let isReadable = status.permissions & (status.owner == subject.owner ? 0o400 : 0o044) != 0
    if subject.owner != 0, !isReadable {
      report(
        .unreadable, path,
        "has mode \(mode) and owner \(status.owner): user \(subject.owner), the owner of \(subject.root), cannot read it",
        remedy: "chmod a+r")
    }
  }

  /// Reports letters that were set aside, for the operator to inspect.
  func checkCorrupt(_ folder: Path) {
    let count = names(in: folder).count
    if count == 0 { return }
    report(.setAside, folder, "has \(letters(count)) set aside", remedy: "inspect, then remove")
  }

  // MARK: Debris

  /// Reports what dead writers have left in a tmp/.
  func checkDebris(in folder: Path, of subject: Subject, corrupt: Path) {
    for path in recheck(names(in: folder).map({ folder / $0 }), { $0.filter(isDebris) }) {
      guard let status = status(path) else { continue }
      guard status.kind == .regular else {
        let what = "is \(status.kind.words), and old"
        report(.stray, path, what, repair: "sets it aside") { () throws(Errno) in
          try setAside(in: corrupt, of: subject) { () throws(Errno) in
            try office.setAside(path, in: corrupt)
            return .repaired("set aside in \(corrupt)")
          }
        }
        continue
      }
      let what =
        EntryName(path.name).id.isOurs
        ? "is unfinished, and its writer is dead" : "was neither read nor written for more than 36 hours"
      report(.debris, path, what, repair: "removes it") { () throws(Errno) in
        try office.removeDebris(path)
        return isDebris(path) ? .failed("it could not be removed") : .repaired("removed")
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
