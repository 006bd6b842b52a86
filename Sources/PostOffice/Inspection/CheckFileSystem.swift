// File systems: which of post's promises one may not keep. These findings are remarks.

import Linux

extension Inspection {
  /// Checks the file system of the spool, a topic or a mailbox; each mount once.
  /// - Parameter place: what a report calls the directory.
  func checkFileSystem(of folder: Path, at place: Path) {
    _ = read(place) { () throws(Errno) in
      let directory = try office.root.directory(folder)
      let (mount, device) = (directory.mountID(), try directory.file.status().device)
      if try device != office.root.file.status().device || mount != office.root.mountID() {
        report(.otherFileSystem, place, "is on another file system: letters are copied, not linked")
      }
      guard checkedMounts.insert(mount).inserted else { return }
      let system = FileSystem(
        magic: try directory.fileSystemMagic(), mount: mount.flatMap { Mount.numbered($0) })
      for risk in system.risks { report(.fileSystem, place, risk) }
    }
  }
}

/// What is known of a file system, and what that means for letters.
struct FileSystem {
  /// statfs(2)
  let magic: UInt32
  let mount: Mount?

  /// Which promises it may break; empty for a good one.
  var risks: [String] {
    let type = mount?.type ?? FileSystem.names[magic] ?? "a file system unknown to post"
    var risks = [String]()
    switch FileSystem.names[magic] {
    case "tmpfs", "ramfs":
      risks.append("is in memory (\(type)): letters do not survive a restart of the machine")
    case "overlay":
      risks.append(
        "is on an overlay, as in a container: letters are lost with the container; use a volume")
    case "nfs", "cifs", "smb2", "smb", "9p", "ceph", "afs", "coda":
      risks.append("is on a network file system (\(type)): locks, links and fsync may not hold there")
    case "fuse":
      risks.append(
        "is on \(type), which a program serves: whether locks and fsync hold depends on that program")
    case "vfat", "exfat":
      risks.append("is on \(type), which has neither links nor owners")
    default: break
    }
    let options = mount?.options ?? []
    if options.contains("nobarrier") || options.contains("barrier=0") {
      risks.append("is mounted with nobarrier: a power cut may destroy accepted letters")
    }
    if options.contains("data=writeback") {
      risks.append(
        "is mounted with data=writeback: after a power cut, a letter from a program that does not fsync may show another file's old data"
      )
    }
    if let commits = mount?.fastCommits, commits > 0 {
      risks.append(
        "is an ext4 with fast_commit: after a power cut, e2fsck may delete accepted letters (1.47.0 does)")
    }
    return risks
  }

  /// Magic numbers, statfs(2) and linux/magic.h.
  private static let names: [UInt32: String] = [
    0x0102_1994: "tmpfs", 0x8584_58f6: "ramfs", 0x794c_7630: "overlay", 0x6969: "nfs", 0xff53_4d42: "cifs",
    0xfe53_4d42: "smb2", 0x517b: "smb", 0x0102_1997: "9p", 0x00c3_6400: "ceph", 0x5346_414f: "afs",
    0x6b41_4653: "afs", 0x7375_7245: "coda", 0x6573_5546: "fuse", 0x4d44: "vfat", 0x2011_bab0: "exfat",
  ]
}
