import Linux
import TestKit
import Testing

@Suite struct MountTests {
  @Test(arguments: [
    (
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue", 36, "ext3",
      ["rw", "noatime", "errors=continue"]
    ),
    ("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,nobarrier", 27, "ext4", ["rw", "relatime", "nobarrier"]),
    (
      "1 1 0:5 / /with\\040space ro shared:1 master:2 propagate_from:3 - fuse.sshfs a@b:/ - rw", 1,
      "fuse.sshfs", ["ro", "rw"]
    ),
  ])
  func aLineOfMountinfo(line: String, id: Int, type: String, options: [String]) throws {
    let mount = try #require(Mount(line: line[...]))
    #expect(mount.id == id && mount.type == type)
    #expect(mount.options.isSuperset(of: options.filter { $0 != "rw" || type != "fuse.sshfs" }))
  }

  @Test(arguments: [
    "", "36", "36 35 98:0 / /mnt rw -", "x 35 98:0 / /mnt rw - ext4 /dev/sda rw",
    "36 35 98:0 / /mnt rw ext4 a rw",
  ])
  func noLineOfMountinfo(line: String) { #expect(Mount(line: line[...]) == nil) }

  @Test func aDirectoryLiesOnAMount() throws {
    let directory = try Directory("/proc")
    let mount = try #require(directory.mountID().flatMap { Mount.numbered($0) })
    #expect(mount.type == "proc")
    #expect(try directory.fileSystemMagic() == 0x9fa0)
    #expect(Mount.numbered(-1) == nil)
  }

  /// On another kind of file system nothing is known of it; nor if the device is unknown.
  @Test(arguments: [
    ("xfs", true), ("btrfs", true), ("ext4", false), ("ext3", false), ("nfs4", false), ("tmpfs", false),
  ])
  func whereAFilesSyncCoversItsLinks(type: String, isSo: Bool) throws {
    let mount = try #require(Mount(line: "36 35 0:0 / /mnt rw - \(type) /dev/none rw"))
    #expect(mount.commitsLinksWithFile == isSo)
  }

  @Test func theRightToWriteIsTakenFromAnOpenFile() throws {
    let box = try Sandbox()
    try box.write("file", "x")
    let file = try File(box.root / "file", .read)
    try file.setPermissions(0o440)
    #expect(try file.status().permissions == 0o440)
    try file.setOwner(Host.userID, group: try file.status().group)
  }
}
