import Linux
import TestKit
import Testing

/// What file systems report about a file, and what any program may write into a name or a header, is input: no value
/// ends a command except with a clear message, none after a letter was accepted, and none keeps back another letter.
@Suite struct MetadataTests {
  // MARK: Times

  /// A symlink in the place of a bag would lead out of the spool.
  @Test func aSymlinkIsNoBag() throws {
    let box = try Sandbox()
    try box.open("stock")
    try box.script(
      """
      mkdir home spool/mailboxes/stock/bags; echo private > home/1795765752.M1P1.host
      ln -s ../../../../home spool/mailboxes/stock/bags/new.0000000001
      ln -s ../../../../home spool/mailboxes/stock/bags/done.0000000001
      echo 'Keep-Done: 1s' > spool/mailboxes/stock/mailbox.conf; post send orders -m mine
      """)
    #expect(try box.must("read", "stock", "--all") == "mine")
    try box.must("sweep")
    #expect(try box.read("home/1795765752.M1P1.host") == "private\n")
  }

  /// tmpfs and btrfs keep any time.
  @Test(
    .enabled(if: Sandbox.memory != nil),
    arguments: ["-9223372036854775808", "9223372036854775807", "-62135596800", "1099511627777"])
  func aTimeBeyondAllMeasureStopsNothing(time: String) throws {
    let box = try Sandbox(in: Sandbox.memory)
    try box.open("stock", "invoice")
    let setTimes = "find spool -print0 | xargs -0 touch -h -d @\(time)"
    for file in [
      "topics/orders/tmp/draft", "topics/orders/new/order", "topics/orders/cur/kept",
      "mailboxes/stock/new/1.h",
      "mailboxes/stock/done/done", "mailboxes/stock/failed/failed,A=1", "mailboxes/stock/notes/lone",
      "mailboxes/stock/log/2020-01-01", "mailboxes/stock/tmp/draft",
    ] { try box.write("spool/\(file)", "foreign") }
    let commands = [
      "send orders -m a", "send orders --lines --id", "read stock", "read stock --peek", "list stock",
      "list orders",
      "status", "replay stock --since 1d", "subscribe late orders --from 1d", "retry stock ALL", "sweep",
      "watch --until-empty", "unsubscribe late orders",
    ]
    for command in commands {
      try box.script(setTimes)
      let ended = try box.shell("echo b | post \(command)")
      #expect(ended.code == 0, "\(command): \(ended.errors)")
    }
    for command in ["check", "check --repair"] {
      try box.script(setTimes)
      #expect(try box.shell("post \(command)").code <= 1)
    }
    // Each got what was accepted.
    let read = try box.must("read", "invoice", "--all")
    #expect(read.contains("a") && read.contains("b") && read.contains("foreign"))
  }

  // MARK: Sizes

  @Test func aLetterThatDoesNotFitIntoMemoryIsKeptAndHoldsUpNoOther() throws {
    let box = try Sandbox()
    try box.open("stock", "invoice")
    // 8 TiB of nothing; not every file system has such files.
    try box.script(
      "for size in 8T 1T 100G; do truncate -s $size spool/topics/orders/new/1.big && break; done")
    for body in ["a", "b"] { try box.must("send", "orders", "-m", body) }
    for command in ["read stock --peek", "read stock", "read stock --all"] {
      let ended = try box.shell("post \(command) --format json")
      #expect(ended.code == 0 && ended.lines.count == 1, "\(command): \(ended.errors)")
    }
    let id = try #require(box.entries("new").first)
    for command in ["read stock", "read stock --all", "read stock --peek", "show \(id)"] {
      let ended = try box.shell("post \(command) --format json")
      #expect(ended.code == 65 && ended.text == "")
      #expect(ended.errors.contains("too large to be held in memory; use --format body"), "\(ended.errors)")
    }
    #expect(box.entries("new") == [id])
    let handled = try box.shell("post read stock -- head -c 3 | od -An -c")
    #expect(handled.code == 0 && handled.text.contains("\\0  \\0  \\0"), "\(handled.errors)")
    #expect(box.entries("done").count == 3)
    let batch = try box.shell("post read invoice --all --batch 9 -- stat -c %s")
    #expect(batch.code == 0 && batch.lines.count == 3, "\(batch.errors)")
    #expect(try box.post("check").code == 0)
  }

