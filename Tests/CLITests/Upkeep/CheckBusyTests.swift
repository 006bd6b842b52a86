import Linux
import TestKit
import Testing

/// What is merely in motion is no finding, and check disturbs no living process.
@Suite struct CheckBusyTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.openWithLetters()
  }

  @Test(arguments: [[], ["--repair"]])
  func aSenderThatIsStillWritingIsNoFinding(words: [String]) throws {
    let sender = try box.start([
      "/bin/bash", "-c", "(echo begin; while test ! -e go; do sleep 0.01; done) | post send orders",
    ])
    #expect(eventually { box.topicEntries("tmp").count == 1 })
    try box.expectClean()
    #expect(try box.post("check", "--repair").code == 0)
    #expect(box.topicEntries("tmp").count == 1)
    try box.write("go", "")
    #expect(try sender.wait().code == 0)
    #expect(try box.must("read", "stock", "--all") == "abcbegin\n")
  }

  @Test(.needsStrace) func aSenderThatIsSortingIsNoFinding() throws {
    let sender = try box.start([
      "strace", "-f", "-qq", "-o", "trace", "-e", "trace=linkat", "-e", "inject=linkat:signal=STOP:when=1",
      Sandbox.binary, "send", "orders", "-m", "d",
    ])
    #expect(eventually { (try? box.read("trace").contains("SIGSTOP")) == true })
    #expect(box.topicEntries("new").count == 1)
    try box.expectClean()
    #expect(try box.check("--repair") == [])
    #expect(box.topicEntries("new").count == 1)
    try box.script("kill -CONT $(cut -d ' ' -f 1 trace | head -1)")
    #expect(try sender.wait().code == 0)
    #expect(try box.must("read", "stock", "--all") == "abcd")
  }

  @Test func handlersAtWorkAndLeasesInForceAreNoFinding() throws {
    try box.must("read", "invoice", "--lease", "1h")
    let reader = try box.startPost(
      "read", "stock", "--", "sh", "-c", "touch started; until test -e go; do sleep 0.01; done")
    let watched = try box.startPost("watch", "dispatch")
    defer { for running in [reader, watched] { running.kill(.kill) } }
    #expect(eventually { box.exists("started") })
    try box.expectClean()
    #expect(try box.check("--repair") == [])
    #expect(box.entries("cur").count == 1 && box.entries("cur", of: "invoice").count == 1)
    try box.write("go", "")
    #expect(try reader.wait().code == 0)
    #expect(box.entries("done").count == 1)
  }

  /// A handler's letter was rewritten while it works: it is left in its hands.
  @Test func aSpoiledLetterInAHandlersHandsIsLeftThere() throws {
    let reader = try box.startPost(
      "read", "stock", "--", "sh", "-c", "touch started; until test -e go; do sleep 0.01; done")
    #expect(eventually { box.exists("started") })
    let name = try #require(box.entries("cur").first)
    try box.script("it=spool/mailboxes/stock/cur/\(name); chmod u+w $it; printf x >> $it; chmod a-w $it")
    let found = try box.check("--repair").filter { $0.hasPrefix("mailboxes/stock/") }
    #expect(found.count == 1)
    #expect(found[0].hasSuffix("; a living holder has claimed it; run post check again later"))
    try box.write("go", "")
    #expect(try reader.wait().code == 0)
    #expect(box.entries("done").count == 1)
  }

  /// Senders, foreign programs, readers, a watcher with a handler that fails: for as long as all that goes
  /// on, there is nothing to be found, and nothing is lost by repairing.
  @Test func anOfficeAtWorkIsCleanAllTheTime() throws {
    try box.write(
      "spool/mailboxes/stock/mailbox.conf",
      "Handler: test $(($(date +%N | tail -c 2) % 3)) != 0\nRetry: 5ms..20ms\nParallel: 2\nTries: 2\n")
    let watcher = try box.startPost("watch", "-q")
    defer {
      watcher.kill(.kill)
      _ = try? watcher.wait()
    }
    let work = try box.start([
      "/bin/bash", "-c",
      """
      (for n in $(seq 40); do post send orders -m x; done) &
      (seq 60 | post send orders --lines) &
      (cd spool/topics/orders; for n in $(seq 20); do echo x > tmp/$n.x; mv tmp/$n.x new/; done) &
      (for n in $(seq 40); do id=$(post read invoice --lease 1h) && post done invoice $id; done) &
      (for n in $(seq 15); do post sweep; post retry stock ALL; post read invoice -n 2 > /dev/null; done) &
      wait
      """,
    ])
    var rounds = 0
    repeat {
      let looked = try box.check(rounds % 2 == 0 ? "--repair" : "-v")
      #expect(looked == [])
      rounds += 1
    } while !work.hasEnded
    #expect(try work.wait().code == 0)
    #expect(rounds > 1)
    try box.must("sweep")
    try box.expectClean()
    let counts = ["stock", "invoice"].map { mailbox in
      ["new", "cur", "later", "done", "failed"].map { box.entries($0, of: mailbox).count }.reduce(0, +)
    }
    // A letter that moves while we count is counted twice or not at all: the watcher has to stop first.
    watcher.kill(.terminate)
    #expect(eventually { watcher.hasEnded })
    #expect(counts[1] == 123)
    let names = ["new", "cur", "later", "done", "failed"].flatMap { box.entries($0) }
    #expect(names.count == 123)
  }

  /// Killed wherever it changes a name or a mode: the next check finishes what the first began.
  @Test(.needsStrace, arguments: 1...7)
  func aRepairThatIsKilledIsRepeated(call: Int) throws {
    let id = box.entries("new")[0]
    try box.script(
      """
      cd spool
      mv mailboxes/stock/new/\(id) mailboxes/stock/cur/\(id),A=1
      echo d > topics/orders/new/10.x
      mkdir mailboxes/stock/done/10.y; echo x > mailboxes/invoice/tmp/\(id); rm -r mailboxes/invoice/later
      """)
    _ = try box.shell(
      "strace -o /dev/null -e inject=renameat2,linkat,unlinkat,fchmod,mkdirat:signal=KILL:when=\(call) post check --repair"
    )
    _ = try box.post("check", "--repair")
    try box.script("rm -r spool/mailboxes/stock/corrupt")
    try box.expectClean()
    // Within a second a foreign letter may come first.
    for mailbox in ["stock", "invoice"] {
      #expect(try box.must("read", mailbox, "--all").sorted() == "abcd\n".sorted())
    }
  }
}
