// Watchers and readers that wait: inotify(7) follows the directory, also when it becomes a bag.

import Linux
import TestKit
import Testing

@Suite(.needsSwelling) struct BagWatchTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// A moment, in seconds: without a hint, everything is looked at once a minute.
  private static let moment: Int64 = 15

  private static let slow = """
    read -r body; echo $body >> ../../../handled
    n=0; test $body != wait || until test -e ../../../go || test $n = 6000; do n=$((n+1)); sleep 0.01; done
    """

  /// Starts a watcher that has letters waiting, because its handler takes its time over one of them.
  private func startBusy(_ waiting: String...) throws -> Running {
    try box.subscribe(BagWatchTests.slow.replacing("\n", with: "; "))
    let watcher = try box.startWatcher()
    try box.send("wait")
    #expect(eventually { box.lines(of: "handled") == ["wait"] })
    for body in waiting { try box.send(body) }
    return watcher
  }

  private func seal(_ folder: String = "mailboxes/stock/new") throws {
    let spool = try Directory(box.spool)
    let inode = try spool.status(Path(folder)).inode
    try box.swell("spool/\(folder)")
    try box.must("sweep")
    #expect(try spool.status(Path(folder)).inode != inode)
  }

  private func expectHandled(_ bodies: [String], _ place: Comment) {
    #expect(
      eventually(within: BagWatchTests.moment) { box.lines(of: "handled") == bodies },
      "\(place): \(box.lines(of: "handled"))")
  }

  @Test func aWatcherHearsOfWhatComesAfterASeal() throws {
    let watcher = try startBusy("a", "b")
    try seal()
    #expect(box.names(in: "spool/mailboxes/stock/bags") == ["new.0000000001"])
    try box.send("c")
    try box.write("go", "")
    expectHandled(["wait", "a", "b", "c"], "bag first")
    for number in 1...3 {
      #expect(watcher.rest() != nil)
      try box.send("\(number)")
      #expect(eventually(within: BagWatchTests.moment) { box.lines(of: "handled").last == "\(number)" })
      #expect(watcher.rest() != nil)
      try seal()  // now empty, it is replaced
    }
    try box.send("end")
    expectHandled(["wait", "a", "b", "c", "1", "2", "3", "end"], "replaced")
  }

  /// A foreign deliverer that has opened the directory may be slow; when it writes, the directory is a bag.
  @Test func aWatcherHearsOfWhatComesIntoTheOldDirectory() throws {
    let watcher = try startBusy()
    // An entry that keeps the bag from being removed.
    try box.write("spool/mailboxes/stock/new/.kept", "")
    let old = try Directory(box.spool / "mailboxes/stock/new")
    try seal()
    try box.write("go", "")
    try box.send("a")
    expectHandled(["wait", "a"], "the new directory")
    for number in 1...3 {
      #expect(watcher.rest() != nil)
      try box.write("draft", "\(number)\n")
      let name = Path("100000000\(number).foreign")
      if number % 2 == 1 {
        try Directory(box.root).rename("draft", to: old, name)
      } else {
        try Directory(box.root).link("draft", into: old, name)
      }
      #expect(
        eventually(within: BagWatchTests.moment) { box.lines(of: "handled").last == "\(number)" },
        "\(number): \(box.lines(of: "handled"))")
    }
    #expect(try box.script("ls -A spool/mailboxes/stock/bags/*") == ".kept\n")
  }

  /// Once it is removed, nothing can come into it, and a program that tries gets an error.
  @Test func whatIsRemovedTakesNoLetters() throws {
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
    let old = try Directory(box.spool / "mailboxes/stock/new")
    try seal()
    #expect(try box.must("read", "stock") == "a")
    #expect(try box.post("read", "stock").code == 1)  // it finds the bag empty
    #expect(box.bags(of: "spool/mailboxes/stock", "new").isEmpty)
    try box.write("draft", "b\n")
    #expect(throws: Errno.noEntry) { try Directory(box.root).rename("draft", to: old, "1000000001.foreign") }
    #expect(throws: Errno.noEntry) { try Directory(box.root).link("draft", into: old, "1000000001.foreign") }
  }

  @Test func aReaderThatWaitsHearsOfWhatComesAfterASeal() throws {
    try box.open("stock")
    for (number, words) in [["--wait=60s"], ["--wait=60s", "--", "cat"]].enumerated() {
      let reader = try box.start([Sandbox.binary, "read", "stock"] + words.map { Path($0) })
      #expect(eventually { reader.sleepsInPoll })
      try seal()
      let begun = Clock.monotonic
      try box.must("send", "orders", "-m", "\(number)")
      #expect(try reader.wait().text == "\(number)")
      #expect(Clock.monotonic - begun < BagWatchTests.moment * 1_000_000_000)
    }
  }

  /// A topic's `new` is watched as well, and replaced when it has grown.
  @Test func aWatcherSortsForeignLettersAfterTheirDirectoryWasReplaced() throws {
    try box.subscribe("cat >> ../../../handled")
    let watcher = try box.startWatcher()
    #expect(watcher.rest() != nil)
    for number in 1...2 {
      try seal("topics/orders/new")
      #expect(watcher.rest() != nil)
      try box.deliverForeign("100000000\(number).foreign", "\(number)\n")
      #expect(eventually(within: BagWatchTests.moment) { box.lines(of: "handled").count == number })
    }
  }
}
