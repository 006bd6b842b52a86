// Runs programs under ptrace(2) and records what they change in a sandbox, and what they make durable.
// Names are known by folder inode and name, so paths through symlinks and directory descriptors come to
// the same. A program's children are not seen; they must not change anything in the sandbox.
//
// At the end of each program the recorded names are compared with those on disk.

import Glibc
import Linux
import TestKit

final class CallRecorder {
  private(set) var trace = CallTrace()
  private let box: Sandbox
  private var inodes: [Identity: CallTrace.Inode] = [:]
  private var slots: [CallTrace.Place: CallTrace.Slot] = [:]
  /// What each name refers to now.
  private var current: [CallTrace.Inode?] = []

  private struct Identity: Hashable {
    let device: UInt64
    let inode: UInt64
  }

  /// The outcome of a call that is about to begin.
  enum Interference {
    case none
    case fail(Errno)
    case kill
  }

  /// Makes everything that is there now durable.
  /// - Parameter besides: folders outside of the sandbox where the programs work as well.
  init(_ box: Sandbox, besides: [Path] = []) throws {
    self.box = box
    for root in [box.root] + besides {
      guard let (identity, kind) = look(root, following: true), kind == .folder else {
        throw Failure("no \(root)")
      }
      let inode = trace.addNode(.folder, device: identity.device)
      inodes[identity] = inode
      trace.roots.append((inode, root))
      try scan(root, inode)
    }
  }

  private func scan(_ path: Path, _ folder: CallTrace.Inode) throws {
    for name in try allNames(in: path) {
      guard let (identity, kind) = look(path / name, following: false) else { continue }
      var inode = inodes[identity]
      if inode == nil {
        let text = kind == .file ? try File(path / name, .read).readAll(limit: 1 << 24) : []
        inode = trace.addNode(kind, device: identity.device, text: text)
        inodes[identity] = inode
      }
      _ = slot(CallTrace.Place(folder: folder, name: name), naming: inode)
      if let inode, kind == .folder { try scan(path / name, inode) }
    }
  }

  // MARK: Programs

  /// Runs a program and records it. The states that a cut can leave matter from its beginning on.
  /// - Parameter interfering: decides about each call, knowing how many of its steps were recorded so far.
  @discardableResult
  func record(
    _ words: [Path], input: [UInt8] = [], environment: [String: String] = [:],
    interfering: (Call, Traced, _ steps: Int) throws -> Interference = { _, _, _ in .none }
  ) throws -> Sandbox.Run {
    trace.begin = trace.steps.count
    let traced = try Traced(box, words, input: input, environment: environment)
    calls: while let call = try traced.next() {
      switch try interfering(call, traced, trace.steps.count - trace.begin) {
      case .none: break
      case .fail(let error):
        try traced.fail(error)
        continue
      case .kill:
        traced.kill()
        break calls
      }
      guard let note = try note(on: call, by: traced) else { continue }
      if ["fsync", "fdatasync", "syncfs"].contains(call.name) {
        try traced.answer(0)  // to sync for real would take time and show nothing
        try note()
      } else if let result = try traced.proceed() {
        if result >= 0 { try note() }
      }
    }
    let ended = try traced.wait()
    trace.add(.end(ended.code), "exit \(ended.code)")
    try compare()
    return ended
  }

  /// Does what a foreign program does: delivers a file, and syncs nothing.
  func deliver(_ name: Path, _ text: String, tmp: Path, new: Path) throws {
    let draft = box.root / tmp.description / name.description
    try File(draft, .create(permissions: 0o644)).write(text)
    let from = try place(draft)
    let inode = try make(.file, at: draft)
    trace.add(.enter(inode, slot(from)), "create \(tmp)/\(name)")
    current[slot(from)] = inode
    trace.add(.write(inode, Array(text.utf8)), "write \(tmp)/\(name)")
    let folder = try Directory(box.root)
    try folder.rename(tmp / name.description, to: folder, new / name.description)
    let to = try place(box.root / new.description / name.description)
    move(from, to, "rename \(tmp)/\(name)")
    try compare()
  }

  // MARK: Calls

  /// Records a call that has succeeded.
  private typealias Note = () throws -> Void

