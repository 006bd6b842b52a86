// A letter behind very many others, or behind one that cannot be settled, is not forgotten.

import Linux
import TestKit
import Testing

@Suite struct ReclaimingTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// More than are looked at in one pass.
  private static let many = 1100

  @Test func aDeadClaimBehindManyLeasesIsTakenBack() throws {
    try box.script(
      """
      seq \(ReclaimingTests.many) | post send orders --lines
      post read stock -n \(ReclaimingTests.many) --lease 1h > /dev/null
      post send orders -m victim
      """)
    let reader = try box.startPost("read", "stock", "--", "sleep", "60")
    #expect(eventually { box.entries("cur").count == ReclaimingTests.many + 1 })
    reader.kill(.kill)
    _ = try reader.wait()
    // The command that it had started dies with it, but may live for a moment longer.
    #expect(eventually { (try? box.post("read", "stock").text) == "victim" })
  }

  @Test func aLeaseThatEndedBehindManyLettersInHandsIsTakenBack() throws {
    try box.script("seq \(ReclaimingTests.many) | post send orders --lines")
    let half = ReclaimingTests.many / 2
    var readers = [Running]()
    defer { for reader in readers { reader.kill(.kill) } }
    for count in [half, 2 * half] {
      readers.append(try box.startPost("read", "stock", "--batch", "\(half)", "--", "sh", "-c", "sleep 60"))
      #expect(eventually { box.entries("cur").count == count })
    }
    try box.must("send", "orders", "-m", "victim")
    try box.must("read", "stock", "--lease", "1s")
    #expect(eventually { (try? box.post("read", "stock").text) == "victim" })
  }

  @Test(.needsOtherUser) func aLetterBehindManyUnreadableOnesIsSorted() throws {
    let topic = "spool/topics/orders"
    try box.script(
      """
      chmod -R a+rwX spool
      for n in $(seq \(ReclaimingTests.many)); do echo $n > \(topic)/new/a.$n; done; chmod 600 \(topic)/new/*
      echo readable > \(topic)/new/b; chmod 644 \(topic)/new/b
      \(Machine.asNobody) post sweep 2> /dev/null
      """)
    #expect(box.entries("new").count == 1)
  }

  @Test func aFileWithTheIDOfALetterThatIsKeptHoldsUpNobody() throws {
    try box.must("send", "orders", "-m", "x")
    let name = try #require(box.topicEntries("cur").first)
    try box.script(
      "cd spool/topics/orders; cp cur/\(name) new/; for n in a b c; do printf \"\\n$n\" > new/$n; done")
    let swept = try box.post("sweep")
    #expect(swept.code == 0)
    #expect(swept.errors.contains("set aside in topics/orders/corrupt"))
    #expect(box.topicEntries("new") == [])
    #expect(box.names(in: "spool/topics/orders/corrupt") == [name])
    #expect(try box.must("read", "stock", "--all").filter(\.isLetter).sorted() == ["a", "b", "c", "x"])
  }

  @Test(.enabled(if: Machine.isRoot, "only root mounts")) func aHeldLetterThatDoesNotFitHoldsUpNoOther()
    throws
  {
    let far = "mkdir far && mount -t tmpfs -o size=300k none far"
    let ended = try box.shell(
      """
      unshare -m bash -e -c '
        \(far)
        post subscribe far orders; mv spool/mailboxes/far far/box; ln -s ../../far/box spool/mailboxes/far
        cat /dev/zero > far/fill 2> /dev/null || true
        head -c 400000 /dev/zero | post send orders
        post send orders -m small
        test $(ls spool/topics/orders/held/far | wc -l) = 2
        rm far/fill
        post sweep
        post read far'
      """)
    #expect(ended.text.hasSuffix("small"), "\(ended.text) \(ended.errors)")
  }

  @Test func lettersOfATimeToComeKeepBackNoRetention() throws {
    let cur = "spool/topics/orders/bags"
    try box.script(
      """
      mkdir -p \(cur)/cur.000000000{1,2}
      for n in $(seq 40); do echo > \(cur)/cur.0000000001/2099999999.a$n; echo > \(cur)/cur.0000000002/1699999999.a$n; done
      post sweep
      """)
    #expect(box.names(in: cur) == ["cur.0000000001"])
  }
}
