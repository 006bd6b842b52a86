// An open directory in which letters get names, and in which these names are made durable.
//
// A full directory may be exchanged for an empty one at any moment, and become a bag. If a process made a name by the
// path of the directory, and then opened the path again for the fsync, these could be two directories, and a power cut
// could lose the name. So a name that must be durable is made and synced through one open directory (CrashSafety I14).
// If that directory was removed meanwhile, as an empty bag, it is opened again, after what left it is durable.
//
// A directory can also be used by its path, and nothing is opened: for names that need no sync, that one sync of the
// file system covers, or in a drop box, which may be written but not opened. An exchange then only means that the name
// is made in one directory or in the other.

import Linux
import Text

/// A directory of letters, open or used by its path.
package final class LetterDirectory {
  /// Where it was opened.
  let path: Path
  private let office: Office
  /// nil: it is used by its path.
  private var opened: Directory?

  /// How often a call is made when other processes remove the directory each time.
  private static let attempts = 8

  /// A directory that is used by its path.
  init(_ path: Path, of office: Office) {
    self.path = path
    self.office = office
  }

  /// Opens a directory.
  convenience init(opening path: Path, of office: Office, following: Bool = true) throws(Errno) {
    self.init(path, of: office)
    opened = try office.root.directory(path, following: following)
  }

  /// Opens a directory, or uses it by its path if it is a drop box: it may be written but not opened.
  convenience init(openingOrDropBox path: Path, of office: Office) throws(Errno) {
    self.init(path, of: office)
    do throws(Errno) { opened = try office.root.directory(path) } catch .denied {}
  }

  var isOpen: Bool { opened != nil }

  /// The open directory, lent. Only if it was opened.
  var directory: Directory {
    _read {
      switch opened {
      case .some(let directory): yield directory
      case nil: preconditionFailure("\(path) is used by its path")
      }
    }
  }

  // MARK: Names

  /// Takes in the file that has this path in the spool.
  func take(_ source: Path, as name: Path) throws(Errno) {
    try change(name) { (own, name) throws(Errno) in try office.root.rename(source, to: own, name) }
  }

  /// Moves a file out, to this path in the spool.
  func move(_ name: Path, to target: Path) throws(Errno) {
    try change(name) { (own, name) throws(Errno) in try own.rename(name, to: office.root, target) }
  }

  func remove(_ name: Path) throws(Errno) {
    try change(name) { (own, name) throws(Errno) in try own.remove(name) }
  }

  func has(_ name: Path) throws(Errno) -> Bool {
    try change(name) { (own, name) throws(Errno) in try own.exists(name) }
  }

  func inode(of name: Path) throws(Errno) -> UInt64 {
    try change(name) { (own, name) throws(Errno) in try own.status(name).inode }
  }

  /// Runs a call on a name in it; again, if the directory was removed meanwhile.
  /// - Parameter call: gets a directory, and the name as seen from there.
  func change<Value>(
    _ name: Path, _ call: (borrowing Directory, Path) throws(Errno) -> Value
  ) throws(Errno) -> Value {
    var attempt = 0
    while true {
      attempt += 1
      do throws(Errno) {
        switch opened {
        case .some(let directory): return try call(directory, name)
        case nil: return try call(office.root, path / name)
        }
      } catch .noEntry {
        guard attempt < LetterDirectory.attempts, try reopen() else { throw .noEntry }
      }
    }
  }

  /// Opens the directory that has the path now, if the open one was removed.
  /// - Returns: false if it is there: then it was the name that is missing.
  private func reopen() throws(Errno) -> Bool {
    switch opened {
    case nil: return try office.root.exists(path)  // a sealer has just put another in its place
    case .some(let directory):
      guard try directory.file.status().links == 0 else { return false }
      // Other processes moved the letters on that had names in it: that must be durable before it is forgotten.
      try directory.sync()
    }
    opened = try office.root.directory(path)
    return true
  }

  // MARK: Durability

  /// Makes the names in it durable. For a directory that is used by its path, each letter is synced once more, which
  /// makes its names durable as well (shown on ext4, xfs and btrfs).
  func sync(for letters: [UnsortedLetter]) throws(Errno) {
    switch opened {
    case .some(let directory): try directory.sync()
    case nil: for letter in letters { try letter.file.sync() }
    }
  }

  /// Seals it if it is full. Its size is looked at each time if it is open, else with every 16th letter.
  /// - Parameter letters: those that got names in it. They are durable and sorted, so this may take its time.
  func sealIfFull(after letters: [UnsortedLetter]) {
    let size: Int64?
    switch opened {
    case .some(let directory): size = try? directory.file.status().size
    case nil:
      guard letters.contains(where: \.id.isSixteenth) else { return }
      size = try? office.root.status(path / ".").size
    }
    if let size { office.sealIfFull(path, size: size) }
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
  /// Makes names durable that other processes made in a directory (CrashSafety I10). It may be a bag by now, and this
  /// process cannot know which: if there are bags, the whole file system is synced. If it may not be opened: as
  /// ``LetterDirectory/sync(for:)`` does.
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
