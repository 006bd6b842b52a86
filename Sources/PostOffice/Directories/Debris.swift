// Debris: files in a tmp/ whose writers died. A writer locks byte 0 of its file as long as it lives (``Draft``), so an
// unlocked file of ours is debris at once. A foreign program locks nothing: its file is debris after 36 hours.
//
// No living writer loses a letter: who removes a file of ours holds a shared lock on it, so that a writer that has just
// made it fails to lock it, and starts again before it has read any input (CrashSafety I5).

import Linux

/// Whether the process that writes or delivers a file is alive.
enum WriterState {
  case alive
  /// It died, or was a foreign program, which locks nothing.
  case dead(Status)
  /// There is no such file any more.
  case gone
  /// The file is no letter, and this is why.
  case noLetter(String)
  /// It cannot be seen.
  case unreadable(Errno)
}

extension Office {
  /// A foreign program's file in tmp/ is debris after 36 hours, as Maildir says; ours at once. Seconds.
  static let foreignDebrisAge: Int64 = 36 * 3600

  /// Whether a file's writer is alive, as far as can be seen without a lock on the file.
  func writerState(of path: Path) -> WriterState {
    do throws(Errno) {
      let status = try root.status(path)
      switch status.kind {
      case .regular: break
      case .directory: return .noLetter("is a directory, not a letter")
      case .symlink: return .noLetter("is a symlink, not a letter")
      default: return .noLetter("is not a regular file, so no letter")
      }
      return try root.open(path, .read).isLocked(byte: LockBytes.writer) ? .alive : .dead(status)
    } catch .noEntry {
      return .gone
    } catch {
      return .unreadable(error)
    }
  }

  /// Removes the debris in a tmp/, as much as one pass takes up.
  func clearDebris(in folder: Path) {
    guard let names = try? firstNames(in: folder, limit: Office.passLimit) else { return }
    for name in names {
      do throws(Errno) { try removeDebris(folder / name) } catch {}  // gone, or another user's
    }
  }

  /// Removes a file from a tmp/, if it is debris.
  func removeDebris(_ path: Path) throws(Errno) {
    if EntryName(path.name).id.isOurs {
      let file = try root.open(path, .read)
      // Locked until its name is gone: a writer that has just made it fails to lock it, and starts again.
      if try file.tryLock(.shared, byte: LockBytes.writer) { try root.remove(path) }
    } else if try isOldDebris(path, noting: true) {
      try root.remove(path)
    }
  }

  /// Whether no foreign program can still be writing a file in a tmp/. Maildir counts from the last time it was read,
  /// because what tar(1) or rsync(1) has just written has an old time of modification.
  /// - Parameter noting: the file is to be deleted if so.
  func isOldDebris(_ path: Path, noting: Bool = false) throws(Errno) -> Bool {
    let status = try root.status(path)
    let end = max(status.modified, status.accessed) + Office.foreignDebrisAge
    // The wall clock nearly always says no, and costs less.
    return Clock.wall / 1_000_000_000 > end && timeToDeleteBy(noting: noting) > end
  }
}
