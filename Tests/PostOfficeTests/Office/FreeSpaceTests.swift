import Linux
import TestKit
import Testing

@testable import PostOffice

/// Min-Free, and what a file system has free.
@Suite struct SpaceTests {
  private func space(_ free: Int64, of size: Int64, inodes: Int64 = 0, of all: Int64 = 0) -> Space {
    Space(free: free, size: size, freeInodes: inodes, inodes: all)
  }

  @Test func minFreeIsASizeOrAPercentage() {
    #expect(MinFree("100M") == .bytes(100 << 20))
    #expect(MinFree("5%") == .percent(5))
    #expect(MinFree("0") == .off)
    #expect(MinFree("0")?.isOff == true && MinFree("0%")?.isOff == true && MinFree("1")?.isOff == false)
    for text in ["100%", "-1%", "%", "5 %", "1.5%", "5%%", "none", ""] {
      #expect(MinFree(text) == nil, "\(text)")
    }
  }

  @Test func lessFreeThanMinFreeIsAShortage() {
    let disk = space(3 << 20, of: 8 << 20, inodes: 10, of: 100)
    #expect(MinFree.bytes(3 << 20).shortage(disk) == nil)
    #expect(MinFree.bytes(4 << 20).shortage(disk) == "3M of 8M is free, less than Min-Free 4M")
    #expect(MinFree.percent(10).shortage(disk) == nil)
    #expect(MinFree.percent(11).shortage(disk) == "10 of 100 inodes are free, less than Min-Free 11%")
    #expect(MinFree.percent(50).shortage(disk) == "3M of 8M is free, less than Min-Free 50%")
    // btrfs counts no inodes, a tmpfs without limit nothing at all.
    #expect(MinFree.percent(5).shortage(space(3 << 20, of: 8 << 20)) == nil)
    for minFree in [MinFree.bytes(1), .percent(99)] { #expect(minFree.shortage(space(0, of: 0)) == nil) }
  }

  @Test func aFullDiskSaysOfWhatThereIsNone() {
    #expect(
      space(0, of: 8 << 20, inodes: 5, of: 9).fullness!
        == ("no space is left (0 of 8M free)", "free some and try again"))
    #expect(
      space(4 << 20, of: 8 << 20, inodes: 0, of: 9).fullness!
        == ("no inodes are left (0 of 9 free)", "remove some files and try again"))
    #expect(
      space(0, of: 8 << 20, inodes: 0, of: 9).fullness!
        == ("no space (0 of 8M free) and no inodes (0 of 9 free) are left", "remove some files and try again")
    )
    #expect(space(4 << 20, of: 8 << 20, inodes: 1, of: 9).fullness == nil)
    #expect(space(0, of: 0).fullness == nil)
  }

  @Test func nearlyFullIsLessThanATwentiethButNeverMuch() {
    #expect(space(1 << 20, of: 8 << 20).nearlyFull == nil)
    #expect(space(1 << 18, of: 8 << 20).nearlyFull == "the disk is nearly full: 256K of 8M is free")
    #expect(space(2 << 30, of: 4 << 40).nearlyFull == nil)
    #expect(space(1 << 29, of: 4 << 40).nearlyFull != nil)
    #expect(
      space(1 << 30, of: 1 << 31, inodes: 4, of: 100).nearlyFull?.contains("4 of 100 inodes are free") == true
    )
    #expect(space(0, of: 0).nearlyFull == nil)
  }

  @Test func theBallastIsAsLargeAsTheDiskAllows() {
    #expect(Ballast.size(on: space(1 << 40, of: 1 << 40)) == 1 << 20)
    #expect(Ballast.size(on: space(16 << 20, of: 1 << 40)) == nil)
    #expect(Ballast.size(on: space(8 << 20, of: 8 << 20)) == 128 << 10)
    #expect(Ballast.size(on: space(2 << 20, of: 8 << 20)) == nil)
    #expect(Ballast.size(on: space(200 << 10, of: 200 << 10)) == nil)
    #expect(Ballast.size(on: space(0, of: 0)) == nil)
  }

  /// The command that makes it may have died before it had any size; then it would free nothing.
  @Test func anEmptyBallastIsLaidInAnew() throws {
    let box = try Sandbox()
    let office = try Office.open(making: box.spool.description)
    #expect(try Directory(box.spool).status(".ballast").size > 0)
    try box.write("spool/.ballast", "")
    Ballast(office).lay()
    #expect(try Directory(box.spool).status(".ballast").size > 0)
  }
}
