import Testing

@testable import Linux

@Suite struct MemoryTests {
  @Test func whatIsUnwrittenIsDirtyOrBeingWritten() {
    let text = "MemTotal:  24684044 kB\nDirty:   100 kB\nWriteback:     28 kB\nWritebackTmp:   4 kB\n"
    #expect(Memory.unwritten(in: text) == 128 << 10)
    #expect(Memory.unwritten(in: "Dirty:   100 kB\n") == nil)
    #expect(Memory.unwritten(in: "Dirty: lots kB\nWriteback:  0 kB\n") == nil)
    #expect(Memory.unwritten(in: "") == nil)
  }

  @Test func theKernelTells() throws {
    let unwritten = try #require(Memory.unwritten)
    #expect(unwritten >= 0)
  }
}