  /// - Returns: what records the call once it has succeeded; nil if it is of no interest.
  private func note(on call: Call, by traced: Traced) throws -> Note? {
    func path(_ folder: Int, _ name: Int) throws -> Path {
      try self.path(call.int(folder), traced.path(at: call.arguments[name]), traced)
    }
    switch call.name {
    case "openat": return try noteOpen(try path(0, 1), flags: call.int(2))
    case "mkdirat": return try noteMaking(.folder, try path(0, 1), call.name)
    case "symlinkat":
      return try noteMaking(.symlink(try traced.path(at: call.arguments[0])), try path(1, 2), call.name)
    case "linkat": return try noteLink(try path(0, 1), try path(2, 3))
    case "unlinkat": return try noteRemoval(try path(0, 1))
    case "renameat", "renameat2":
      let (old, new) = (try path(0, 1), try path(2, 3))
      guard let from = try? place(old), let to = try? place(new) else { return nil }
      if call.name == "renameat2", call.int(4) == 2 {  // RENAME_EXCHANGE
        return { self.exchange(from, to, "exchange \(self.short(old)) \(self.short(new))") }
      }
      return { self.move(from, to, "rename \(self.short(old)) \(self.short(new))") }
    case "write", "pwrite64", "ftruncate", "fallocate": return try noteWrite(call, traced)
    case "fsync", "fdatasync":
      guard let inode = inode(of: call.int(0), traced) else { return nil }
      return { self.trace.add(.sync(inode), "fsync \(self.short(self.path(of: inode)))") }
    case "syncfs":
      let path = Path("/proc/\(traced.pid)/fd/\(call.int(0))")
      guard let (identity, _) = look(path, following: true) else { return nil }
      return { self.trace.add(.syncAll(device: identity.device), "syncfs") }
    case "mkdir", "rmdir", "rename", "unlink", "link", "symlink", "copy_file_range":
      throw Failure("the recorder does not know \(call.name)")
    default: return nil
    }
  }

  private func noteOpen(_ path: Path, flags: Int32) throws -> Note? {
    // O_TMPFILE is not in Swift's Glibc module; its own bit is 0o20000000.
    guard flags & (O_CREAT | O_TRUNC | 0o20_000_000) != 0, let place = try? place(path) else { return nil }
    guard flags & O_CREAT != 0, flags & O_TRUNC == 0 else {
      throw Failure("the recorder does not know these flags")
    }
    return current[slot(place)] == nil ? try noteMaking(.file, path, "create") : nil
  }

  private func noteMaking(_ kind: WeakFileSystem.Kind, _ path: Path, _ call: String) throws -> Note? {
    guard let place = try? place(path) else { return nil }
    return {
      let inode = try self.make(kind, at: path)
      let slot = self.slot(place)
      self.current[slot] = inode
      self.trace.add(.enter(inode, slot), "\(call) \(self.short(path))")
    }
  }

  private func make(_ kind: WeakFileSystem.Kind, at path: Path) throws -> CallTrace.Inode {
    guard let (identity, _) = look(path, following: false) else { throw Failure("\(path) was not made") }
    let inode = trace.addNode(kind, device: identity.device)
    inodes[identity] = inode  // a number may be used again
    return inode
  }

  private func noteLink(_ old: Path, _ new: Path) throws -> Note? {
    guard let from = try? place(old), let to = try? place(new), let inode = current[slot(from)] else {
      return nil
    }
    return {
      self.current[self.slot(to)] = inode
      self.trace.add(.enter(inode, self.slot(to)), "link \(self.short(old)) \(self.short(new))")
    }
  }

  private func noteRemoval(_ path: Path) throws -> Note? {
    guard let place = try? place(path) else { return nil }
    return {
      self.current[self.slot(place)] = nil
      self.trace.add(.leave(self.slot(place)), "remove \(self.short(path))")
    }
  }

  private func move(_ from: CallTrace.Place, _ to: CallTrace.Place, _ text: String) {
    let (old, new) = (slot(from), slot(to))
    current[new] = current[old]
    current[old] = nil
    trace.add(.rename(from: old, to: new), text)
  }

  private func exchange(_ one: CallTrace.Place, _ other: CallTrace.Place, _ text: String) {
    let (first, second) = (slot(one), slot(other))
    current.swapAt(first, second)
    trace.add(.exchange(first, second), text)
  }

