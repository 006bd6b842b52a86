import Linux
import TestKit
import Testing

/// Process numbers that are used twice, host names that differ, offices side by side: no process takes what another
/// holds.
@Suite struct IdentityTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// Runs the next words as process 1 of a world with its own process numbers, which ends with them.
  private static let elsewhere = "unshare --pid --fork --kill-child --mount-proc"

  /// A command for a holder: it records that it has begun, and waits for the file `go`, a minute at most.
  private static let waiting =
    #"sh -c 'echo $POST_ID $POST_ATTEMPT >> begun; n=0; until test -e go || test $n = 6000; do n=$((n+1)); sleep 0.01; done'"#

  private func hold(_ prefix: String) throws -> Running {
    let holder = try box.start([
      "/bin/bash", "-c", Path("exec \(prefix) post read stock -- \(IdentityTests.waiting)"),
    ])
    #expect(eventually { box.exists("begun") })
    return holder
  }

  @Test(.needsNamespaces) func sendersOfOneNumberHaveDifferentIDs() throws {
    let script = "for n in $(seq 20); do \(IdentityTests.elsewhere) post send orders --id -m \"[$n]\"; done"
    // Through a pipe: two processes that write into one file in memory overwrite each other.
    let ids = try box.script("{ (\(script)) & (\(script)) & wait; } | cat").split(separator: "\n")
    #expect(ids.count == 40)
    #expect(ids.allSatisfy { $0.contains("P1Q") }, "\(ids)")
    let dice = ids.compactMap { $0.split(separator: "R").last?.prefix(8) }
    #expect(Set(dice).count == 40)
    #expect(try box.must("read", "stock", "--all").split(separator: "]").count == 40)
  }

  @Test(.needsNamespaces, arguments: ["", elsewhere], ["", elsewhere])
  func aHolderElsewhereKeepsItsLetterWhileItLives(holder: String, other: String) throws {
    try box.must("send", "orders", "-m", "a")
    let running = try hold(holder)
    for command in ["post sweep", "post read stock --all", "post sweep"] {
      let ended = try box.shell("\(other) \(command)")
      #expect(ended.code == (command.contains("read") ? 1 : 0) && ended.text == "")
    }
    #expect(box.entries("cur").count == 1)
    try box.write("go", "")
    #expect(try running.wait().code == 0)
    #expect(box.entries("done").first?.contains(",A=1,") == true)
  }

  @Test(.needsNamespaces, arguments: ["", elsewhere])
  func aHolderThatDiedElsewhereIsKnownToBeDead(other: String) throws {
    try box.must("send", "orders", "-m", "a")
    let holder = try hold(IdentityTests.elsewhere)
    holder.kill(.kill)  // and with it, all of its world
    _ = try holder.wait()
    #expect(
      try eventually {
        let ended = try box.shell("\(other) post read stock")
        return ended.code == 0 && ended.text == "a"
      })
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  /// Two containers share a spool; one of them is killed while it works, again and again.
  @Test(.needsNamespaces) func containersShareASpool() throws {
    try box.must(
      "subscribe", "stock", "orders", "--retry", "10ms", "--parallel", "2", "--", "sh", "-c",
      "echo \"$(cat) $(hostname)\" >> \(box.root)/handled")
    func container(_ host: String, _ script: String) throws -> Running {
      try box.start([
        "/bin/bash", "-c",
        Path("exec unshare -p -m -u -f --kill-child --mount-proc bash -c 'hostname \(host); \(script)'"),
      ])
    }
    let numbers = 1...60
    let senders = try ["shop-a", "shop-b"].map { host in
      try container(
        host, "for n in {1..60}; do echo $n.\(host); done | post send orders --lines --id > ids.\(host)")
    }
    let steady = try container("shop-a", "post watch")
    for _ in 1...4 {
      let shaky = try container("shop-b", "post watch")
      let before = box.entries("done").count
      #expect(eventually { box.entries("done").count >= min(before + 10, 100) })
      shaky.kill(.kill)
      _ = try shaky.wait()
    }
    for sender in senders { #expect(try sender.wait().code == 0) }
    #expect(eventually { box.entries("done").count == 120 })
    steady.kill(.kill)
    _ = try steady.wait()
    let bodies = try box.read("handled").split(separator: "\n").compactMap { $0.split(separator: " ").first }
    let sent = numbers.flatMap { ["\($0).shop-a", "\($0).shop-b"] }
    #expect(Set(bodies.map(String.init)) == Set(sent))
    // Each of the killed had two letters in hands at most.
    #expect(bodies.count <= 120 + 8)
    for host in ["shop-a", "shop-b"] {
      #expect(try box.read("ids.\(host)").split(separator: "\n").allSatisfy { $0.hasSuffix(".\(host)") })
    }
  }

  /// Two offices, and between them letters that a foreign program has linked into both: each office has its
  /// own beacons, though the file is one.
  @Test func twoOfficesThatShareALettersFileDoNotShareItsClaims() throws {
    try box.must("--spool", "other", "subscribe", "stock", "orders")
    let id = "\(Clock.wall / 1_000_000_000).M1P1.host"
    try box.script("echo -n a > a; ln a spool/topics/orders/new/\(id); ln a other/topics/orders/new/\(id)")
    try box.must("sweep")
    try box.must("--spool", "other", "sweep")
    let holder = try hold("")
    let held = box.entries("cur")
    #expect(held.map(\.withoutBeacon) == ["\(id),A=1"])
    // In the other office a holder has died.
    try box.script("cd other/mailboxes/stock; mv new/\(id) cur/\(id),A=1")
    try box.must("--spool", "other", "sweep")
    #expect(box.names(in: "other/mailboxes/stock/new") == ["\(id),A=1"])
    #expect(box.entries("cur") == held)
    try box.must("sweep")
    #expect(box.entries("cur") == held)
    #expect(try box.must("--spool", "other", "read", "stock") == "a")
    try box.write("go", "")
    #expect(try holder.wait().code == 0)
  }

  @Test func twoOfficesAtOnceKeepToThemselves() throws {
    let handler = "cat >> \"$POST_SPOOL.handled\"; echo >> \"$POST_SPOOL.handled\""
    for spool in ["one", "two"] {
      try box.must("--spool", spool, "subscribe", "stock", "orders", "--", "sh", "-c", handler)
    }
    try box.script(
      """
      for spool in one two; do
        (for n in $(seq 40); do echo $spool.$n; done | post --spool $spool send orders --lines) &
        post --spool $spool watch --until-empty &
      done
      wait
      for spool in one two; do post --spool $spool watch --until-empty; done
      """)
    for spool in ["one", "two"] {
      let handled = try box.read("\(spool).handled").split(separator: "\n").map(String.init)
      #expect(handled.sorted() == (1...40).map { "\(spool).\($0)" }.sorted())
    }
  }
}
