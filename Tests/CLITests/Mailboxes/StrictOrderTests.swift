// `Order: strict`: nothing overtakes a letter that is to be tried again.

import Linux
import TestKit
import Testing

@Suite struct StrictOrderTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// The first letter fails until the file `mended` is in the sandbox. The running handlers are listed in `working`.
  private static let failing =
    "cd $POST_SPOOL/..; mkdir working || echo overlap >> overlaps; body=$(cat); echo $body >> handled; "
    + "rmdir working; test $body != 1 || test -e mended"

  private static let numbers = (1...12).map(String.init)

  /// The letters handled, each only once where it was tried several times in a row.
  private var order: [String] {
    office.lines(of: "handled").reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  @Test(arguments: [[], ["Parallel: 3"], ["Batch: 1", "Parallel: 3"]])
  func nothingOvertakesAFailingLetter(settings: [String]) throws {
    try office.subscribe("true")
    try office.configure(
      "stock",
      ["Handler: " + StrictOrderTests.failing, "Order: strict", "Retry: 10ms..20ms", "Tries: 10000"]
        + settings)
    try office.sendMany(12)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count >= 8 })
    #expect(order == ["1"])
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
    #expect(office.lines(of: "overlaps").isEmpty)
    #expect(!watcher.hasEnded)
  }

  @Test func nothingOvertakesItWithTwoWatchers() throws {
    try office.subscribe(
      StrictOrderTests.failing, "Order: strict", "Parallel: 3", "Tries: 10000")
    try office.sendMany(12)
    let watchers = [try office.startWatcher(), try office.startWatcher()]
    #expect(eventually { office.lines(of: "handled").count >= 8 })
    #expect(order == ["1"])
    try office.write("mended", "")
    #expect(eventually(within: 60) { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
    #expect(office.lines(of: "overlaps").isEmpty)
    #expect(!watchers.contains { $0.hasEnded })
  }

  @Test(arguments: ["Batch: 5", "Handler-Mode: stream"])
  func nothingOvertakesItWithTwoWatchersOfManyLettersAtOnce(setting: String) throws {
    let batch = """
      cd $POST_SPOOL/..
      for file; do
        body=$(tail -n 1 "$file"); echo $body >> handled
        test $body != 1 || test -e mended || exit 1
      done
      """
    let stream = """
      while next; do
        echo $body >> $out/handled
        if test $body != 1 || test -e $out/mended; then echo done $id; else echo retry $id; fi
      done
      """
    if setting.hasPrefix("Batch") {
      try office.subscribe(try office.program(batch), setting, "Order: strict", "Tries: 10000")
    } else {
      try office.stream(stream, "Order: strict", "Tries: 10000")
    }
    try office.sendMany(12)
    let watchers = [try office.startWatcher(), try office.startWatcher()]
    #expect(eventually { office.lines(of: "handled").count >= 20 })
    #expect(order == ["1"])
    try office.write("mended", "")
    #expect(eventually(within: 60) { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
    #expect(!watchers.contains { $0.hasEnded })
  }

  @Test func aReaderDoesNotOvertakeItEither() throws {
    try office.subscribe(StrictOrderTests.failing, "Order: strict", "Retry: 1h")
    try office.sendMany(12)
    let watcher = try office.startWatcher()
    #expect(eventually { office.counts() == [11, 0, 1, 0, 0] })
    #expect(try office.post("read", "stock").code == 1)
    #expect(try office.post("read", "stock", "--all", "--", "true").code == 1)
    #expect(try office.post("read", "stock", "--batch", "3", "--all", "--", "true").code == 1)
    #expect(watcher.rest() != nil)
    #expect(office.counts() == [11, 0, 1, 0, 0])
    // With shorter delays nothing waits for an hour.
    try office.write("mended", "")
    try office.configure(
      "stock", ["Handler: " + StrictOrderTests.failing, "Order: strict", "Retry: 10ms..20ms"])
    #expect(eventually { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
  }

  /// Any post command puts letters back that are due. The watcher, which may have planned for other letters, must
  /// notice that.
  @Test func nothingOvertakesALetterThatReadersPutBack() throws {
    try office.subscribe(StrictOrderTests.failing, "Order: strict", "Tries: 10000")
    try office.sendMany(12)
    let watcher = try office.startWatcher()
    for _ in 1...30 {
      let read = try office.post("read", "stock", "--", "sh", "-c", StrictOrderTests.failing)
      #expect(read.code == 1)
    }
    #expect(order == ["1"])
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
    #expect(office.lines(of: "overlaps").isEmpty)
    #expect(!watcher.hasEnded)
  }

  @Test func aReaderDoesNotOvertakeALetterInHands() throws {
    try office.subscribe(WatchKillTests.waiting, "Order: strict")
    try office.sendMany(3)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun").count == 1 })
    #expect(try office.post("read", "stock").code == 1)
    #expect(office.counts() == [2, 1, 0, 0, 0])
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 3, 0] })
    #expect(!watcher.hasEnded)
  }

  @Test func aReaderGoesOnWhereOneBeforeItHasFailed() throws {
    try office.subscribe("true", "Order: strict", "Tries: 2", "Retry: 10ms..20ms")
    try office.sendMany(3)
    #expect(try office.post("read", "stock", "--all", "--", "false").code == 75)
    #expect(office.counts() == [2, 0, 1, 0, 0])
    #expect(
      try eventually {
        let read = try office.post("read", "stock", "--", "false")
        return read.code == 1 && office.entries("failed").count == 1
      })
    #expect(try office.post("read", "stock", "--all").text == "23")
  }

  @Test func nothingOvertakesALetterOfABatch() throws {
    let program = try office.program(
      """
      cd $POST_SPOOL/..
      for file; do
        body=$(tail -n 1 "$file"); echo $body >> handled
        test $body != 3 || test -e mended || exit 1
      done
      """)
    try office.subscribe(program, "Order: strict", "Batch: 5", "Parallel: 2", "Tries: 10000")
    try office.sendMany(12)
    let watcher = try office.startWatcher()
    // 1 2 3 together, 1 2 3 alone, then 3 again and again.
    #expect(eventually { office.lines(of: "handled").count >= 12 })
    #expect(order == ["1", "2", "3", "1", "2", "3"])
    #expect(eventually { office.entries("done").count == 2 })
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == ["1", "2", "3"] + StrictOrderTests.numbers)
    #expect(!watcher.hasEnded)
  }

  @Test func nothingOvertakesALetterOfAStream() throws {
    try office.stream(
      """
      while next; do
        echo $body >> $out/handled
        if test $body = 3 && ! test -e $out/mended; then echo retry $id; else echo done $id; fi
      done
      """, "Order: strict", "Parallel: 2", "Tries: 10000")
    try office.sendMany(12)
    let watcher = try office.startWatcher()
    #expect(eventually { office.lines(of: "handled").count >= 8 })
    #expect(order == ["1", "2", "3"])
    try office.write("mended", "")
    #expect(eventually { office.counts() == [0, 0, 0, 12, 0] })
    #expect(order == StrictOrderTests.numbers)
    #expect(office.starts.count == 1)
    #expect(!watcher.hasEnded)
  }
}
