import Glibc
import Linux
import TestKit
import Testing

/// A directory of letters may be swapped away, or be removed as an empty bag, between any two calls of a sender:
/// names are made, and made durable, in one and the same directory.
@Suite(.needsPtrace) struct SwappedDirectoryTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox(in: Sandbox.memory)
    try box.open("stock", "invoice")
  }

  /// Sends a letter, with something done before the first call that fits.
  /// - Returns: the directories that were synced, as they were called then.
  private func send(
    doing script: String, before isDue: (Call, Traced) throws -> Bool
  ) throws -> [String] {
    var synced = [String]()
    var isDone = false
    let traced = try Traced(box, [Sandbox.binary, "send", "orders", "-m", "x"])
    while let call = try traced.next() {
      if try !isDone && isDue(call, traced) {
        try box.script("cd spool; \(script)")
        isDone = true
      }
      if call.name == "fsync" {
        synced.append("\(try traced.path(of: call.int(0)))".replacing("\(box.spool)/", with: ""))
      }
    }
    let ended = try traced.wait()
    #expect(ended.code == 0 && ended.errors == "", "\(ended.errors)")
    #expect(isDone)
    return synced
  }

  @Test func aMailboxThatIsSwappedAfterItWasOpenedIsSyncedWhereTheLetterIs() throws {
    let synced = try send(doing: "mv mailboxes/stock/new sealed; mkdir mailboxes/stock/new") { call, traced in
      // Nothing is linked yet; the directory is open already.
      try call.name == "linkat" && "\(traced.path(of: call.int(2)))".hasSuffix("/stock/new")
    }
    #expect(box.names(in: "spool/sealed").count == 1)
    #expect(synced.contains("sealed") && !synced.contains("mailboxes/stock/new"), "\(synced)")
    #expect(box.topicEntries("cur").count == 1)
  }

  @Test func soIsOneThatIsSwappedBetweenLinkAndSync() throws {
    var links = 0
    let synced = try send(doing: "mv mailboxes/stock/new sealed; mkdir mailboxes/stock/new") { call, _ in
      if call.name == "linkat" { links += 1 }
      return call.name == "fsync" && links == 2
    }
    #expect(box.names(in: "spool/sealed").count == 1)
    #expect(synced.contains("sealed") && !synced.contains("mailboxes/stock/new"), "\(synced)")
  }

  @Test func oneThatIsRemovedIsOpenedAnew() throws {
    let synced = try send(doing: "rmdir mailboxes/*/new; mkdir mailboxes/stock/new mailboxes/invoice/new") {
      call, _ in call.name == "linkat"
    }
    #expect(box.entries("new").count == 1 && box.entries("new", of: "invoice").count == 1)
    #expect(
      synced.filter { $0.hasSuffix("stock/new") || $0.hasSuffix("invoice/new") }.count == 2, "\(synced)")
  }

  @Test func theTopicsNewMayBeSwapped() throws {
    let synced = try send(doing: "mv topics/orders/new sealed; mkdir topics/orders/new") { call, _ in
      call.name == "renameat2"
    }
    #expect(synced.contains("sealed") && !synced.contains("topics/orders/new"), "\(synced)")
    #expect(box.names(in: "spool/sealed").isEmpty && box.topicEntries("cur").count == 1)
    #expect(box.entries("new").count == 1)
  }
}
