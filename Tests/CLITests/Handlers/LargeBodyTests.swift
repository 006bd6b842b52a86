// Bodies that take time: what happens to them when the watcher dies, and to the letters that wait beside them.

import Linux
import TestKit
import Testing

@Suite struct LargeBodyTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  private func configure(_ mailbox: String, _ script: String) throws {
    try box.write("\(mailbox).sh", "#!/bin/bash\ncd \(box.root)\n\(script)\n")
    try box.write(
      "spool/mailboxes/\(mailbox)/mailbox.conf", "Handler: \(box.root)/\(mailbox).sh\nRetry: 1ms..1ms\n")
  }

  /// The body's sum, as sha256sum(1) prints it, of a letter with so many bytes that are hard to compress.
  private func send(_ bytes: Int, to topic: String = "orders") throws -> String {
    try box.script(
      """
      head -c \(bytes) /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2> /dev/null > body \\
        || head -c \(bytes) /dev/urandom > body
      post send \(topic) body; sha256sum < body; rm body
      """)
  }

  // MARK: The watcher dies

  @Test(arguments: BodyTests.Way.allCases, [100 << 20, 500_000])
  func aHandlerReadsAllOfItThoughItsWatcherIsKilled(way: BodyTests.Way, bytes: Int) throws {
    let sum = try send(bytes)
    try configure(
      "stock",
      """
      head -c 100000 > first; echo $$ > begun
      n=0; until test -e go || test $n = 6000; do n=$((n + 1)); sleep 0.01; done
      { cat first -; } | sha256sum > sum.part; sha256sum < /dev/stdin > again; mv sum.part sum
      """)
    let words: [Path] = way == .watch ? ["watch"] : ["read", "stock", "--", box.root / "stock.sh"]
    let holder = try box.start([Sandbox.binary] + words)
    #expect(eventually { box.exists("begun") })
    try box.script("kill -9 \(holder.pid)")  // this process alone
    #expect(try holder.wait().code == 137)
    #expect(try box.post("read", "stock").code == 1, "the handler holds it")
    try box.write("go", "")
    #expect(eventually(within: 120) { box.exists("sum") })
    #expect(try box.read("sum") == sum)
    #expect(try box.read("again") == sum)
    // Letters that the watcher has not settled come back once the handler has ended.
    #expect(try eventually { try box.post("read", "stock", "--", "true").code == 0 })
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  @Test(.needsRoom(gigabytes: 3))
  func aWatcherThatIsKilledWhileItPreparesALargeBodyLeavesNothing() throws {
    try configure("stock", "echo >> begun; sleep 60")
    try deliverSparse(bytes: "512M", to: "orders")
    let watcher = try box.startPost("watch")
    #expect(eventually { box.entries("cur").count == 1 })
    watcher.kill(.kill)
    _ = try watcher.wait()
    try #require(!box.exists("begun"), "it was handed out before it could be prepared")
    try box.must("sweep")
    #expect(box.entries("cur").isEmpty && box.entries("new").count == 1)
    #expect(try box.script("find spool -path '*/tmp/*' -o -name '.body*'") == "")
    #expect(
      try box.script("du -sm spool | cut -f1").split(separator: "\n").first.flatMap { Int($0) } ?? 0 < 20)
  }

  // MARK: Other letters do not wait

  /// Delivers a letter that takes no room on the disk.
  private func deliverSparse(bytes: String, to topic: String) throws {
    try box.script(
      """
      cd spool/topics/\(topic); printf 'Subject: large\\n\\n' > tmp/1795765752.1_1.shop
      truncate -s +\(bytes) tmp/1795765752.1_1.shop; mv tmp/1795765752.1_1.shop new/; cd; post sweep
      """)
  }

  /// While a large letter is prepared, another mailbox gets letter after letter.
  @Test(.needsRoom(gigabytes: Seeded.takesAll ? 9 : 3))
  func aLargeLetterDelaysNoOtherMailbox() throws {
    try box.must("subscribe", "small", "bills")
    try configure("stock", "wc -c > size.part; mv size.part size")
    try configure("small", "cat >> small; echo >> small")
    try deliverSparse(bytes: Seeded.takesAll ? "4G" : "512M", to: "orders")
    let watcher = try box.startPost("watch")
    #expect(eventually { box.entries("cur").count == 1 })
    var before = 0
    while before < 200, !box.exists("size.part"), !watcher.hasEnded {
      try box.must("send", "bills", "-m", "\(before)")
      let isDone = eventually { box.entries("done", of: "small").count == before + 1 }
      #expect(isDone)
      if !isDone { break }
      before += 1
    }
    print("\(before) small letters were done before the large one's handler began")
    #expect(before >= 3, "the small ones waited for it")
    #expect(eventually(within: 300) { box.entries("done").count == 1 })
    let size = Seeded.takesAll ? 4 << 30 : 512 << 20
    #expect(try box.read("size") == "\(size)\n")
    #expect(!watcher.hasEnded)
  }

  /// A letter behind the large one in the same mailbox, which may have two handlers.
  @Test(.needsRoom(gigabytes: 3)) func norTheNextLetterOfAMailboxWithTwoHandlers() throws {
    try configure("stock", "wc -c >> sizes")
    try box.script("echo 'Parallel: 2' >> spool/mailboxes/stock/mailbox.conf")
    try deliverSparse(bytes: "512M", to: "orders")
    try box.must("send", "orders", "-m", "abc")
    let watched = try box.startPost("watch", "--until-empty").wait(atMost: 300)
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(try box.read("sizes") == "3\n\(512 << 20)\n")
  }

  // MARK: Corrupt

  private static let damages = [
    "printf x | dd of=$it bs=1 seek=2999999 conv=notrunc", "truncate -s -1 $it", "printf more >> $it",
  ]

  @Test(arguments: damages, BodyTests.Way.allCases)
  func aCorruptLargeLetterIsSetAsideAndNeverHandedOut(damage: String, way: BodyTests.Way) throws {
    try configure("stock", "wc -c >> sizes")
    _ = try send(3_000_000)
    let id = try #require(box.entries("new").first)
    try box.must("send", "orders", "-m", "good")
    try box.script("cd spool/mailboxes/stock/new; it=\(id); chmod u+w $it; { \(damage); } 2> /dev/null")
    let ended =
      try way == .watch
      ? box.post("watch", "--until-empty")
      : box.post("read", "stock", "--all", "--", box.root.description + "/stock.sh")
    #expect(ended.errors.contains("corrupt"), "\(ended.errors)")
    #expect(try box.read("sizes") == "4\n")
    #expect(box.entries("done").count == 1 && box.entries("cur").isEmpty)
    #expect(box.names(in: "spool/mailboxes/stock/corrupt").map { $0.prefix { $0 != "," } } == [id[...]])
  }

  /// A letter's time-out counts from when its handler begins, not from when the preparation does.
  @Test(.needsRoom(gigabytes: 3)) func preparingALargeLetterIsNoWorkOfTheHandlers() throws {
    try configure("stock", "echo begun >> begun; sleep 0.05")
    try box.script("echo 'Timeout: 300ms' >> spool/mailboxes/stock/mailbox.conf")
    try deliverSparse(bytes: "512M", to: "orders")
    let watched = try box.startPost("watch", "--until-empty").wait(atMost: 300)
    #expect(watched.code == 0 && watched.errors == "", "\(watched.errors)")
    #expect(try box.read("begun") == "begun\n")
  }

  /// A watcher that gets SIGTERM while it prepares one gives the letter back, as if it had never been claimed.
  @Test(.needsRoom(gigabytes: 3)) func aWatcherThatIsStoppedMeanwhileGivesItBack() throws {
    try configure("stock", "cat > /dev/null; echo >> begun")
    try deliverSparse(bytes: "512M", to: "orders")
    let watcher = try box.startPost("watch")
    #expect(eventually { box.entries("cur").count == 1 })
    watcher.kill(.terminate)
    let ended = try watcher.wait()
    #expect(ended.code == 0, "\(ended.errors)")
    let names = box.entries("new")
    #expect(box.entries("cur").isEmpty)
    #expect(box.entries("done").count + names.count == 1 && !names.contains { $0.contains(",A=") })
    #expect(box.exists("begun") == names.isEmpty)
  }
}

extension Trait where Self == ConditionTrait {
  /// A sparse letter takes no room, its private copy does.
  fileprivate static func needsRoom(gigabytes: Int) -> Self {
    .enabled("there are not \(gigabytes) GB free for temporary files") {
      let box = try Sandbox()
      return try Directory(box.root).space().free > Int64(gigabytes) << 30
    }
  }
}
