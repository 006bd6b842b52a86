// The ballast: a small file that is given up when the disk is full, for then even a rename can need
// a block, and accepted letters must still be claimed and settled.

import Linux

struct Ballast {
  private let office: Office

  init(_ office: Office) { self.office = office }

  /// Its size on all but small disks: some directory blocks and their bookkeeping.
  private static let largest: Int64 = 1 << 20
  private static let smallest: Int64 = 16 << 10
  /// It takes at most one part in so many of the disk.
  private static let share: Int64 = 64
  /// It is laid in only while so many times as much is free, so that it is never what fills the disk.
  private static let spare: Int64 = 16

  /// How large it is to be; nil: there is no room for it.
  static func size(on space: Space) -> Int64? {
    let size = max(smallest, min(largest, space.size / share) & ~4095)
    return space.free > size * spare ? size : nil
  }

  /// Lays the ballast in if it is missing and there is space. Failing is no error: it is tried again.
  func lay() {
    do throws(Errno) {
      // An empty one frees nothing: somebody died who was about to lay it in.
      if try office.root.status(Layout.ballast).size > 0 { return }
      try office.root.remove(Layout.ballast)
    } catch .noEntry {} catch { return }
    guard let space = try? office.root.space(), let size = Ballast.size(on: space) else { return }
    guard let file = try? office.root.open(Layout.ballast, .create(permissions: 0o600)) else { return }
    if (try? file.allocate(size)) == nil { try? office.root.remove(Layout.ballast) }
  }

  /// Runs a change of names; on a full disk gives up the ballast and runs it once more.
  /// - Parameter folder: where it changes names. On another disk than the ballast's, that would be of no use.
  func sparing<Value>(in folder: Path, _ change: () throws(Errno) -> Value) throws(Errno) -> Value {
    do throws(Errno) { return try change() } catch let error where error.isFull {
      guard try office.root.status(folder / ".").device == office.root.status(".").device else { throw error }
      let isGone: Void? = try? office.root.remove(Layout.ballast)
      guard isGone != nil else { throw error }
      // ext4 and xfs let others have what was freed once its removal is on the disk; not every call waits for it.
      try? office.root.sync()
      return try change()
    }
  }
}
