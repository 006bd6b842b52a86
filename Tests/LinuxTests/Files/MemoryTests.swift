import Testing

@testable import Linux

/// What the kernel reports about its memory, and about itself.
@Suite struct MemoryTests {
  @Test func whatIsUnwrittenIsDirtyOrBeingWritten() {
    let text = "MemTotal:  24684044 kB\nDirty:   100 kB\nWriteback:     28 kB\nWritebackTmp:   4 kB\n"
    #expect(Memory.unwritten(in: text) == 128 << 10)
    #expect(Memory.unwritten(in: "Dirty:   100 kB\n") == nil)
    #expect(Memory.unwritten(in: "Dirty: lots kB\nWriteback:  0 kB\n") == nil)
    #expect(Memory.unwritten(in: "") == nil)
  }

  @Test(
    arguments: [
      ("5.8.0", true), ("5.7.19-generic", false), ("6.1-rc1", true), ("4.19.0", false), ("10.0", true),
      ("", false), ("five", false), ("5.10.0-28-amd64", true),
    ])
  func aKernelIsNewEnoughOrNot(release: String, isNew: Bool) {
    #expect(Host.isVersion(release, atLeast: 5, 8) == isNew)
  }

  @Test func theKernelTells() throws {
    let unwritten = try #require(Memory.unwritten)
    #expect(unwritten >= 0)
  }
}
