// What the office stands on: file systems, directories with their modes and owners, names, settings.

import Linux

extension Inspection {
  /// Looks at the spool itself.
  /// - Returns: the topics and mailboxes that are to be looked into; nil if there are none to be found.
  func checkGround() -> (topics: [Name], mailboxes: [Name])? {
    guard let status = status(".", at: office.path) else { return nil }
    let spool = Room(root: office.path, owner: status.owner)
    checkMode(office.path, status, of: spool)
    judgeFileSystem(of: ".", at: office.path)
    let parts = [Layout.topics, Layout.mailboxes]
    let make = { () throws(PostError) in
      try attempt("cannot make it") { () throws(Errno) in try self.office.make(parts, in: ".") }
    }
    guard isMade(spool, parts, "post send or post subscribe makes it", make) else { return nil }
    checkSettings(Layout.settings, .office)
    for part in parts { checkDirectory(part, of: spool) }
    return (checkNames(in: Layout.topics, of: "topic"), checkNames(in: Layout.mailboxes, of: "mailbox"))
  }

  /// - Returns: the names in a directory of rooms that a topic or mailbox can have.
  private func checkNames(in folder: Path, of role: String) -> [Name] {
    names(in: folder).compactMap { entry in
      if let name = Name(bytes: entry.bytes) { return name }
      let what = "is no valid name of a \(role), and is not served"
      found(.badName, folder / entry, what, remedy: "rename it")
      return nil
    }
  }

  // MARK: Rooms

  /// Looks at the directory of a topic or a mailbox itself.
  /// - Returns: nil if there is nothing in it to be looked at.
  func enter(_ folder: Path, as role: String) -> Room? {
    do throws(Errno) {
      let status = try office.root.status(folder / ".")
      let room = Room(root: folder, owner: status.owner)
      checkMode(folder, status, of: room)
      let home = try office.root.status(".")
      if status.owner != home.owner {
        found(.otherOwner, folder, "belongs to user \(status.owner), the spool to user \(home.owner)")
      }
      checkFileSystem(of: room)
      return room
    } catch .noEntry {
      if (try? office.root.exists(folder)) == true {
        found(
          .missing, folder, "is a symlink to nothing, so no \(role)",
          remedy: "bring back what it leads to, or remove it")
      }
    } catch .notDirectory {
      found(.stray, folder, "is not a directory, so no \(role)", remedy: "move it elsewhere")
    } catch { isClosed(folder, error) }
    return nil
  }

  /// Looks whether a room has all its directories.
  /// - Parameters:
  ///   - maker: which command makes it, and what to say of it.
  ///   - make: makes what is missing.
  /// - Returns: false if nobody has made it yet, and there is nothing in it to be looked at.
  func isMade(
    _ room: Room, _ parts: [Path], _ maker: String, isUsed: Bool = false,
    _ make: () throws(PostError) -> some Any
  ) -> Bool {
    let missing = { (folders: [Path]) in
      folders.filter { (try? self.office.root.exists($0 / ".")) == false }
    }
    let lacking = lasting(missing(parts), missing)
    if lacking.isEmpty { return true }
    if lacking.count == parts.count, !isUsed {
      found(.notMade, room.root, "is not made yet; \(maker)")
      return false
    }
    for folder in lacking {
      if (try? office.root.exists(folder)) == true {
        isClosed(folder, .notDirectory)
        continue
      }
      found(.missing, folder, "is missing", cure: "makes it") { () throws(PostError) in
        if missing([folder]).isEmpty { return adopt([folder], into: room) }
        _ = try make()
        guard missing([folder]).isEmpty else { return .left("put a directory in its place") }
        return adopt(lacking, into: room)
      }
    }
    return true
  }

  /// What root has made in the house of another, that one gets.
  private func adopt(_ folders: [Path], into room: Room) -> Outcome {
    for folder in folders where Host.userID == 0 && room.owner != 0 {
      do throws(Errno) {
        let directory = try office.root.open(folder, .read)
        let status = try directory.status()
        let model = try office.root.status(folder.parent / ".")
        guard status.kind == .directory, status.owner == 0 else { continue }
        try directory.setOwner(room.owner, group: model.group)
      } catch {}  // then the next check tells
    }
    return .done("made")
  }

  /// Runs a repair that may make a directory for corrupt letters, in the name of the room's owner.
  func settingAside(_ corrupt: Path, of room: Room, _ work: () throws(PostError) -> Outcome) throws(PostError)
    -> Outcome
  {
    let isNew = (try? office.root.exists(corrupt)) == false
    let outcome = try work()
    if isNew { _ = adopt([corrupt], into: room) }
    return outcome
  }

  // MARK: Modes and owners

