// Changes of names, and lists of them.

import Linux
import TestKit
import Testing

@Suite struct DirectoryTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func renameOntoAnotherNameFails() throws {
    let folder = try Directory(box.root)
    try box.write("a", "1")
    try box.write("b", "2")
    #expect(throws: Errno.exists) { try folder.rename("a", to: folder, "b") }
    #expect(try box.read("a") == "1")
    #expect(try box.read("b") == "2")
  }

  @Test func renameOntoAnotherLinkOfTheSameInodeFailsAndBothStay() throws {
    let folder = try Directory(box.root)
    try box.write("a", "1")
    try folder.link("a", into: folder, "b")
    #expect(throws: Errno.exists) { try folder.rename("a", to: folder, "b") }
    #expect(box.names(in: ".") == ["a", "b"])
    #expect(try folder.status("a").inode == folder.status("b").inode)
    #expect(try folder.status("a").links == 2)
  }

  @Test func replaceTakesTheOthersPlace() throws {
    let folder = try Directory(box.root)
    try box.write("a", "1")
    try box.write("b", "2")
    try folder.replace("b", with: "a")
    #expect(box.names(in: ".") == ["b"])
    #expect(try box.read("b") == "1")
  }

  @Test func linkNeverFollowsASymlinkAndNeverReplaces() throws {
    let folder = try Directory(box.root)
    try box.write("a", "1")
    try folder.makeSymlink("s", to: "a")
    try folder.link("s", into: folder, "t")
    #expect(try folder.status("t").kind == .symlink)
    #expect(try folder.readSymlink("t") == "a")
    #expect(throws: Errno.exists) { try folder.link("a", into: folder, "t") }
    #expect(throws: Errno.noEntry) { try folder.link("missing", into: folder, "u") }
  }

  @Test func threeThousandNamesAreAllListedOnceAndInOrder() throws {
    let folder = try Directory(box.root)
    try folder.makeDirectory("many")
    let many = try folder.directory("many")
    var expected = [Path]()
    for number in 0..<3000 {
      let name = Path(
        "1795765752.M\(100_000 + number)R9f3a5c1eP4242Q\(number).a-host-with-a-rather-long-name")
      _ = try many.open(name, .create(permissions: 0o644))
      expected.append(name)
    }
    _ = try many.open(".hidden", .create(permissions: 0o644))
    #expect(try many.names() == expected.sorted())
    var entries = 0
    try many.forEachEntry { _, _ in entries += 1 }
    #expect(entries == 3001)
    #expect(try many.names().count == 3000, "a second walk begins anew")
  }

  @Test func missingAndTakenNamesAreErrors() throws {
    let folder = try Directory(box.root)
    try box.write("file", "")
    #expect(throws: Errno.noEntry) { try folder.remove("missing") }
    #expect(throws: Errno.exists) { try folder.makeDirectory("file") }
    #expect(throws: Errno.exists) { _ = try folder.open("file", .create(permissions: 0o644)) }
    #expect(throws: Errno.notDirectory) { _ = try folder.directory("file") }
    #expect(try folder.exists("file") && !folder.exists("missing"))
    try folder.makeDirectory("full")
    try box.write("full/file", "")
    #expect(throws: Errno.notEmpty) { try folder.removeDirectory("full") }
  }

  @Test func aLetterIsNeverOpenedThroughASymlinkAndAFifoDoesNotBlock() throws {
    let folder = try Directory(box.root)
    try box.write("a", "1")
    try folder.makeSymlink("s", to: "a")
    #expect(throws: Errno.loop) { _ = try folder.open("s", .read) }
    #expect(try box.shell("mkfifo fifo").code == 0)
    #expect(try folder.open("fifo", .read).status().kind == .fifo)
  }

  @Test func namesAreBytes() throws {
    let folder = try Directory(box.root)
    let name = Path([0x61, 0xff, 0x80])
    try folder.open(name, .create(permissions: 0o644)).write("x")
    #expect(try folder.names() == [name])
    #expect(try folder.status(name).size == 1)
  }
}