  // MARK: Bags

  private static let highest = "999999999999999"

  /// What was planted has no successor; check and readers still find what is sealed after it, and what lies in it.
  @Test(
    .needsSwelling,
    arguments: ["new", "again", "cur", "done", "failed", "later"], ["", ".\(highest)"])
  func aPlantedBagHidesNothing(kind: String, part: String) throws {
    let box = try Sandbox()
    try box.open("stock")
    let isTopics = kind == "cur"
    let room = isTopics ? "spool/topics/orders" : "spool/mailboxes/stock"
    let place = kind == "again" ? "new" : kind
    let mark = kind == "later" ? ",A=1,L=1" : ["again", "failed"].contains(kind) ? ",A=1" : ""
    /// Puts letters into the place, and has it sealed.
    func seal(_ letters: ClosedRange<Int>) throws {
      for number in letters {
        try box.write("\(room)/\(place)/\(now + Int64(number)).M1P1Q1.h\(mark)", "[\(number)]")
      }
      try box.swell("\(room)/\(place)")
      try box.must("sweep")
    }
    let now = Clock.wall / 1_000_000_000 - 60
    let time = kind == "later" ? "0000000001" : MetadataTests.highest
    try box.script("mkdir -p \(room)/bags/\(kind).\(time)\(part)")
    try box.write("\(room)/bags/\(kind).\(time)\(part)/\(now).M1P1Q1.h\(mark)", "[0]")
    let check = try box.post("check")
    let isTold = check.text.contains("bags/\(kind).\(time)\(part): has a number")
    #expect(isTold == (kind != "later" || !part.isEmpty), "\(check.text)")
    try seal(1...2)
    try seal(3...4)
    switch kind {
    case "cur": try box.must("replay", "stock")
    case "failed": try box.must("retry", "stock", "ALL")
    case "done": #expect(try box.must("list", "stock").split(separator: "\n").count == 5)
    default: break
    }
    if kind == "done" { return }
    let read = try box.must("read", "stock", "--all")
    #expect((0...4).allSatisfy { read.contains("[\($0)]") }, "\(read)")
    if isTopics { return }
    try box.must("sweep")
    #expect(box.emptyBags(of: room).isEmpty)
  }

  /// Letters that come back go into a bag of their own while others wait in bags: after the highest there is none.
  @Test(.needsSwelling) func aPlantedBagOfLettersThatCameBackHidesNone() throws {
    let box = try Sandbox()
    try box.open("stock")
    let bags = "spool/mailboxes/stock/bags"
    try box.must("send", "orders", "--lines", input: "a\nb\nc")
    try box.script("\(Sandbox.bagFunction)\nbag mailboxes/stock/new 1")
    try box.script("mkdir \(bags)/again.\(MetadataTests.highest)")
    try box.swell("\(bags)/again.\(MetadataTests.highest)")
    try box.write("\(bags)/again.\(MetadataTests.highest)/1.h,A=1", "planted")
    try box.script("post release stock \"$(post read stock --lease 1h)\"")
    let read = try box.must("read", "stock", "--all")
    #expect(["a", "b", "c", "planted"].allSatisfy { read.contains($0) }, "\(read)")
  }

