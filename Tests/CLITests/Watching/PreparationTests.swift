// What may happen while a large letter is verified and copied for its handler, and to letters that were claimed before
// their mailbox's settings changed.

import Linux
import TestKit
import Testing

@Suite struct PreparationTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// Sends a letter with so many MiB of zeros.
  private func sendLarge(_ mebibytes: Int) throws {
    try box.script("head -c \(mebibytes << 20) /dev/zero | post send orders")
  }

  /// Spoils the last byte of a waiting letter of more than a MiB.
  private func spoilLarge() throws {
    try box.script(
      """
      for it in spool/mailboxes/stock/new/*; do
        size=$(stat -c %s "$it"); test $size -gt 1000000 || continue
        chmod u+w "$it"; printf x | dd of="$it" bs=1 seek=$((size - 1)) conv=notrunc 2> /dev/null; chmod u-w "$it"
      done
      """)
  }

  @Test func aLargeLetterWhoseStreamDiesMeanwhileIsNotStuck() throws {
    try box.subscribe(
      try box.program("read -r letter; exit 3"), "Handler-Mode: stream", "Batch: 8", "Tries: 2")
    try box.send("small")
    try sendLarge(64)
    let watcher = try box.startWatcher("--until-empty")
    #expect(eventually(within: 60) { watcher.hasEnded })
    #expect(box.counts()[..<4] == [0, 0, 0, 0])
  }

  @Test func lettersOfABatchGoToNoHandlerOfAnotherKind() throws {
    try box.subscribe(
      try box.program("touch ../../../begun; until test -e ../../../go; do sleep 0.01; done; exit 1"),
      "Batch: 8")
    try box.sendMany(2)
    let watcher = try box.startWatcher("--until-empty")
    #expect(eventually { box.exists("begun") })
    let stream = try box.program(
      #"""
      while IFS= read -r letter; do
        id=${letter#*\"id\":\"} id=${id%%\"*}
        echo "$id" >> ../../../seen; echo "done $id"
      done
      """#, "stream")
    try box.configure("stock", ["Handler: " + stream, "Handler-Mode: stream", "Batch: 8"])
    _ = watcher.rest()  // it has taken them up
    try box.write("go", "")
    #expect(eventually { watcher.hasEnded })
    #expect(box.counts() == [0, 0, 0, 2, 0])
    #expect(box.lines(of: "seen").count == 2)
  }

  @Test func aSpoiledLargeLetterOfABatchHoldsUpNeitherItsOthersNorTheNext() throws {
    try box.subscribe(
      try box.program(#"for it; do tail -n 1 "$it"; echo; done >> ../../../seen"#), "Batch: 8")
    try box.sendMany(2)
    try sendLarge(4)
    try spoilLarge()
    try box.send("3")
    let run = try box.watchUntilEmpty()
    #expect(run.errors.contains("does not match its digest"))
    #expect(box.lines(of: "seen") == ["1", "2", "3"])
    #expect(box.counts() == [0, 0, 0, 3, 0] && box.entries("corrupt").count == 1)
  }

  @Test func aSpoiledLargeLetterThatCannotBeSetAsideIsTriedAgain() throws {
    try box.subscribe(try box.program("cat >> ../../../seen"))
    try sendLarge(4)
    try spoilLarge()
    try box.write("spool/mailboxes/stock/corrupt", "in the way")
    let watcher = try box.startWatcher()
    #expect(eventually { watcher.errorsSoFar.contains("cannot be set aside") })
    try box.script("rm spool/mailboxes/stock/corrupt")
    try box.send("next")
    #expect(eventually { box.lines(of: "seen") == ["next"] && box.entries("corrupt").count == 1 })
  }

  /// The first reads of the body fail; the small letter is handled, and the watcher reports why it ends.
  @Test(.needsStrace) func aLargeLetterThatCannotBeReadEndsInAWordAndNotInACircle() throws {
    try box.subscribe(try box.program("cat >> ../../../seen"))
    try sendLarge(4)
    try box.send("small")
    let run = try box.shell(
      "exec timeout 60 strace -o /dev/null -e trace=pread64 -e inject=pread64:error=EIO:when=3+ post watch --until-empty"
    )
    #expect(run.code != 124 && run.code != 0)
    #expect(run.errors.contains("cannot read letter"))
    #expect(box.counts()[0] >= 1 && box.counts()[1] == 0)
  }
}
