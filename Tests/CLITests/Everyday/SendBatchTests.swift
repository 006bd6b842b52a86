import Linux
import TestKit
import Testing

/// Letters that are sent together are accepted in groups: a group is bounded, no letter waits for it to fill up, and
/// each letter is accepted or refused for itself, in their order.
@Suite struct SendBatchTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice", "dispatch")
  }

  /// Letters were accepted, these and no others, and the command has printed their IDs.
  private func expect(
    _ bodies: [String], _ run: Sandbox.Run, at location: SourceLocation = #_sourceLocation
  ) throws {
    let ids = run.lines
    #expect(ids.count == bodies.count, "\(run.errors)", sourceLocation: location)
    #expect(box.topicEntries("cur") == ids, sourceLocation: location)
    for place in ["tmp", "new", "held"] { #expect(box.topicEntries(place).isEmpty, sourceLocation: location) }
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(box.entries("new", of: mailbox) == ids, sourceLocation: location)
    }
    let read = try box.post("read", "stock", "--all", "--", "sh", "-c", "cat; echo")
    #expect(read.lines == bodies, "\(read.errors)", sourceLocation: location)
    let count = bodies.count == 1 ? "1 letter was accepted\n" : "\(bodies.count) letters were accepted\n"
    let isCounted = run.code == 0 || bodies.isEmpty || run.errors.hasSuffix(count)
    #expect(isCounted, "\(run.errors)", sourceLocation: location)
  }

  /// How often names in a directory were made durable, according to `strace -y -o trace`.
  private func syncs(of folder: String) throws -> Int {
    try box.read("trace").split(separator: "\n").count { $0.contains("fsync(") && $0.contains("/\(folder)>") }
  }

  // MARK: Errors in the middle

  @Test(arguments: ["missing", "."])
  func filesBeforeOneThatCannotBeReadAreAccepted(bad: String) throws {
    for name in ["a", "b", "c"] { try box.write(name, name) }
    let ended = try box.post("send", "orders", "--id", "a", "b", bad, "c")
    #expect(ended.code == 66)
    try expect(["a", "b"], ended)
  }

  @Test func linesBeforeAnInputThatCannotBeReadAreAccepted() throws {
    try box.write("one", "a\nb")
    let ended = try box.post("send", "orders", "--id", "--lines", "one", "/proc/self/mem")
    #expect(ended.code == 74)
    try expect(["a", "b"], ended)
  }

  @Test(.needsStrace) func aPieceThatAFailedReadTornIsNotAccepted() throws {
    try box.write("input", "a\nb\nc")
    try box.script(
      "strace -o trace -e trace=read post send none --lines < input; grep -n 'read(0' trace | sed -n 2p > second"
    )
    let second = try box.read("second").prefix { $0 != ":" }
    let ended = try box.shell(
      "strace -o /dev/null -e inject=read:error=EIO:when=\(second) post send orders --lines --id < input")
    #expect(ended.code == 74)
    try expect(["a", "b"], ended)
  }

  @Test(
    .needsStrace,
    arguments: [
      ("write:error=ENOSPC:when=5", 4, 75), ("write:error=EIO:when=1", 0, 74),
      ("openat:error=ENOSPC:when=", 6, 75), ("renameat2:error=EIO:when=3", 2, 74),
      ("fsync:error=EIO:when=3", 2, 74), ("fsync:error=EIO:when=1", 0, 74),
      ("fsync:error=EIO:when=8", 0, 74),  // new/
      ("fcntl:error=ENOLCK:when=5", 4, 74),
    ])
  func lettersBeforeOneThatCannotBeAcceptedAre(fault: String, count: Int, code: Int32) throws {
    try box.write("input", (1...7).map { "\($0)\n" }.joined())
    var fault = fault
    if fault.hasPrefix("openat") {
      try box.script(
        "strace -o trace -e trace=openat post send orders --lines < input; grep -n O_EXCL trace | sed -n 7p > which"
      )
      fault += try box.read("which").prefix { $0 != ":" }
      try box.script("rm spool/*/*/new/* spool/topics/orders/cur/*")
    }
    let ended = try box.shell("strace -o /dev/null -e inject=\(fault) post send orders --lines --id < input")
    #expect(ended.code == code, "\(ended.errors)")
    try expect((0..<count).map { "\($0 + 1)" }, ended)
  }

  /// Another program's write error: each file reports its own. (Whether syncfs is called depends on what others write.)
  @Test(
    .needsStrace,
    arguments: [
      ("-e inject=syncfs:error=EIO", 20, 0),
      ("-e inject=syncfs:error=EIO -e inject=fsync:error=EIO:when=12", 11, 74),
    ])
  func aSyncfsThatFailsIsNotBelieved(faults: String, count: Int, code: Int32) throws {
    let ended = try box.shell("seq 20 | strace -o /dev/null \(faults) post send orders --lines --id")
    #expect(ended.code == code || count == 11 && ended.code == 0, "\(ended.errors)")
    if ended.code == code { try expect((1...count).map(String.init), ended) }
  }

  /// They are accepted nevertheless, and so are those that come after them.
  @Test(arguments: ["> /dev/full", ">&-", "| true"])
  func whenTheIDsCannotBePrintedThatIsSaid(output: String) throws {
    let ended = try box.shell("(seq 600 | post send orders --lines --id; echo $? >&2) \(output)")
    let words = ended.errors.split(separator: "\n")
    #expect(words.count == 2 && words.last == "0", "\(ended.errors)")
    #expect(words[0].hasPrefix("post: warning: cannot print the IDs of "))
    #expect(words[0].hasSuffix("writing to standard output fails; the letters are accepted all the same"))
    #expect(box.entries("new").count == 600)
    #expect(try box.shell("post send orders -m a --id -q \(output)").errors == "")
  }

  // MARK: Bounds

  @Test(.needsStrace) func aGroupHas256LettersAtMost() throws {
    let ended = try box.shell(
      "seq 600 | strace -y -o trace -e trace=fsync,syncfs post send orders --lines --id")
    try expect((1...600).map(String.init), ended)
    #expect(try syncs(of: "topics/orders/new") == 3)
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(try syncs(of: "mailboxes/\(mailbox)/new") == 3)
    }
  }

  @Test(.needsStrace) func aGroupHasSomeMiBAtMost() throws {
    try box.script(
      "head -c 1500000 /dev/zero > big; strace -y -o trace -e trace=fsync post send orders big{,,,,,,,}")
    #expect(box.entries("new").count == 8)
    #expect(try syncs(of: "topics/orders/new") == 3)
  }

  @Test(arguments: [7, 8, 9, 10, 12, 32])
  func fewDescriptorsMakeSmallGroups(limit: Int) throws {
    let ended = try box.shell("ulimit -n \(limit); seq 40 | post send orders --lines --id")
    #expect(ended.code == 0)
    #expect(ended.errors == "")
    try expect((1...40).map(String.init), ended)
  }

  @Test func fewDescriptorsAreEnoughForManyMailboxes() throws {
    for number in 1...13 { try box.open("box\(number)") }
    let ended = try box.shell(
      "ulimit -n 32; seq 40 | post send orders --lines --id; post send orders -m x; ls /proc/self/fd")
    #expect(ended.errors == "")
    for mailbox in ["stock", "box1", "box13"] { #expect(box.entries("new", of: mailbox).count == 41) }
  }

  // MARK: Waiting

  @Test func nobodyWaitsForAGroupToFillUp() throws {
    let sender = try box.start(
      ["/bin/bash", "-c", "(printf 'a\\nb\\nc\\nhalf'; sleep 60) | post send orders --lines --id"])
    #expect(eventually { box.entries("new").count == 3 })
    #expect(eventually { box.topicEntries("new").isEmpty })
    #expect(try box.must("read", "stock", "--all") == "abc")
    sender.kill(.terminate)
  }

  @Test func norForAFileThatIsAFIFO() throws {
    try box.write("a", "a")
    let sender = try box.start(["/bin/bash", "-c", "mkfifo fifo; post send orders a fifo a"])
    #expect(eventually { box.entries("new").count == 1 })
    try box.script("echo from fifo > fifo")
    #expect(try sender.wait().code == 0)
    #expect(try box.must("read", "stock", "--all") == "afrom fifo\na")
  }

  // MARK: Sorting

  @Test func aMailboxThatIsGoneIsToldOfOnceAGroup() throws {
    try box.script("mv spool/mailboxes/invoice gone")
    let ended = try box.post("send", "orders", "--lines", input: Array("a\nb\nc".utf8))
    #expect(ended.code == 0)
    #expect(ended.errors.split(separator: "\n").count == 1)
    #expect(
      ended.errors.contains("cannot deliver to mailbox invoice")
        && ended.errors.contains("3 letters are held for it"))
    try box.script("mv gone spool/mailboxes/invoice; post sweep")
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(try box.must("read", mailbox, "--all") == "abc")
    }
  }
}