  @Test(arguments: [
    "new.0000000001", "new.00000001xx", "new.\(highest)", "again.0000000001", "later.0000000001",
    "new.9999999999999xx",
  ])
  func whatIsNoDirectoryIsNoBag(name: String) throws {
    let box = try Sandbox()
    try box.open("stock")
    for plant in ["echo x >", "ln -s nowhere", "ln -s \(name)", "mkfifo", "mkdir"] {
      try box.script("mkdir -p spool/mailboxes/stock/bags; \(plant) spool/mailboxes/stock/bags/\(name)")
      try box.must("send", "orders", "-m", "a")
      #expect(try box.must("read", "stock", "--", "cat") == "a", "\(plant)")
      try box.must("sweep")
      if plant.hasPrefix("echo") { #expect(try box.post("check").text.contains("bags/\(name)")) }
      try box.script("rm -rf spool/mailboxes/stock/bags")
    }
  }

  // MARK: Headers

  /// 64 KiB of headers of one byte, of folded lines, of names that differ; of no UTF-8.
  @Test func anyHeaderBlockIsReadInNoTime() throws {
    let box = try Sandbox()
    try box.open("stock")
    try box.script(
      """
      cd spool/topics/orders/new
      python3 - <<'END'
      def letter(name, head): open(name, 'wb').write(head + b'\\n[' + name.encode() + b']')
      letter('1.h', b'a:\\n' * 21000)
      letter('2.h', b'a: x\\n' + b' y\\n' * 21000)
      letter('3.h', b''.join(b'%c%c:\\n' % (33 + i % 25, 65 + i // 25 % 26) for i in range(16000)))
      letter('4.h', b'Subject: ' + b'\\xff' * 60000 + b'\\n')
      END
      """)
    let started = Clock.monotonic
    for command in ["sweep", "list stock", "read stock --peek -n 9 --format json"] {
      let ended = try box.shell("post \(command)")
      #expect(ended.code == 0 && ended.errors == "", "\(command): \(ended.errors)")
    }
    #expect(try box.must("read", "stock", "--all") == "[1.h][2.h][3.h][4.h]")
    // Milliseconds, even if the machine is busy; an algorithm that takes quadratic time takes minutes in a debug build.
    #expect(Clock.monotonic - started < 20_000_000_000)
  }

  // MARK: Numbers on the command line and in settings

  @Test(arguments: [
    "read stock -n 9223372036854775807", "read stock --wait=36525d -n 1", "read stock --lease 36525d",
    "subscribe stock orders --from 36525d", "replay stock --since 36525d",
  ])
  func theLargestNumbersAreNumbers(command: String) throws {
    let box = try Sandbox()
    try box.open("stock")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.shell("post \(command)").code == 0)
    for number in ["99999999999d", "9223372036854775807s", "9223372036854775808", "-1"] {
      let words = command.split(separator: " ").map { $0.contains { $0.isNumber } ? "" : String($0) }
      let long = words.joined(separator: " ").replacing("-n 1", with: "")
      let isWait = command.contains("--wait")
      let ended = try box.shell("post \(isWait ? "read stock --wait=\(number)" : "\(long) \(number)")")
      let isCount = command.contains("-n 9") && number == "9223372036854775807"
      #expect(ended.code == 64 || isCount, "\(ended.code): \(ended.errors)")
    }
  }

  @Test func theLongestTimesInSettingsAreTimes() throws {
    let box = try Sandbox()
    let handler = try box.write(
      "handler.sh",
      "#!/bin/sh\nwhile read -r line; do echo \"$line\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/done \\1/'; done\n"
    )
    try box.must("subscribe", "stock", "orders", "--", handler.description)
    try box.script(
      """
      cat >> spool/mailboxes/stock/mailbox.conf <<END
      Handler-Mode: stream
      Batch: 1000
      Timeout: 9223372036ms
      Retry: 36525d..36525d
      Keep-Done: 36525d
      Tries: 1000000
      END
      printf 'Keep: 36525d\\nMin-Free: 0%%\\n' > spool/topics/orders/topic.conf
      """)
    try box.must("send", "orders", "-m", "a")
    try box.must("watch", "--until-empty")
    #expect(box.entries("done").count == 1)
    try box.must("sweep")
    #expect(box.entries("done").count == 1 && box.topicEntries("cur").count == 1)
  }
}
