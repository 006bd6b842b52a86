// `post check`: checks everything in an office and reports what is wrong; with --repair it also repairs what can be
// repaired without guessing. Topics come before mailboxes, and in a topic the letters come before unfinished work, so
// that no finisher delivers a corrupt letter.

import Linux

extension Office {
  /// Checks the whole office.
  /// - Parameters:
  ///   - repair: also repairs what can be repaired without guessing.
  ///   - progress: takes a line about each topic or mailbox that was checked.
  ///   - report: takes the findings, remarks included.
  public func check(
    repair: Bool = false, progress: @escaping (String) -> Void = { _ in },
    _ report: @escaping (Finding) -> Void
  ) {
    Inspection(self, mayRepair: repair, progress, report).checkOffice()
  }
}

extension Inspection {
  fileprivate func checkOffice() {
    guard let (topics, mailboxes) = checkSpool() else { return }
    if mayRepair { office.timeToDeleteBy(isFirst: true) }  // before any letter moves
    for name in topics { check(topic: name) }
    for name in mailboxes { check(mailbox: name) }
    progress("checked \(topics.count) topics and \(mailboxes.count) mailboxes of \(office.path)")
  }

  /// Checks the spool itself.
  /// - Returns: its topics and mailboxes; nil if it has not been created yet.
  private func checkSpool() -> (topics: [Name], mailboxes: [Name])? {
    guard let status = status(".", at: office.path) else { return nil }
    let spool = Subject(root: office.path, owner: status.owner)
    checkMode(office.path, status)
    checkFileSystem(of: ".", at: office.path)
    let parts = [Layout.topics, Layout.mailboxes]
    let make = { () throws(PostError) in
      try attempt("cannot be created") { () throws(Errno) in try self.office.make(parts, in: ".") }
    }
    guard checkParts(parts, of: spool, creator: "post send or post subscribe", make) else { return nil }
    checkSettings(Layout.settings, .office)
    for part in parts { checkDirectory(part, of: spool) }
    return (checkNames(in: Layout.topics, of: "topic"), checkNames(in: Layout.mailboxes, of: "mailbox"))
  }

  /// - Returns: the valid names.
  private func checkNames(in folder: Path, of role: String) -> [Name] {
    names(in: folder).compactMap { entry in
      if let name = Name(bytes: entry.bytes) { return name }
      report(
        .badName, folder / entry, "is not a valid name of a \(role), so post ignores it", remedy: "rename it")
      return nil
    }
  }
}
