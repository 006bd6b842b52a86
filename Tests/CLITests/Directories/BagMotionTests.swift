// Bags in motion: a command is held at one of its calls while others seal, replace or remove directories.

import Linux
import TestKit
import Testing

@Suite(.needsSwelling) struct BagMotionTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// A letter goes back to a bag that a reader has found empty and just removed.
  @Test(.needsPtrace) func aRetryIntoABagThatIsJustRemovedIsMadeGood() throws {
    try box.fillBags()
    let id = try box.must("read", "stock", "--lease", "1h").dropLast()
    try box.must("fail", "stock", String(id))
    let retry = try Traced(box, [Sandbox.binary, "retry", "stock", "ALL"])
    var count = 0
    while let call = try retry.next() {
      guard call.name == "renameat2" else { continue }
      if count == 0 { try box.script("rmdir spool/mailboxes/stock/bags/again.*") }
      count += 1
    }
    #expect(try retry.wait().code == 0)
    #expect(count > 1)
    #expect(box.entries("failed").isEmpty)
    #expect(try box.must("read", "stock", "--all").sorted() == "123456".sorted())
  }

  /// Two readers find a bag empty, and the second removes it.
  @Test(.needsPtrace, arguments: ["new.0000000001", "again.0000000001", "later.1000000000"])
  func aBagRemovedWhileItIsReadIsAnEmptyOne(bag: String) throws {
    try box.send(1...1)
    try box.script("mkdir -p spool/mailboxes/stock/bags/\(bag)")
    let reader = try Traced(box, [Sandbox.binary, "read", "stock"])
    var count = 0
    while let call = try reader.next() {
      guard call.name == "getdents64", "\(try reader.path(of: call.int(0)))".hasSuffix(bag) else { continue }
      try box.script("rmdir spool/mailboxes/stock/bags/\(bag)")
      count += 1
    }
    let ended = try reader.wait()
    #expect(ended.code == 0 && ended.text == "1" && ended.errors == "", "\(ended.errors)")
    #expect(count == 1)
  }

  /// In strict order claimers hold `cur` by its lock; no sealer replaces it under them.
  @Test(.needsPtrace) func twoClaimersInStrictOrderAreOneAlsoWhenCurIsReplaced() throws {
    try box.script("echo 'Order: strict' > spool/mailboxes/stock/mailbox.conf")
    try box.send(1...2)
    try box.swell("spool/mailboxes/stock/cur")
    for name in ["flock", "renameat2"] {
      // One claimer has opened the directory, or holds its lock; then a sweep comes, and another claimer.
      let slow = try Traced(box, [Sandbox.binary, "read", "stock", "--lease", "1h"])
      while let call = try slow.next(), call.name != name {}
      try box.must("sweep")
      let quick = try box.post("read", "stock", "--lease", "1h")
      let ended = try slow.wait()
      #expect([quick, ended].count { $0.code == 0 } <= 1, "\(name)")
      #expect(box.entries("cur").count == 1, "\(name)")
      for id in [quick, ended].flatMap(\.lines) { try box.must("release", "stock", id) }
      try box.swell("spool/mailboxes/stock/cur")
    }
    #expect(try box.must("read", "stock", "--all") == "12")
  }

  /// The directory of all bags goes while a letter is about to go there: a reader has removed the last bag.
  @Test(.needsPtrace) func aRetryWhileTheLastBagIsRemovedIsMadeGood() throws {
    try box.send(1...1)
    let id = try box.must("read", "stock", "--lease", "1h").dropLast()
    try box.must("fail", "stock", String(id))
    try box.script("mkdir -p spool/mailboxes/stock/bags/new.0000000001")
    let retry = try Traced(box, [Sandbox.binary, "retry", "stock", "ALL"])
    while let call = try retry.next() {
      guard call.name == "mkdirat", "\(try retry.path(at: call.arguments[1]))".contains("again") else {
        continue
      }
      try box.script("rm -rf spool/mailboxes/stock/bags")
    }
    #expect(try retry.wait().code == 0)
    #expect(box.entries("failed").isEmpty)
    #expect(try box.readOne() == "1")
  }

  @Test(.needsPtrace) func aSendWhoseTmpIsJustReplacedIsMadeGood() throws {
    let send = try Traced(box, [Sandbox.binary, "send", "orders", "-m", "a"])
    var isAway = false
    while let call = try send.next() {
      if isAway {
        try box.script("mv away spool/topics/orders/tmp")
        break
      }
      guard call.name == "openat", "\(try send.path(at: call.arguments[1]))".contains("orders/tmp/") else {
        continue
      }
      try box.script("mv spool/topics/orders/tmp away")
      isAway = true
    }
    #expect(try send.wait().code == 0)
    #expect(try box.readOne() == "a")
  }

  /// Killed between making an empty directory and swapping it in, a sweep leaves it.
  @Test(.needsPtrace, arguments: ["mailboxes/stock/failed", "mailboxes/stock/new", "topics/orders/cur"])
  func theEmptyDirectoryOfAKilledSealerGoes(place: String) throws {
    try box.send(1...2)
    _ = try box.post("read", "stock", "--", "sh", "-c", "exit 65")
    try box.swell("spool/\(place)")
    try box.write("spool/post.conf", "Keep: forever\nKeep-Done: forever\n")
    for _ in 1...2 {
      let sweep = try Traced(box, [Sandbox.binary, "sweep"])
      while let call = try sweep.next() {
        if call.name == "renameat2", call.int(4) == 2 { sweep.kill() }
      }
      _ = try sweep.wait()
      #expect(!box.emptyBags(of: "spool/" + Path(place).parent.description).isEmpty)
    }
    try box.must("sweep")
    #expect(box.emptyBags(of: "spool/" + Path(place).parent.description).isEmpty)
    #expect(box.bags(of: "spool/" + Path(place).parent.description).count == 1)
  }
}
