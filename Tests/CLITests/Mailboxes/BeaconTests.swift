// What shows that a letter is held: a byte of the mailbox's own directory, which holder and handler have locked.

import Linux
import TestKit
import Testing

@Suite struct BeaconTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  private func id(_ name: String) -> String { String(name.prefix { $0 != "," }) }

  // MARK: The name and the lock

  @Test func theNameTellsTheByteThatIsLocked() throws {
    try box.subscribe(Sandbox.working, "Parallel: 2")
    let ids = try [box.send("1"), box.send("2")]
    let watcher = try box.startWatcher()
    #expect(box.begun(2))
    let names = box.entries("cur")
    #expect(names.map(\.withoutBeacon) == ids.map { "\($0),A=1" })
    let bytes = try names.map { try #require($0.beacon) }
    #expect(Set(bytes).count == 2 && bytes.allSatisfy { $0 < 1 << 62 })
    for name in names { #expect(try box.shines(name)) }
    for (id, byte) in zip(ids, bytes) {
      let info = try box.script("cat /proc/\(box.handler(of: id))/fdinfo/189")
      #expect(
        info.contains("OFDLCK") && info.contains(" READ ") && info.contains(" \(byte) \(byte)\n"), "\(info)")
    }
    try box.write("go", "")
    #expect(eventually { box.counts() == [0, 0, 0, 2, 0] })
    #expect(box.entries("done").allSatisfy { !$0.contains(",B=") })
    for name in names { #expect(try eventually { try !box.shines(name) }) }
    watcher.kill(.kill)
  }

  @Test func aLeaseHasNone() throws {
    try box.open("stock")
    let id = try box.send()
    try box.must("read", "stock", "--lease", "1h")
    #expect(box.entries("cur").allSatisfy { $0.hasPrefix("\(id),A=1,L=") && !$0.contains(",B=") })
    #expect(!box.exists("spool/mailboxes/stock/holders"))
  }

  @Test func aReaderWhoseOutputIsFullHoldsItsLetter() throws {
    try box.open("stock")
    try box.script("head -c 300000 /dev/zero | post send orders")
    let reader = try box.start([
      "/bin/bash", "-c", "post read stock | { until test -e go; do sleep 0.01; done; wc -c; }",
    ])
    #expect(eventually { box.entries("cur").count == 1 })
    #expect(try box.shines(box.entries("cur")[0]))
    try box.must("sweep")
    #expect(try box.post("read", "stock").code == 1)
    try box.write("go", "")
    #expect(try reader.wait().text == "300000\n")
  }

  // MARK: Which process holds which letter

  private static let modes = ["exec", "batch", "stream"]

  /// Two handlers, each with its letters: `begun` shows which has which.
  private func twoHandlers(_ mode: String) throws -> Running {
    try box.subscribe("unused")
    let wait = "n=0; until test -e $out/go || test $n = 6000; do n=$((n+1)); sleep 0.01; done"
    let script =
      switch mode {
      case "batch": "out=$POST_SPOOL/..; for f; do f=${f##*/}; echo $$ ${f%%,*} >> $out/begun; done; \(wait)"
      case "stream":
        #"out=$POST_SPOOL/..; for n in 1 2; do IFS= read -r l; id=${l#*\"id\":\"} id=${id%%\"*}; echo $$ $id >> $out/begun; done; \#(wait)"#
      default: "out=$POST_SPOOL/..; echo $$ $POST_ID >> $out/begun; \(wait)"
      }
    let settings =
      ["exec": [], "batch": ["Batch: 2"], "stream": ["Batch: 2", "Handler-Mode: stream"]][mode] ?? []
    try box.configure(
      "stock", ["Handler: exec \(try box.program(script))", "Parallel: 2", "Tries: 9"] + settings)
    try box.sendMany(mode == "exec" ? 2 : 4)
    let watcher = try box.startWatcher()
    #expect(box.begun(mode == "exec" ? 2 : 4))
    return watcher
  }

  @Test(arguments: modes) func aLivingHandlerKeepsItsOwnAndNoSiblings(mode: String) throws {
    let watcher = try twoHandlers(mode)
    let (before, all) = (box.entries("cur"), box.lines(of: "begun"))
    try box.kill(watcher)
    try box.must("sweep")
    #expect(box.entries("cur") == before, "both live")
    let pids = Set(all.map { $0.split(separator: " ")[0] }).sorted()
    try #require(pids.count == 2)
    func letters(_ pid: Substring) -> [String] {
      all.map { $0.split(separator: " ") }.filter { $0[0] == pid }.map { String($0[1]) }.sorted()
    }
    try box.kill(String(pids[0]))
    #expect(try box.takesBack(letters(pids[0])))
    #expect(box.entries("cur").map { id($0) } == letters(pids[1]))
    try box.kill(String(pids[1]))
    #expect(try box.takesBack((letters(pids[0]) + letters(pids[1])).sorted()))
    #expect(box.entries("cur").isEmpty)
  }

  /// Leaves one behind, which has a session of its own before the handler ends.
  private static let daemon =
    "d=$POST_SPOOL/../daemons; setsid sh -c \"echo \\$\\$ > $d.part; mv $d.part $d; exec sleep 300\" "
    + "< /dev/null > /dev/null 2>&1 & until test -s $POST_SPOOL/../daemons; do sleep 0.01; done"

  @Test(arguments: ["Batch: 1", "Batch: 2", "Handler-Mode: stream"])
  func aDaemonOfAHandlerThatIsDonePinsNothing(mode: String) throws {
    try box.subscribe("unused")
    let daemon = BeaconTests.daemon
    let script =
      mode.hasPrefix("Batch")
      ? "if mkdir $POST_SPOOL/../first; then \(daemon); exit 0; fi; \(Sandbox.working)"
      : #"IFS= read -r l; id=${l#*\"id\":\"} id=${id%%\"*}; if mkdir $POST_SPOOL/../first; then \#(daemon); echo "done $id"; exit 0; fi; \#(Sandbox.working)"#
    try box.configure("stock", ["Handler: exec \(try box.program(script))", mode, "Tries: 9"])
    let watcher = try box.startWatcher()
    defer { _ = try? box.shell("kill -9 $(cat daemons)") }
    try box.send("1")
    #expect(eventually { box.counts() == [0, 0, 0, 1, 0] })
    let second = try box.send("2")
    #expect(box.begun())
    try box.must("sweep")
    #expect(box.inHands() == ["\(second),A=1"])
    try box.kill(watcher)
    try box.kill(String(box.lines(of: "begun")[0].split(separator: " ")[0]))
    #expect(box.lines(of: "daemons").allSatisfy { box.isAlive($0) })
    #expect(try box.takesBack([second]))
  }

  @Test func norDoesOneThatTheCommandOfAReaderLeft() throws {
    try box.open("stock")
    try box.sendMany(2)
    let last = try #require(box.entries("new").last)
    let script = try box.program(
      "if mkdir first; then \(BeaconTests.daemon); exit 0; fi; echo $$ > second; exec sleep 60"
    )
    let reader = try box.start(["/bin/bash", "-c", Path("exec post read stock --all -- \(script)")])
    defer { _ = try? box.shell("kill -9 $(cat daemons)") }
    #expect(eventually { !box.lines(of: "second").isEmpty })
    try box.script("kill -9 \(reader.pid)")
    _ = try reader.wait()
    try box.must("sweep")
    #expect(box.inHands() == ["\(last),A=1"])
    try box.kill(box.lines(of: "second")[0])
    #expect(try box.takesBack([last]))
  }

  /// All mailboxes share a letter's inode, and any subscriber may lock what it may read.
  @Test func whoLocksTheLetterPinsItNowhere() throws {
    try box.subscribe(Sandbox.working)
    let id = try box.send()
    let watcher = try box.startWatcher()
    #expect(box.begun())
    let folder = try Directory(box.spool).status("mailboxes/stock").inode
    let locks = try [0, 1, folder, try #require(box.entries("cur")[0].beacon)].map {
      try ByteLock(box.spool / "topics/orders/cur/\(id)", byte: $0)
    }
    try box.kill(watcher)
    try box.kill(box.handler(of: id))
    #expect(try box.takesBack([id]))
    withExtendedLifetime(locks) {}
  }

  // MARK: What changes beside a living holder

  @Test(.needsSwelling) func sweepsThatReplaceDirectoriesLeaveItItsLetter() throws {
    try box.subscribe(Sandbox.working)
    let id = try box.send("1")
    let watcher = try box.startWatcher()
    #expect(box.begun())
    for round in 1...3 {
      try box.send("another \(round)", to: "orders")
      try box.swell(
        ["new", "cur", "later", "done"].map { "spool/mailboxes/stock/\($0)" } + ["spool/topics/orders/cur"])
      try box.must("sweep")
      #expect(box.inHands().filter { $0.hasPrefix(id) } == ["\(id),A=1"])
    }
    try box.must("pause", "stock")
    try box.kill(watcher)
    try box.swell("spool/mailboxes/stock/new", "spool/mailboxes/stock/cur")
    try box.must("sweep")
    #expect(box.inHands() == ["\(id),A=1"])
    #expect(try box.must("read", "stock", "--all") == "another 1another 2another 3")
    try box.write("go", "")
    #expect(eventually { !box.isAlive(box.handler(of: id)) })
    #expect(try box.takesBack([id]))
  }

  @Test func inStrictOrderNothingOvertakesALetterInTheHandsOfTheLiving() throws {
    try box.subscribe(Sandbox.working, "Order: strict")
    try box.sendMany(3)
    let ids = box.entries("new")
    let watcher = try box.startWatcher()
    #expect(box.begun())
    try box.kill(watcher)
    try box.must("sweep")
    #expect(try box.post("read", "stock").code != 0)
    #expect(box.inHands() == ["\(ids[0]),A=1"] && box.entries("new") == Array(ids[1...]))
    try box.kill(box.handler(of: ids[0]))
    #expect(try eventually { try box.post("read", "stock").text == "1" })
    #expect(try box.must("read", "stock", "--all") == "23")
  }
}
