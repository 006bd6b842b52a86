// What a topic keeps: its sorted letters, for those who subscribe later, and for those who want them again.

import Linux

extension Topic {
  /// Goes through the letters that the topic keeps, bag by bag, in groups: memory does not grow with what it keeps.
  /// What is gone by now, or is no letter, is left out.
  /// - Parameter since: seconds since 1970; only letters sent from then on, as their IDs tell; where they do not, when
  ///   their file was written. nil: all.
  func forEachGroup(
    of size: Int, since: Int64?, _ body: ([Orphan]) throws(Errno) -> Void
  ) throws(Errno) {
    var group = [Orphan]()
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

  private func kept(
    _ name: Path, in folder: Path, _ directory: borrowing Directory, since: Int64
  ) throws(Errno) -> Orphan? {
    let id = EntryName(name).id
    if let sent = id.sent, sent < since { return nil }
    do throws(Errno) {
      let status = try directory.status(name)
      guard status.kind == .regular, (id.sent ?? status.modified) >= since else { return nil }
      return Orphan(name: name, id: id, status: status, folder: folder)
    } catch .noEntry { return nil }  // pruned meanwhile
  }
}
