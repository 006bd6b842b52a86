// A tray: a directory in which letters get names, opened once. A full directory may be swapped away at any moment
// and become a bag (Bags.swift). Were names made by its path, and the path opened anew to sync them, that could
// sync an empty directory, and the names in the other one would be lost in a power cut.

import Linux
import Text

/// A directory of letters. Open, its names are made, and made durable, in one and the same directory, whatever
/// bears its path by then.
final class LetterDirectory {
  /// Where it was opened.
  let path: Path
  private let office: Office
  /// nil: it is used by its path.
  private var folder: Directory?

  /// So often it is opened anew, because the one that was open has been removed.
  private static let openings = 8

  /// A directory that is used by its path: nothing is opened.
  init(_ path: Path, of office: Office) {
    self.path = path
    self.office = office
  }

  /// Opens a directory. One that may be written but not read (a drop box) is used by its path.
  init(opening path: Path, of office: Office) throws(Errno) {
    self.path = path
    self.office = office
    do throws(Errno) { folder = try office.root.directory(path) } catch .denied {}
  }

  var isOpen: Bool { folder != nil }

  /// Makes, changes or removes a name in it.
  /// - Parameter change: gets a directory and the name as seen from there.
  func change<Value>(
    _ name: Path, _ change: (borrowing Directory, Path) throws(Errno) -> Value
  ) throws(Errno) -> Value {
    for _ in 1..<LetterDirectory.openings {
      do throws(Errno) { return try once(name, change) } catch .noEntry {
        guard try reopened() else { throw .noEntry }
      }
    }
    return try once(name, change)
  }

  private func once<Value>(
    _ name: Path, _ change: (borrowing Directory, Path) throws(Errno) -> Value
  ) throws(Errno) -> Value {
    switch folder {
    case .some(let folder): return try change(folder, name)
    case nil: return try change(office.root, path / name)
    }
  }

  /// Opens the directory that bears the path now, if the one that was open has been removed: an empty bag.
  private func reopened() throws(Errno) -> Bool {
    switch folder {
    case nil: return try office.root.exists(path)  // another has just been put in its place
    case .some(let folder):
      guard try folder.file.status().links == 0 else { return false }
      // What had a name there was moved on by others: that must not be forgotten before it is durable.
      try folder.sync()
    }
    folder = try office.root.directory(path)
    return true
  }

  /// Makes the names in it durable. A drop box cannot be opened for that: then the letters themselves are
  /// synced once more, which commits their names as well (shown on ext4, xfs and btrfs).
  func sync(for letters: [UnsortedLetter]) throws(Errno) {
    switch folder {
    case .some(let folder): try folder.sync()
    case nil:
      for letter in letters { try letter.file.sync() }
    }
  }

  /// Seals it if it is full. That is looked at each time if it is open, else with every 16th letter.
  /// - Parameter letters: those that got a name in it. They are durable and sorted, so this may take its time.
  func sealIfFull(after letters: [UnsortedLetter]) {
    let size: Int64?
    switch folder {
    case .some(let folder): size = try? folder.file.status().size
    case nil:
      guard letters.contains(where: \.id.isSixteenth) else { return }
      size = try? office.root.status(path / ".").size
    }
    if let size, size > Bag.limit { office.sealIfFull(path, size: size) }
  }
}

extension LetterID {
  /// True for one in sixteen.
  fileprivate var isSixteenth: Bool {
    // The digits up to the microseconds, and some of the random ones.
    path.bytes.prefix(18).reduce(0 as UInt) { $1.isDigit ? $0 &* 10 &+ UInt($1 & 15) : $0 } % 16 == 0
  }
}

extension Office {
  /// Makes names durable that somebody made in a directory before us: it may be a bag by now, and which of them, we
  /// cannot know. One that cannot be opened for that (a drop box): as ``LetterDirectory/sync(for:)`` does.
  func syncSealed(_ folder: Path, _ letters: [UnsortedLetter]) throws(Errno) {
    do throws(Errno) {
      let directory = try root.directory(folder)
      if try !hasBags(of: folder) { return try directory.sync() }
      try directory.syncFileSystem()
    } catch .denied {
      if letters.isEmpty { throw .denied }
      for letter in letters { try letter.file.sync() }
    }
  }
}

/// A directory of letters, held open: names are made in it and made durable, wherever it lies by then.
package final class OpenDirectory {
  /// Where it was opened.
  let path: Path
  let directory: Directory

  init(_ path: Path, _ directory: consuming Directory) {
    self.path = path
    self.directory = directory
  }
}
