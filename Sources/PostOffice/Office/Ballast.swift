// The ballast: a small file of unused space. On a full disk even a rename can need a block. So a process that cannot
// move a letter gives the ballast up and tries once more: accepted letters can still be claimed and settled.
//
// It is made again by the next send, and by the watcher, when there is space. That it cannot be made, or that another
// process has just taken it, is no error.

import Linux

/// The file `.ballast` of an office.
struct Ballast {
  private let office: Office

  init(_ office: Office) { self.office = office }

  /// Its size on all but small disks, bytes: some directory blocks and their bookkeeping.
  private static let largest: Int64 = 1 << 20
  private static let smallest: Int64 = 16 << 10
  /// It takes at most one 64th of the disk.
  private static let share: Int64 = 64
  /// It is made only if 16 times its size is free, so it never fills the disk.
  private static let spare: Int64 = 16

  /// Its size, bytes; nil: there is no room for it.
  static func size(on space: Space) -> Int64? {
    let size = max(smallest, min(largest, space.size / share) & ~4095)
    return space.free > size * spare ? size : nil
  }

  /// Makes the ballast if it is missing and there is space.
  func lay() {
    do throws(Errno) {
      // An empty one would free nothing: the process that made it died before it had its blocks.
      if try office.root.status(Layout.ballast).size > 0 { return }
      try office.root.remove(Layout.ballast)
    } catch .noEntry {} catch { return }
    guard let space = try? office.root.space(), let size = Ballast.size(on: space) else { return }
    guard let file = try? office.root.open(Layout.ballast, .create(permissions: 0o600)) else { return }
    if (try? file.allocate(size)) == nil { try? office.root.remove(Layout.ballast) }
  }

  /// Runs a change of names; on a full disk gives up the ballast and runs the change once more.
  /// - Parameter folder: where names change. On another disk than the ballast's, giving it up would not help.
  func sparing<Value>(in folder: Path, _ change: () throws(Errno) -> Value) throws(Errno) -> Value {
    do throws(Errno) { return try change() } catch let error where error.isFull {
      guard try office.root.status(folder / ".").device == office.root.status(".").device else { throw error }
      guard (try? office.root.remove(Layout.ballast)) != nil else { throw error }
      // On ext4 and xfs the freed blocks can be used once the removal is on the disk, and not every call waits for
      // that.
      try? office.root.sync()
      return try change()
    }
  }
}
