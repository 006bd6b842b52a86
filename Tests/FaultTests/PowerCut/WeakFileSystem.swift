// A file system that keeps no more over a power cut than it has promised. Pure: it takes operations, and gives for
// each moment the names and contents that a cut could leave.
//
// What it promises is the least that fsync(2) and rename(2) promise on Linux, not what one kernel does:
//
// - Each name is kept for itself. A new, changed or removed name is sure after fsync of its folder, or
//   syncfs. Before that a cut shows any value the name has had since it was last sure; the names choose
//   independently, so what was done later can be there while what was done before is not.
// - The content of a file, its length too, is sure after fsync of the file, or syncfs. Before that it may
//   be as it should, as it was, empty, cut short, or of the right length and zeros. A later write makes
//   it unsure again.
// - fsync of a new file says nothing about its name, fsync of a new folder nothing about the folder's own
//   name: what hangs on an unsure name is out of reach. (`fileSyncKeepsNames` lifts this for files. The
//   office leans on that for drop boxes alone, folders that it may write but not open.)
// - A rename is atomic: the old name is never gone without the new one being there. All journaling file
//   systems keep that: both halves are one transaction. Both names may be there, which some have shown.
//   Once the first half became sure (fsync of the old folder), so did the second. Without this no
//   Maildir could be kept at all; `renamesAreAtomic` turns it off, to show what would be lost.
// - An exchange is two renames in one: neither is ever gone without being where the other was. So a cut shows both
//   names as they were, or both as they are.
// - Syncs work when they return 0, and at once; the hardware does not lie.

import Linux

struct WeakFileSystem {
  typealias Inode = Int
  /// A name in a folder, by its number in the trace's list.
  typealias Slot = Int

  enum Kind: Hashable, Sendable {
    case folder, file
    case symlink(Path)
  }

  /// A call that changed something or made something sure. Only calls that succeeded are in a trace.
  enum Operation: Sendable {
    /// A name is made: create, mkdir, symlink, link.
    case enter(Inode, Slot)
    /// unlink, rmdir
    case leave(Slot)
    /// Also one that replaces what bore the new name.
    case rename(from: Slot, to: Slot)
    /// renameat2 with RENAME_EXCHANGE
    case exchange(Slot, Slot)
    /// The file has this content from now on.
    case write(Inode, [UInt8])
    case sync(Inode)
    case syncAll(device: UInt64)
    /// Bytes on standard output.
    case tell([UInt8])
    /// The program ended with this exit code.
    case end(Int32)
  }

  /// What an operation meant for the states that a cut can leave.
  enum Effect {
    /// This name has one more value that may be shown.
    case name(Slot)
    /// This file's content has become unsure.
    case content(Inode)
    /// No new states: something became sure, or was already unsure.
    case none
  }

  /// The values of a name, the oldest first; nil is none.
  struct Values {
    var all: [Inode?]
    /// Number of the oldest that a cut can still show.
    var kept = 0
    var last: Int { all.count - 1 }
    var isSure: Bool { kept == last }
  }

  /// The contents of a file, the oldest first.
  struct Contents {
    var all: [[UInt8]]
    var kept = 0
    var isSure: Bool { kept == all.count - 1 }
    /// Without a cut.
    var now: [UInt8] { all[all.count - 1] }
  }

  /// One of the two names that a rename changes, and the number of the value that it gave it.
  struct Half {
    let slot: Slot
    let value: Int
  }

  let kinds: [Kind]
  let devices: [UInt64]
  let folders: [Inode]
  private(set) var values: [Values]
  private(set) var contents: [Contents]
  /// Renames of which a cut may show only the making of the new name.
  private(set) var renames: [(made: Half, gone: Half)] = []
  private let slots: [[Slot]]
  /// fsync of a file makes its names sure as well.
  var fileSyncKeepsNames = false
  var renamesAreAtomic = true

  /// - Parameters:
  ///   - kinds: of all inodes there will ever be.
  ///   - devices: the file system that each inode lies on.
  ///   - folders: for each name there will ever be, the folder it is in.
  ///   - names: what the names refer to at first, for sure.
  ///   - texts: the contents of the inodes at first, for sure.
  init(
    kinds: [Kind], devices: [UInt64], folders: [Inode], names: [Inode?], texts: [[UInt8]]
  ) {
    self.kinds = kinds
    self.devices = devices
    self.folders = folders
    values = names.map { Values(all: [$0]) }
    contents = texts.map { Contents(all: [$0]) }
    var slots = [[Slot]](repeating: [], count: kinds.count)
    for (slot, folder) in folders.enumerated() { slots[folder].append(slot) }
    self.slots = slots
  }

  mutating func apply(_ operation: Operation) -> Effect {
    switch operation {
    case .enter(let inode, let slot):
      _ = give(slot, inode)
      return .name(slot)
    case .leave(let slot):
      _ = give(slot, nil)
      return .name(slot)
    case .rename(let from, let to):
      let made = give(to, values[from].all[values[from].last])
      renames.append((made, give(from, nil)))
      // Where the old name is gone the new one is there, so all new states show the new one.
      return .name(to)
    case .exchange(let one, let other):
      let (first, second) = (values[one].all[values[one].last], values[other].all[values[other].last])
      let (left, right) = (give(one, second), give(other, first))
      renames.append((made: right, gone: left))
      renames.append((made: left, gone: right))
      return .name(one)
    case .write(let inode, let text):
      let wasSure = contents[inode].isSure
      contents[inode].all.append(text)
      return wasSure ? .content(inode) : .none
    case .sync(let inode):
      sync(inode)
      if kinds[inode] != .folder, fileSyncKeepsNames {
        for slot in values.indices where values[slot].all[values[slot].last] == inode { keep(slot) }
      }
      return .none
    case .syncAll(let device):
      for inode in kinds.indices where devices[inode] == device { sync(inode) }
      return .none
    case .tell, .end: return .none
    }
  }

  private mutating func give(_ slot: Slot, _ inode: Inode?) -> Half {
    values[slot].all.append(inode)
    return Half(slot: slot, value: values[slot].last)
  }

  private mutating func sync(_ inode: Inode) {
    if kinds[inode] == .folder {
      for slot in slots[inode] where !values[slot].isSure { keep(slot) }
    } else {
      contents[inode].kept = contents[inode].all.count - 1
    }
  }

  private mutating func keep(_ slot: Slot) {
    values[slot].kept = values[slot].last
    guard renamesAreAtomic else { return }
    // A name that is gone for sure is there for sure where the rename put it. That may have been renamed again.
    var isStable = false
    while !isStable {
      isStable = true
      for (made, gone) in renames
      where values[gone.slot].kept >= gone.value && values[made.slot].kept < made.value {
        values[made.slot].kept = made.value
        isStable = false
      }
    }
    renames.removeAll { values[$0.gone.slot].kept >= $0.gone.value }
  }
}
