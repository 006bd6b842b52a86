import Linux
import Testing

@testable import PostOffice

/// What a kind of file system and its options mean for letters.
@Suite struct FileSystemTests {
  private func doubts(_ magic: UInt32, _ type: String, _ options: String) -> [String] {
    let line = "36 35 98:0 / /var/spool rw,noatime shared:1 - \(type) /dev/sda1 rw,\(options)"
    return FileSystem(magic: magic, mount: Mount(line: line[...])).risks
  }

  @Test(arguments: [
    (0xef53, "ext4"), (0x5846_5342, "xfs"), (0x9123_683e, "btrfs"), (0x2fc1_2fc1, "zfs"), (0x1234, "new"),
  ])
  func aLocalFileSystemIsNotDoubted(magic: UInt32, type: String) {
    #expect(doubts(magic, type, "errors=remount-ro,data=ordered,barrier") == [])
    #expect(doubts(magic, type, "nobarrier").count == 1)
    #expect(doubts(magic, type, "barrier=0,data=writeback").count == 2)
  }

  @Test(
    arguments: [
      (0x0102_1994, "tmpfs", "memory (tmpfs)"), (0x8584_58f6, "ramfs", "memory (ramfs)"),
      (0x794c_7630, "overlay", "overlay"), (0x6969, "nfs4", "network file system (nfs4)"),
      (0xff53_4d42, "cifs", "network file system (cifs)"),
      (0xfe53_4d42, "smb3", "network file system (smb3)"),
      (0x0102_1997, "9p", "network file system (9p)"),
      (0x6573_5546, "fuse.sshfs", "on fuse.sshfs, which a program serves"),
      (0x4d44, "vfat", "neither links nor owners"),
    ] as [(UInt32, String, String)])
  func aFileSystemThatMayNotKeepThePromisesIsDoubted(magic: UInt32, type: String, words: String) {
    let said = doubts(magic, type, "size=4k")
    #expect(said.count == 1)
    #expect(said.first?.contains(words) == true)
    // Where /proc does not name the kind, its number is enough.
    #expect(FileSystem(magic: magic, mount: nil).risks.count == 1)
  }
}
