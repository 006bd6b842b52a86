// A draft: a file that is being written in a tmp/, before it has the name by which others read it.
//
// - From before it writes anything, the writer holds an exclusive lock on byte 0 of the file, until it closes it. So a
//   file in a tmp/ without this lock has no living writer: it is debris (CrashSafety I4).
// - A process that removes debris may meet the file between its creation and its lock. A writer that has the lock looks
//   whether the file still has its name; if not, it starts again with a new file (CrashSafety I5).
// - Its name is an ID of this process, so a draft whose writer died is debris at once, and no two drafts have one name.
// - A draft is published by a rename, as the caller chooses; what must be durable is synced before it. If a step fails,
//   the draft is removed while it is still locked.

import Linux

/// A file of this process in a tmp/, locked.
package struct Draft: ~Copyable {
  /// Its file name.
  package let id: LetterID
  package let path: Path
  private let office: Office
  package let file: File

  /// How often a file is made when other processes, by a coincidence, remove each before it is locked.
  static let attempts = 64

  /// Makes the file. It has read no input so far.
  /// - Parameters:
  ///   - tmp: the directory.
  ///   - permissions: less the umask.
  package init(in tmp: Path, of office: Office, permissions: UInt32) throws(Errno) {
    var wasMissing = false
    for _ in 0..<Draft.attempts {
      let id = office.ids.next(now: Clock.wall)
      let path = tmp / id.path
      let new: File
      do throws(Errno) { new = try office.root.open(path, .create(permissions: permissions)) } catch .exists {
        continue
      } catch .noEntry where !wasMissing {
        wasMissing = true  // a process has just put an empty directory in the place of this one
        continue
      }
      do throws(Errno) { guard try new.lockAsWriter() else { continue } } catch {
        try? office.root.remove(path)
        throw error
      }
      (self.id, self.path, self.office) = (id, path, office)
      file = new
      return
    }
    throw .again
  }

  /// Runs the steps that write and publish the draft, in the order that makes it durable. If one fails, the draft is
  /// removed.
  package borrowing func finish(_ steps: (borrowing File) throws(Errno) -> Void) throws(Errno) {
    do throws(Errno) { try steps(file) } catch {
      try? office.root.remove(path)
      throw error
    }
  }

  /// The file, which stays locked for as long as it is open.
  package consuming func keepFile() -> File { file }
}

extension File {
  /// Locks a file that this process has just made, as its writer.
  /// - Returns: false if another process met it before, and has removed it or is about to.
  borrowing func lockAsWriter() throws(Errno) -> Bool {
    guard try tryLock(.exclusive, byte: LockBytes.writer) else { return false }
    return try status().links > 0
  }
}

extension Office {
  /// Replaces a small file as a whole and durably: a settings file, a sign, a note.
  /// - Parameter tmp: where the draft is written, on the same file system.
  package func replace(_ path: Path, with text: String, through tmp: Path) throws(Errno) {
    let draft = try Draft(in: tmp, of: self, permissions: 0o666)
    try draft.finish { (file) throws(Errno) in
      try file.write(text)
      try file.sync()
      try root.replace(path, with: draft.path)
      try root.directory(path.parent).sync()
    }
  }
}
