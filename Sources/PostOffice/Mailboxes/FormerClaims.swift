// How version 0.1.0 claimed letters: an upgrade happens while one of its watchers is at work, or has just died. Nothing
// here is written any more, only read. If it cannot be seen whether such a holder lives, it does (CrashSafety I22).
//
// `ID,A=1`: a shared lock on the byte of the letter whose offset is the mailbox directory's inode number.
// `ID,A=1,H=<16 hex digits>`: locks on the first two bytes of the file of that name in holders/, one of the watcher's,
// one of its handler's.

import Linux

extension Mailbox {
  private var holders: Path { layout.root / "holders" }

  /// Whether the holder of a letter in cur/ lives that 0.1.0 claimed.
  func isFormerHolderAlive(_ name: Path, _ entry: EntryName) -> Bool {
    do throws(Errno) {
      if let holder = entry.formerHolder {
        return try office.root.open(holders / holder, .read).isLocked(byte: LockBytes.formerWatcher, count: 2)
      }
      return try office.root.open(layout[.cur] / name, .read).isLocked(byte: inode)
    } catch .noEntry {
      return entry.formerHolder == nil  // the letter has just been settled; or the holder's file is gone
    } catch .loop {
      return (try? office.root.status(layout[.cur] / name))?.kind != .symlink
    } catch { return true }
  }

  /// Removes the files of dead holders, and holders/ with the last one.
  package func clearFormerHolders() {
    guard let names = try? office.root.directory(holders).names() else { return }
    for name in names {
      do throws(Errno) {
        let file = try office.root.open(holders / name, .read)
        // Our lock stays until the name is gone: its maker, if just born, fails to lock and starts again.
        guard try file.tryLock(.shared, byte: LockBytes.formerWatcher),
          try !file.isLocked(byte: LockBytes.formerHandler)
        else {
          continue
        }
        try office.root.remove(holders / name)
      } catch {}  // gone, or another user's
    }
    try? office.root.removeDirectory(holders)
  }
}
