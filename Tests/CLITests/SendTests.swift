import Linux
import TestKit
import Testing

@Suite struct SendTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func sendPrintsNothingAndReachesEveryMailboxAsOneInode() throws {
    for name in ["stock", "invoice", "dispatch"] {
      #expect(try box.post("subscribe", name, "orders").code == 0)
    }
    let sent = try box.post("send", "orders", input: Array("{\"order\": 4711}\n".utf8))
    #expect(sent.code == 0)
    #expect(sent.text == "" && sent.errors == "")
    let spool = try Directory(box.spool)
    let id = try #require(box.names(in: "spool/mailboxes/stock/new").first)
    let status = try spool.status(Path("mailboxes/stock/new/\(id)"))
    #expect(status.links == 4)
    #expect(status.permissions & 0o222 == 0)
    #expect(try spool.status(Path("topics/orders/cur/\(id)")).inode == status.inode)
    #expect(box.names(in: "spool/topics/orders/new").isEmpty)
    #expect(box.names(in: "spool/topics/orders/tmp").isEmpty)
  }
}
