// What a topic keeps: its sorted letters, for those who subscribe later, and for those who want them again.

import Linux

extension Topic {
  /// Goes through the letters that the topic keeps, bag by bag, in groups: memory does not grow with what it keeps.
  /// What is gone by now, or is no letter, is left out.
  /// - Parameter since: seconds since 1970; only letters that may have been accepted from then on. nil: all.
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

  /// Where a letter is that was in cur/ itself when it was seen, and is not there under its name; nil: it was pruned.
  func keptNow(_ letter: Orphan) throws(Errno) -> Path? {
    if let bag = try office.bag(with: letter.name, of: layout.cur) { return bag / letter.name }
    let names = try office.root.directory(layout.cur).names()
    return names.first { EntryName($0).id == letter.id }.map { layout.cur / $0 }
  }

  private func kept(
    _ name: Path, in folder: Path, _ directory: borrowing Directory, since: Int64
  ) throws(Errno) -> Orphan? {
    let id = EntryName(name).id
    if id.isIssued, let sent = id.sent, sent < since { return nil }
    do throws(Errno) {
      let status = try directory.status(name)
      guard status.kind == .regular, id.acceptedAtLatest(status) >= since else { return nil }
      return Orphan(name: name, id: id, status: status, folder: folder)
    } catch .noEntry { return nil }  // pruned meanwhile
  }
}
