// What version 0.1.0 holds in its own ways is still honoured: an upgrade happens while one of its watchers runs, or
// has just died. The real 0.1.0, named by `POST_OLD_BINARY` (`make acceptance` builds it), meets the new one; and tests
// also make by hand what it leaves, so that part of it is tried each time.

import Linux
import TestKit
import Testing

@Suite struct UpgradeTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  static let old = Host.environment("POST_OLD_BINARY")

  // MARK: By hand

  private static let holder = "0123456789abcdef"

  /// Moves the only letter to `cur/` as 0.1.0 did.
  /// - Parameter marks: the marks after its ID.
  private func claim(_ marks: String) throws -> String {
    try box.open("stock")
    let id = try box.send("a")
    try box.script(
      "cd spool/mailboxes/stock; mkdir -p holders; : > holders/\(Self.holder); mv new/\(id) cur/\(id)\(marks)"
    )
    return id + marks
  }

  private func expectItStays(_ name: String) throws {
    for command in [
      ["sweep"], ["read", "stock"], ["read", "stock", "--all", "--", "true"], ["watch", "--until-empty"],
    ] {
      _ = try box.run([Sandbox.binary] + command.map { Path($0) })
      #expect(box.entries("cur") == [name], "\(command)")
    }
    #expect(try box.post("check").lines.allSatisfy { !$0.contains("holder is dead") })
  }

  private func expectItComesBack() throws {
    #expect(try eventually(within: 5) { try box.post("read", "stock").text == "a" })
    #expect(box.entries("done").first?.contains(",A=2,") == true)
    #expect(box.entries("cur").isEmpty)
    try box.must("sweep")
    #expect(!box.exists("spool/mailboxes/stock/holders"))
  }

  /// A lock on the letter, at the number of the mailbox's inode.
  @Test func aLetterWhoseOwnByteIsLockedIsHeld() throws {
    let name = try claim(",A=1")
    let inode = try Directory(box.spool).status("mailboxes/stock").inode
    do {
      let lock = try ByteLock(box.spool / "mailboxes/stock/cur/\(name)", byte: inode)
      try expectItStays(name)
      withExtendedLifetime(lock) {}
    }
    try expectItComesBack()
  }

  @Test func aLockOnAnotherByteOfItIsNobodys() throws {
    let name = try claim(",A=1")
    let inode = try Directory(box.spool).status("mailboxes/stock").inode
    let lock = try ByteLock(box.spool / "mailboxes/stock/cur/\(name)", byte: inode + 1)
    try expectItComesBack()
    withExtendedLifetime(lock) {}
  }

  /// The watcher's lock is the first byte, for itself alone, the handler's the second.
  @Test(arguments: [0, 1] as [UInt64]) func aLetterWhoseHoldersFileIsLockedIsHeld(byte: UInt64) throws {
    let name = try claim(",A=1,H=\(Self.holder)")
    do {
      let lock = try ByteLock(
        box.spool / "mailboxes/stock/holders/\(Self.holder)", byte: byte, isShared: byte != 0)
      try expectItStays(name)
      #expect(box.exists("spool/mailboxes/stock/holders/\(Self.holder)"))
      withExtendedLifetime(lock) {}
    }
    try expectItComesBack()
  }

  @Test(arguments: ["rm", "true", "rm -r ../holders; true", "mkfifo x; rm"])
  func aLetterWhoseHolderHasGoneComesBack(script: String) throws {
    _ = try claim(",A=1,H=\(Self.holder)")
    _ = try box.shell("cd spool/mailboxes/stock/holders; \(script) \(Self.holder)")
    try expectItComesBack()
  }

  @Test func aLeaseIsALeaseWhoeverTookIt() throws {
    let name = try claim(",A=1,L=\(Clock.wall / 1_000_000_000 + 3600)")
    try expectItStays(name)
    try box.must("done", "stock", String(name.prefix { $0 != "," }))
    #expect(box.entries("done").count == 1)
  }

  @Test func aBeaconIsNotAskedOfTheLetterNorOfAHoldersFile() throws {
    let name = try claim(",A=1,B=\(Self.holder)")
    let locks = try ["cur/\(name)", "holders/\(Self.holder)"].map {
      try ByteLock(box.spool / "mailboxes/stock/\($0)", byte: UInt64(Self.holder, radix: 16) ?? 0)
    }
    #expect(try eventually(within: 5) { try box.post("read", "stock").text == "a" })
    withExtendedLifetime(locks) {}
  }

  // MARK: The real one

  private static let modes = ["exec", "batch", "stream"]

  /// A handler that writes its letters into `handled`, and then waits for the file `go`, if `wait` is there.
  private func configure(_ mode: String, as mailbox: String = "stock") throws {
    let wait =
      "if test -e $out/wait; then echo $$ >> $out/waiting; n=0; until test -e $out/go || test $n = 6000; do n=$((n+1)); sleep 0.01; done; fi"
    let script =
      switch mode {
      case "batch": "out=$POST_SPOOL/..; \(wait); for f; do echo \"$(tail -n 1 $f)\" >> $out/handled; done"
      case "stream":
        #"out=$POST_SPOOL/..; while IFS= read -r l; do id=${l#*\"id\":\"} id=${id%%\"*}; f=${l#*\"file\":\"} f=${f%%\"*}; \#(wait); echo "$(tail -n 1 $f)" >> $out/handled; echo "done $id"; done"#
      default: "out=$POST_SPOOL/..; \(wait); echo \"$(cat)\" >> $out/handled"
      }
    let settings =
      ["exec": [], "batch": ["Batch: 3"], "stream": ["Batch: 3", "Handler-Mode: stream"]][mode] ?? []
    try box.configure(
      mailbox,
      ["Handler: exec \(try box.program(script, "program-\(mailbox)"))", "Retry: 10ms..20ms", "Tries: 9"]
        + settings)
  }

  private func numbers(_ range: ClosedRange<Int>) -> String { range.map { "[\($0)]\n" }.joined() }

  private func oldPost(_ words: String...) throws -> Running {
    try box.start([Self.old ?? "/"] + words.map { Path($0) })
  }

  /// 0.1.0's watcher and the new one share the letters, beside readers and sweeps of both.
  @Test(.needsOldBinary, arguments: modes)
  func anOldWatcherAndANewOneShareTheLetters(mode: String) throws {
    try box.open("stock")
    try configure(mode)
    let old = try oldPost("watch")
    let new = try box.startWatcher()
    var printed = ""
    for round in 0..<6 {
      try box.must("send", "orders", "--lines", input: numbers(round * 50 + 1...round * 50 + 50))
      for _ in 1...5 {
        printed += try box.post("read", "stock").text
        printed += try oldPost("read", "stock").wait().text
        try box.must("sweep")
        #expect(try oldPost("sweep").wait().code == 0)
      }
    }
    #expect(eventually(within: 60) { box.entries("done").count == 300 }, "\(box.counts())")
    for watcher in [old, new] {
      watcher.kill(.terminate)
      #expect(try watcher.wait(atMost: 30).code == 0)
    }
    let handled = box.lines(of: "handled") + printed.split(separator: "]").map { "\($0)]" }
    #expect(handled.count == 300, "\(handled.count) were handed out")
    #expect(Set(handled) == Set((1...300).map { "[\($0)]" }))
    #expect(Set(box.entries("done").map { $0.contains(",A=1,") }) == [true])
  }

  /// A spool with letters in the hands of a dead holder, of a living handler, of a lease.
  @Test(.needsOldBinary, arguments: modes, [true, false])
  func whatAnOldWatcherLeavesIsTakenBackOnceItsHandlerHasEnded(mode: String, isWatched: Bool) throws {
    try box.open("stock", "invoice")
    try configure(mode)
    try box.write("wait", "")
    try box.must("send", "orders", "--lines", input: numbers(1...3))
    let lease = try oldPost("read", "invoice", "--lease", "1h").wait().lines
    let old = try oldPost("watch", "stock")
    #expect(eventually { !box.lines(of: "waiting").isEmpty })
    let held = box.entries("cur")
    #expect(!held.isEmpty && held.allSatisfy { $0.contains(",A=1") && !$0.contains(",B=") })
    // While it lives, then while its handler alone does.
    for isAlive in [true, false] {
      if !isAlive {
        try box.signal("KILL", "\(old.pid)")
        _ = try old.wait()
      }
      try box.must("sweep")
      #expect(Set(box.entries("cur")) == Set(held), "\(isAlive ? "its watcher" : "its handler") lives")
    }
    try box.must("pause", "stock")
    let new = isWatched ? try box.startWatcher() : nil
    try box.must("sweep")
    #expect(Set(box.entries("cur")) == Set(held))
    // Its handler dies, too: exactly what it had comes back.
    for pid in box.lines(of: "waiting") { try box.signal("KILL", pid) }
    try Directory(box.root).remove("wait")
    #expect(
      try eventually {
        try box.must("sweep")
        return box.entries("cur").isEmpty
      })
    #expect(box.entries("new").filter { $0.contains(",A=1") }.count == held.count)
    #expect(box.entries("cur", of: "invoice").map { $0.prefix { $0 != "," } } == lease.map { $0[...] })
    try box.must("resume", "stock")
    if new == nil { try box.must("watch", "--until-empty", "stock") }
    #expect(eventually { box.counts() == [0, 0, 0, 3, 0] })
    #expect(
      Set(box.lines(of: "handled")) == ["[1]", "[2]", "[3]"] && box.lines(of: "handled").count == 3)
    try box.must("done", "invoice", lease[0])
    #expect(!box.exists("spool/mailboxes/stock/holders"))
  }

  /// Of two mailboxes, one's holder is dead and the other's alive.
  @Test(.needsOldBinary) func onlyTheDeadOnesLettersComeBack() throws {
    try box.open("stock", "invoice")
    for mailbox in ["stock", "invoice"] { try configure("exec", as: mailbox) }
    try box.write("wait", "")
    try box.must("send", "orders", "--lines", input: numbers(1...2))
    let dead = try oldPost("watch", "stock")
    #expect(eventually { box.lines(of: "waiting").count == 1 })
    let alive = try oldPost("watch", "invoice")
    #expect(eventually { box.lines(of: "waiting").count == 2 })
    try box.signal("KILL", "\(dead.pid)")
    _ = try dead.wait()
    try box.signal("KILL", box.lines(of: "waiting")[0])
    let held = box.entries("cur", of: "invoice")
    #expect(
      try eventually {
        try box.must("sweep")
        return box.entries("cur").isEmpty
      })
    #expect(box.entries("cur", of: "invoice") == held && held.count == 1)
    try box.write("go", "")
    #expect(eventually { box.entries("done", of: "invoice").count == 2 })
    #expect(box.entries("done", of: "invoice").allSatisfy { $0.contains(",A=1,") })
    alive.kill(.terminate)
    _ = try alive.wait()
  }
}

extension Trait where Self == ConditionTrait {
  fileprivate static var needsOldBinary: Self {
    .enabled(
      if: UpgradeTests.old != nil,
      "POST_OLD_BINARY names no binary of version 0.1.0; make acceptance builds one")
  }
}
