// What a directory is on: the type of its file system, statfs(2), and how it is mounted, proc_pid_mountinfo(5). Where
// /proc or /sys does not tell, the answer is nil or the cautious one.

import CLinux
import Glibc

/// A mounted file system.
package struct Mount: Hashable, Sendable {
  /// Its number; each mount of a file system has one.
  package let id: Int
  /// `ext4`, `fuse.sshfs` ...
  package let type: String
  /// The options of this mount and of its file system: `rw`, `nobarrier`, `data=writeback` ...
  package let options: Set<String>
  /// The device, `MAJOR:MINOR`.
  private let device: String

  /// Reads a line of mountinfo: `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
  /// - Returns: nil for anything else.
  package init?(line: Substring) {
    let fields = line.split(separator: " ").map(String.init)
    guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count >= dash + 4, let id = Int(fields[0])
    else { return nil }
    self.id = id
    device = fields[2]
    type = fields[dash + 1]
    options = Set((fields[5].split(separator: ",") + fields[dash + 3].split(separator: ",")).map(String.init))
  }

  /// The largest table of mounts that is read, bytes.
  private static let tableLimit = 16 << 20

  /// The mount with this number; nil if it is gone.
  package static func numbered(_ id: Int) -> Mount? {
    guard let table = File.text(of: "/proc/self/mountinfo", limit: tableLimit) else { return nil }
    return table.split(separator: "\n").lazy.compactMap { Mount(line: $0) }.first { $0.id == id }
  }

  /// Whether fsync(2) of a file makes all its hard links durable. link(2) changes the `st_nlink` of the file, and a
  /// file system with a journal or a log makes that durable together with the name: ext4 (without fast commits, which
  /// are young), xfs and btrfs.
  package var commitsLinksWithFile: Bool {
    switch type {
    case "xfs", "btrfs": true
    case "ext4": hasJournal && hasNoFastCommits
    default: false
    }
  }

  /// Whether an ext4 has its journal inside, as is usual: in inode 8.
  private var hasJournal: Bool {
    guard let name = blockDevice else { return false }
    return (try? Directory("/proc/fs/jbd2").exists(Path("\(name)-8"))) == true
  }

  /// What the kernel calls the device: `sda1`.
  private var blockDevice: Path? { try? Directory("/sys/dev/block").readSymlink(Path(device)).name }

  /// How many fast commits an ext4 has made since it was mounted: none without its feature `fast_commit`.
  package var fastCommits: Int? {
    fastCommitInfo?.lazy.compactMap { $0.hasSuffix(" commits") ? Int($0.dropLast(8)) : nil }.first
  }

  /// Whether an ext4 has made no fast commit, nor a full one because a fast one was not possible.
  private var hasNoFastCommits: Bool {
    fastCommitInfo.map { $0.contains("0 commits") && $0.contains("0 ineligible") } == true
  }

  /// What an ext4 tells of its fast commits: `fc stats:`, `2 commits`, `0 ineligible` ...
  private var fastCommitInfo: [Substring]? {
    guard type == "ext4", let name = blockDevice else { return nil }
    return File.text(of: "/proc/fs/ext4" / name / "fc_info", limit: 4096)?.split(separator: "\n")
  }
}

extension File {
  /// The number of the mount that this file is on, proc_pid_fdinfo(5).
  package borrowing func mountID() -> Int? {
    let text = File.text(of: Path("/proc/self/fdinfo/\(descriptor)"), limit: 4096)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("mnt_id:") }
    return line.flatMap { Int($0.dropFirst(7).filter(\.isNumber)) }
  }
}

extension Directory {
  package borrowing func mountID() -> Int? { file.mountID() }

  /// The magic number of this directory's file system, statfs(2).
  package borrowing func fileSystemMagic() throws(Errno) -> UInt32 {
    var buffer = statfs()
    let descriptor = file.descriptor
    _ = try check { fstatfs(descriptor, &buffer) }
    return UInt32(truncatingIfNeeded: buffer.f_type)
  }
}
