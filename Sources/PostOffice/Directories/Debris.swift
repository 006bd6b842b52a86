// Debris: what dead writers left.

import Linux

/// The state of a file that should have a living sender.
enum Abandonment {
  case abandoned(Status)
  case inHands
  case gone
  case noLetter(String)
  /// Not ours to judge.
  case unreadable(Errno)
}

extension Office {
  /// A foreign program's file in tmp/ is debris after 36 hours, as Maildir says; ours at once. Seconds.
  static let foreignDebrisAge: Int64 = 36 * 3600

  /// Whether a file's writer is dead, as far as one can see without meeting it.
  func isAbandoned(_ path: Path) -> Abandonment {
    do throws(Errno) {
      let status = try root.status(path)
      switch status.kind {
      case .regular: break
      case .directory: return .noLetter("is a directory, not a letter")
      case .symlink: return .noLetter("is a symlink, not a letter")
      default: return .noLetter("is not a regular file, so no letter")
      }
      let isLocked = try root.open(path, .read).isLocked(byte: sorterByte)
      return isLocked ? .inHands : .abandoned(status)
    } catch .noEntry {
      return .gone
    } catch {
      return .unreadable(error)
    }
  }

  /// Removes what dead writers left in a tmp/.
  func clearDebris(in folder: Path) {
    guard let names = try? firstNames(in: folder, limit: Office.passLimit) else { return }
    for name in names {
      do throws(Errno) { try removeDebris(folder / name) } catch {}  // gone, or not ours to remove
    }
  }

  /// Removes a file from a tmp/, if its writer is dead.
  func removeDebris(_ path: Path) throws(Errno) {
    if EntryName(path.name).id.isOurs {
      let file = try root.open(path, .read)
      // Our lock stays until the name is gone: its writer, if just born, fails to lock and starts again.
      if try file.tryLock(.shared, byte: sorterByte) { try root.remove(path) }
    } else if try isOldDebris(path, noting: true) {
      try root.remove(path)
    }
  }

  /// Whether something in a tmp/ has lain there for so long that no foreign program is still at it: Maildir counts from
  /// when it was last read, and what tar(1) or rsync(1) has just written bears an old time of writing.
  /// - Parameter noting: something is to be deleted by it.
  func isOldDebris(_ path: Path, noting: Bool = false) throws(Errno) -> Bool {
    let status = try root.status(path)
    let end = max(status.modified, status.accessed) + Office.foreignDebrisAge
    // Nearly always the first says no.
    return Clock.wall / 1_000_000_000 > end && timeToDeleteBy(noting: noting) > end
  }
}
