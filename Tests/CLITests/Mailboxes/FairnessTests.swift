// Letters that are tried again and letters that are new: neither waits for all of the others.

import Linux
import TestKit
import Testing

@Suite struct FairnessTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// Fails with `bad` letters.
  private static let choosy =
    "body=$(cat); echo $body >> $POST_SPOOL/../handled; case $body in bad*) exit 1 ;; esac"

  @Test(arguments: [1, 3]) func failingLettersDoNotHoldUpNewOnes(parallel: Int) throws {
    try office.subscribe("true")
    try office.configure(
      "stock",
      [
        "Handler: " + FairnessTests.choosy, "Retry: 1ms..1ms", "Tries: 1000000", "Parallel: \(parallel)",
      ])
    for number in 1...10 { try office.send("bad\(number)") }
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count >= 30 })
    let before = office.lines(of: "handled").count
    try office.sendMany(50)
    #expect(eventually { office.entries("done").count == 50 })
    // They took turns, about: the failing ones neither rested in between, nor took much more than their share.
    let handled = office.lines(of: "handled")[before...]
    let last = try #require(handled.lastIndex { !$0.hasPrefix("bad") })
    let bad = handled[...last].count { $0.hasPrefix("bad") }
    #expect(bad > 10 && bad < 1000)
    #expect(!watcher.hasEnded)
  }

  @Test func aBacklogOfNewLettersDoesNotHoldUpThoseThatAreTriedAgain() throws {
    try office.subscribe(
      "echo $POST_ID $POST_ATTEMPT >> $POST_SPOOL/../handled; cat | grep -vq bad || test $POST_ATTEMPT = 3",
      "Retry: 1ms..1ms")
    let bad = try office.send("bad")
    try office.sendMany(400)
    #expect(try office.watchUntilEmpty().code == 0)
    let handled = office.lines(of: "handled")
    #expect(handled.count == 403)
    #expect(try #require(handled.firstIndex(of: "\(bad) 3")) < 200)
  }

  @Test func aStreamGivesBothTheirTurns() throws {
    try office.stream(
      """
      while next; do
        echo $body >> $out/handled
        case $body in bad*) echo retry $id ;; *) echo done $id ;; esac
      done
      """, "Retry: 1ms..1ms", "Tries: 1000000")
    for number in 1...10 { try office.send("bad\(number)") }
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count >= 30 })
    try office.sendMany(50)
    #expect(eventually { office.entries("done").count == 50 })
    let before = office.lines(of: "handled").count
    #expect(eventually { office.lines(of: "handled").count > before + 10 })
    #expect(!watcher.hasEnded)
  }

  @Test func aBatchHandlerGivesBothTheirTurns() throws {
    try office.subscribe(
      try office.program(
        "for file; do tail -n 1 \"$file\" | grep . >> $POST_SPOOL/../handled; ! grep -q ^bad \"$file\" || exit 1; done"
      ), "Batch: 10", "Tries: 1000000", "Retry: 1ms..1ms")
    for number in 1...10 { try office.send("bad\(number)") }
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count >= 30 })
    try office.sendMany(50)
    #expect(eventually { office.entries("done").count == 50 })
    #expect(!watcher.hasEnded)
  }
}
