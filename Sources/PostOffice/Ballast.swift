// The ballast: a small file that is given up when the disk is full, for then even a rename can need
// a block, and accepted letters must still be claimed and settled.

import Linux

struct Ballast {
  private let office: Office

  init(_ office: Office) { self.office = office }

  /// Its size: some directory blocks and their bookkeeping.
  static let size: Int64 = 1 << 20
  /// It is laid in only while this much more is free, so that it is never what fills the disk.
  static let spare: UInt64 = 16 << 20

  /// Lays the ballast in if it is missing and there is space. Failing is no error: it is tried again.
  func lay() {
    guard let isThere = try? office.root.exists(Layout.ballast), !isThere,
      let free = try? office.root.freeSpace(), free.bytes > Ballast.spare
    else { return }
    guard let file = try? office.root.open(Layout.ballast, .create(permissions: 0o600)) else { return }
    if (try? file.allocate(Ballast.size)) == nil { try? office.root.remove(Layout.ballast) }
  }

  /// Runs a change of names; on a full disk gives up the ballast and runs it once more.
  func sparing<Value>(_ change: () throws(Errno) -> Value) throws(Errno) -> Value {
    do throws(Errno) { return try change() } catch let error where error.isFull {
      let isGone: Void? = try? office.root.remove(Layout.ballast)
      guard isGone != nil else { throw error }
      return try change()
    }
  }
}