  /// Looks at a directory of a room, if it is there.
  func checkDirectory(_ folder: Path, of room: Room) {
    guard let status = status(folder / ".", at: folder) else { return }
    checkMode(folder, status, of: room)
    let mayOthersWork = status.permissions & 0o007 == 0o007 || status.permissions & 0o070 == 0o070
    if room.owner != 0, status.owner != room.owner, !mayOthersWork {
      found(
        .badOwner, folder,
        "belongs to user \(status.owner), and user \(room.owner), who owns \(room.root), cannot work in it",
        remedy: "chown it")
    }
  }

  private func checkMode(_ folder: Path, _ status: Status, of room: Room) {
    let mode = String(status.permissions, radix: 8)
    if status.permissions & 0o1002 == 0o002 {
      found(
        .badMode, folder, "has mode \(mode): anybody may remove what lies in it",
        remedy: "chmod o-w, or chmod +t where strangers shall deliver")
    }
    if status.owner != 0, status.permissions & 0o700 != 0o700 {
      found(
        .badMode, folder, "has mode \(mode): its owner, user \(status.owner), cannot work in it",
        remedy: "chmod u+rwx")
    }
  }

  // MARK: Settings

  func checkSettings(_ path: Path, _ scope: Setting.Scope) {
    // An editor may just be writing it.
    let troubles = { (_: [PostError]) in [self.office.trouble(in: path, scope)].compactMap { $0 } }
    for trouble in lasting(troubles([]), troubles) {
      // The message begins with the place, mostly.
      let rest = trouble.message.dropFirst(path.description.count)
      let isFirst = trouble.message.hasPrefix(path.description)
      found(.badSettings, path, isFirst ? String(rest.drop { " ,".contains($0) }) : trouble.message)
    }
    guard let status = try? office.root.open(path, .readSettings).status() else { return }
    if status.permissions & 0o002 != 0 {
      found(.badMode, path, "may be written by anybody, and says what is run", remedy: "chmod o-w")
    }
  }

  // MARK: File systems

  private func checkFileSystem(of room: Room) {
    look(at: room.root) { () throws(Errno) in
      let directory = try office.root.directory(room.root)
      let (here, home) = (try directory.file.status(), try office.root.status("."))
      if here.device != home.device || directory.mountID() != office.root.mountID() {
        found(.otherFileSystem, room.root, "lies on another file system: letters are copied, not linked")
      }
    }
    judgeFileSystem(of: room.root, at: room.root)
  }

  private func judgeFileSystem(of folder: Path, at place: Path) {
    look(at: place) { () throws(Errno) in
      let directory = try office.root.directory(folder)
      let id = directory.mountID()
      // Without /proc, everything is taken for one.
      guard judgedMounts.insert(id ?? -1).inserted else { return }
      let ground = Ground(magic: try directory.fileSystemMagic(), mount: id.flatMap { Mount.numbered($0) })
      for words in ground.doubts { found(.fileSystem, place, words) }
    }
  }
}

/// What is known of a file system, and what that means for letters.
struct Ground {
  /// statfs(2)
  let magic: UInt32
  let mount: Mount?

  /// What it may not keep of the promises; empty for a good one.
  var doubts: [String] {
    let type = mount?.type ?? Ground.names[magic] ?? "a file system unknown to post"
    var doubts = [String]()
    switch Ground.names[magic] {
    case "tmpfs", "ramfs":
      doubts.append("lies in memory (\(type)): no letter survives a restart of the machine")
    case "overlay":
      doubts.append(
        "lies on an overlay, as containers have it: letters go when the container goes; use a volume")
    case "nfs", "cifs", "smb2", "smb", "9p", "ceph", "afs", "coda":
      doubts.append("lies on a network file system (\(type)): locks, links and fsync may not hold there")
    case "fuse":
      doubts.append("lies on \(type), served by a program: whether locks and fsync hold is up to it")
    case "vfat", "exfat":
      doubts.append("lies on \(type), which has neither links nor owners")
    default: break
    }
    let options = mount?.options ?? []
    if options.contains("nobarrier") || options.contains("barrier=0") {
      doubts.append("is mounted with nobarrier: a power cut may take letters that were accepted")
    }
    if options.contains("data=writeback") {
      doubts.append(
        "is mounted with data=writeback: after a power cut, a letter from a program that does not fsync may show what another file held"
      )
    }
    if let commits = mount?.fastCommits, commits > 0 {
      doubts.append(
        "is an ext4 with fast_commit: after a power cut, e2fsck may drop letters that were accepted (1.47.0 does)"
      )
    }
    return doubts
  }

  /// Magic numbers, statfs(2) and linux/magic.h.
  private static let names: [UInt32: String] = [
    0x0102_1994: "tmpfs", 0x8584_58f6: "ramfs", 0x794c_7630: "overlay", 0x6969: "nfs", 0xff53_4d42: "cifs",
    0xfe53_4d42: "smb2", 0x517b: "smb", 0x0102_1997: "9p", 0x00c3_6400: "ceph", 0x5346_414f: "afs",
    0x6b41_4653: "afs", 0x7375_7245: "coda", 0x6573_5546: "fuse", 0x4d44: "vfat", 0x2011_bab0: "exfat",
  ]
}