  private func noteWrite(_ call: Call, _ traced: Traced) throws -> Note? {
    if call.name == "write", call.int(0) == 1 {
      let bytes = try traced.bytes(at: call.arguments[1], count: Int(call.arguments[2]))
      return { self.trace.add(.tell(bytes), "write to standard output") }
    }
    guard let inode = inode(of: call.int(0), traced) else { return nil }
    let opened = Path("/proc/\(traced.pid)/fd/\(call.int(0))")
    return {
      let text = try File(opened, .readFollowing).readAll(limit: 1 << 24)
      self.trace.add(.write(inode, text), "write \(self.short(self.path(of: inode)))")
    }
  }

  // MARK: Names

  private func slot(_ place: CallTrace.Place, naming inode: CallTrace.Inode? = nil) -> CallTrace.Slot {
    if let slot = slots[place] { return slot }
    let slot = trace.addSlot(place, naming: inode)
    slots[place] = slot
    current.append(inode)
    return slot
  }

  private func path(_ folder: Int32, _ name: Path, _ traced: Traced) throws -> Path {
    if name.isAbsolute { return name }
    if folder == AT_FDCWD {
      return try Directory("/proc").readSymlink(Path("\(traced.pid)/cwd")) / name.description
    }
    return try traced.path(of: folder) / name.description
  }

  /// - Throws: if the path is not in the sandbox.
  private func place(_ path: Path) throws -> CallTrace.Place {
    guard let (identity, _) = look(path.parent, following: true), let folder = inodes[identity] else {
      throw Failure("\(path) is not in the sandbox")
    }
    return CallTrace.Place(folder: folder, name: path.name)
  }

  private func inode(of descriptor: Int32, _ traced: Traced) -> CallTrace.Inode? {
    look(Path("/proc/\(traced.pid)/fd/\(descriptor)"), following: true).flatMap { inodes[$0.0] }
  }

  /// A path that the inode has now.
  private func path(of inode: CallTrace.Inode) -> Path {
    current.firstIndex { $0 == inode }.map { trace.path(slot: $0) } ?? trace.path(of: inode)
  }

  /// Without the sandbox's own path.
  private func short(_ path: Path) -> String {
    let text = path.description
    let root = box.root.description
    return text == root ? "." : text.hasPrefix(root + "/") ? String(text.dropFirst(root.count + 1)) : text
  }

  private func look(_ path: Path, following: Bool) -> (Identity, WeakFileSystem.Kind)? {
    var buffer = stat()
    guard (following ? stat(path.description, &buffer) : lstat(path.description, &buffer)) == 0 else {
      return nil
    }
    let identity = Identity(device: UInt64(buffer.st_dev), inode: UInt64(buffer.st_ino))
    switch buffer.st_mode & S_IFMT {
    case S_IFREG: return (identity, .file)
    case S_IFDIR: return (identity, .folder)
    case S_IFLNK:
      guard let target = try? Directory(path.parent).readSymlink(path.name) else { return nil }
      return (identity, .symlink(target))
    default: return nil
    }
  }

  private func allNames(in folder: Path) throws -> [Path] {
    var names = [Path]()
    try Directory(folder).forEachEntry { name, _ in names.append(Path(name)) }
    return names.sorted()
  }

  /// The recorded operations must lead to what is on disk.
  private func compare() throws {
    var folders = trace.roots
    while let (folder, path) = folders.popLast() {
      var there = Set<Path>()
      for name in try allNames(in: path) {
        guard let (identity, kind) = look(path / name.description, following: false) else { continue }
        there.insert(name)
        let recorded = slots[CallTrace.Place(folder: folder, name: name)].flatMap { current[$0] }
        guard let recorded, recorded == inodes[identity] else {
          throw Failure("\(path)/\(name) was not recorded")
        }
        if kind == .folder { folders.append((recorded, path / name.description)) }
      }
      for slot in current.indices where trace.slots[slot].folder == folder && current[slot] != nil {
        guard there.contains(trace.slots[slot].name) else {
          throw Failure("\(trace.path(slot: slot)) has gone unrecorded")
        }
      }
    }
  }
}
