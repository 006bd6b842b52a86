import Linux
import TestKit
import Testing

/// A disk that is really full. New letters are refused with 75 and leave nothing; those accepted before are
/// read, handled and settled as before; and once space is freed all continues by itself.
@Suite struct FullDiskTests {
  @Test(.needsTmpfs, arguments: SmallDisk.Fill.allCases)
  func aFullTmpfsRefusesNewLettersAndHandlesTheOldOnes(fill: SmallDisk.Fill) throws {
    try refuseAndHandle(try SmallDisk(.tmpfs), fill)
  }

  @Test(.needsExt4, arguments: SmallDisk.Fill.allCases)
  func aFullExt4RefusesNewLettersAndHandlesTheOldOnes(fill: SmallDisk.Fill) throws {
    try refuseAndHandle(try SmallDisk(.ext4), fill)
  }

  /// A disk that becomes full in the middle of a group: what fits is accepted, and told.
  @Test(.needsTmpfs, arguments: ["--lines", "--null"])
  func aDiskThatBecomesFullRefusesNoLetterThatFits(flag: String) throws {
    let disk = try SmallDisk(.tmpfs, inodes: 8000)
    try disk.script("for mailbox in stock invoice; do post subscribe $mailbox orders; done")
    let end = flag == "--null" ? "| tr '\\n' '\\0'" : ""
    let ended = try disk.shell("seq 2000 \(end) | post send orders \(flag) --id")
    #expect(ended.code == 75)
    #expect(ended.errors.contains("no space is left"), "\(ended.errors)")
    #expect(ended.errors.hasSuffix("; \(ended.lines.count) letters were accepted\n"), "\(ended.errors)")
    #expect(ended.lines.count > 256)
    for mailbox in ["stock", "invoice"] { #expect(disk.entries("new", of: mailbox) == ended.lines) }
    #expect(disk.topicEntries("cur") == ended.lines)
    try expectNoDebris(disk)
    #expect(try disk.script("post read stock --all") == (1...ended.lines.count).map(String.init).joined())
  }

  private func expectNoDebris(
    _ disk: SmallDisk, _ comment: Comment = "", at location: SourceLocation = #_sourceLocation
  ) throws {
    let debris = try disk.debris()
    #expect(debris == [], comment, sourceLocation: location)
  }

  private static let bodies = (1...40).map(String.init)

  private func refuseAndHandle(_ disk: SmallDisk, _ fill: SmallDisk.Fill) throws {
    try disk.box.write(
      "handle.sh",
      "#!/bin/sh\nread n\necho $n >> \(disk.box.root)/handled\ncase $n in 3|30) exit 1;; 5|35) exit 65;; esac\n"
    )
    try disk.script(
      """
      post subscribe handled orders --retry 10ms..10ms --tries 2 -- \(disk.box.root)/handle.sh
      for mailbox in leased read; do post subscribe $mailbox orders; done
      seq 40 | post send orders --lines
      """)
    #expect(disk.hasBallast)
    try disk.fill(fill)

    try expectRefusals(disk, fill)
    try readAndSettle(disk)
    try watch(disk)
    try expectNoDebris(disk)

    try disk.free()
    try disk.script("post send orders -m after; post subscribe late orders; post sweep")
    #expect(try disk.script("post read read --all") == "after")
    #expect(try disk.script("post read late --all") == Self.bodies.joined() + "after")
    #expect(disk.hasBallast, "it is laid in again")
    try expectNoDebris(disk)
    #expect(disk.topicEntries("new").isEmpty && disk.topicEntries("held").isEmpty)
  }

  /// Every command that would make something new is refused, says what is full, and leaves nothing.
  private func expectRefusals(_ disk: SmallDisk, _ fill: SmallDisk.Fill) throws {
    // An empty topic or mailbox, whole and usable by the next try, does no harm.
    let files = "cd disk/spool; find . -not -type d | sort; cat mailboxes/handled/mailbox.conf"
    let before = try disk.script(files)
    for command in [
      "post send orders -m x", "head -c 1M /dev/zero | post send orders", "seq 3 | post send orders --lines",
      "post send news -m x", "post subscribe late orders", "post subscribe read news",
      "post subscribe handled orders --tries 5", "post subscribe late orders -- true",
    ] {
      let refused = try disk.shell(command)
      #expect(refused.code == 75, "\(command): \(refused.errors)")
      let isNamed = refused.errors.contains(
        fill == .bytes ? "no space is left (0 of " : "no inodes are left (0 of ")
      #expect(isNamed && refused.errors.split(separator: "\n").count == 1, "\(command): \(refused.errors)")
      try expectNoDebris(disk, "\(command)")
    }
    let after = try disk.script(files)
    #expect(after == before)
    let status = try disk.script("post status")
    #expect(status.hasPrefix("! disk: "), "\(status)")
  }

  private func readAndSettle(_ disk: SmallDisk) throws {
    #expect(try disk.script("post read read --all") == Self.bodies.joined())
    try disk.script(
      """
      lease() { post read leased --lease 1h; }
      post done leased $(lease); post fail leased $(lease); post release leased $(lease)
      post retry leased ALL
      """)
    #expect(disk.entries("new", of: "leased").count == 39 && disk.entries("done", of: "leased").count == 1)
    #expect(try disk.script("post read leased --all -- cat") == Self.bodies.dropFirst().joined())
    try disk.script("post replay leased")
    #expect(disk.entries("new", of: "leased").count == 40 && disk.entries("done", of: "leased").isEmpty)
    #expect(try disk.script("post read leased --all -- cat") == Self.bodies.joined())
  }

  private func watch(_ disk: SmallDisk) throws {
    let watched = try disk.shell("post watch --until-empty")
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(
      disk.entries("done", of: "handled").count == 36 && disk.entries("failed", of: "handled").count == 4)
    let handled = try disk.box.read("handled").split(separator: "\n").map(String.init)
    #expect(handled.sorted() == (Self.bodies + ["3", "30"]).sorted())
    #expect(disk.entries("new", of: "handled").isEmpty && disk.entries("cur", of: "handled").isEmpty)
  }

  // MARK: On the brim

  @Test(.needsTmpfs, arguments: SmallDisk.Fill.allCases)
  func whatATmpfsAcceptsOnTheBrimReachesAllAndWhatItRefusesNobody(fill: SmallDisk.Fill) throws {
    try sendOnTheBrim(try SmallDisk(.tmpfs), fill)
  }

  @Test(.needsExt4, arguments: SmallDisk.Fill.allCases)
  func whatAnExt4AcceptsOnTheBrimReachesAllAndWhatItRefusesNobody(fill: SmallDisk.Fill) throws {
    try sendOnTheBrim(try SmallDisk(.ext4), fill)
  }

  /// Again and again the test frees some space and fills it with letters. Then mailboxes, or held/, or the topic's own
  /// cur/ cannot take some that were accepted.
  private func sendOnTheBrim(_ disk: SmallDisk, _ fill: SmallDisk.Fill) throws {
    let mailboxes = ["audit", "invoice", "stock"]
    try disk.script(
      "for mailbox in \(mailboxes.joined(separator: " ")); do post subscribe $mailbox orders; done")
    try disk.fill(fill)
    var accepted = [String]()
    var warned = 0
    for unit in 1...SmallDisk.units {
      try disk.script("rm disk/fill/unit.\(unit); sync -f disk")
      for letter in 1...10 {
        let body = "\(unit).\(letter) "
        let sent = try disk.shell("post send orders -m '\(body)'")
        if sent.code == 0 { accepted.append(body) }
        if sent.errors.contains("warning") { warned += 1 }
        #expect(sent.code == 0 || sent.code == 75, "\(sent.errors)")
        if sent.code != 0 { break }
      }
      try expectNoDebris(disk, "\(unit)")
    }
    #expect(accepted.count > 10)
    print("\(disk.kind), \(fill): \(accepted.count) letters accepted, \(warned) with a warning")
    try disk.free()
    try disk.script("post sweep")
    for mailbox in mailboxes {
      #expect(try disk.script("post read \(mailbox) --all") == accepted.joined(), "\(mailbox)")
    }
    #expect(disk.topicEntries("new").isEmpty && disk.topicEntries("held").isEmpty)
    try expectNoDebris(disk)
  }

  @Test(.needsTmpfs) func aSubscriptionThatATmpfsHasNoRoomForLeavesNothingHalf() throws {
    try subscribeOnTheBrim(try SmallDisk(.tmpfs))
  }

  @Test(.needsExt4) func aSubscriptionThatAnExt4HasNoRoomForLeavesNothingHalf() throws {
    try subscribeOnTheBrim(try SmallDisk(.ext4))
  }

  /// One inode more each time, until it fits.
  private func subscribeOnTheBrim(_ disk: SmallDisk) throws {
    try disk.script("seq 3 | post send orders --lines; post sweep")
    try disk.fill(.inodes)
    for unit in 1...SmallDisk.units {
      try disk.script("rm disk/fill/unit.\(unit); sync -f disk")
      let made = try disk.shell("post subscribe late orders")
      let places = Set(disk.names(in: "spool/mailboxes/late"))
      #expect(
        places.isEmpty ? disk.names(in: "spool/mailboxes").isEmpty : places.count == 8, "\(unit): \(places)")
      // Whatever is there now, no command fails on it.
      #expect(
        try disk.script("post list --json; post status --json > /dev/null").contains("late") == !places
          .isEmpty)
      if made.code == 0 {
        #expect(unit > 8)
        try expectNoDebris(disk)
        return #expect(try disk.script("post read late --all") == "123")
      }
      #expect(made.code == 75 && made.errors.contains("no inodes are left"), "\(unit): \(made.errors)")
    }
    Issue.record("\(SmallDisk.units) inodes were not enough")
  }

  // MARK: Without a ballast

  /// A letter that cannot even be settled is handled all the same, once: the watcher keeps it until it can settle it.
  @Test(.needsExt4) func whatCannotBeSettledIsNotHandledAgain() throws {
    let disk = try SmallDisk(.ext4)
    let handled = disk.box.root / "handled"
    try disk.script(
      """
      post subscribe stock orders --parallel 2 -- sh -c 'cat >> \(handled); echo >> \(handled)'
      seq 60 | post send orders --lines
      rm disk/spool/.ballast
      """)
    try disk.fill(.bytes)
    let over = try disk.shell("post watch --until-empty")
    #expect(over.code == 75 && over.errors.contains("no space is left"), "\(over.errors)")
    let first = try disk.box.read("handled").split(separator: "\n").count
    #expect(first < 60)

    let watcher = try disk.start([Sandbox.binary, "watch"])
    #expect(eventually { watcher.errorsSoFar.contains("stays claimed until that can be written down") })
    let second = try disk.box.read("handled").split(separator: "\n")
    // Two that the first watcher could not settle, and two of this one.
    #expect(second.count <= first + 4, "\(second)")
    try disk.free()
    #expect(eventually { disk.entries("done").count == 60 })
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    let all = try disk.box.read("handled").split(separator: "\n").dropFirst(first).map(String.init)
    #expect(Set(all).count == all.count, "\(all)")
  }

  /// A watcher needs no other command to finish the delivery.
  @Test(.needsTmpfs) func aWatcherSortsWhatCouldNotBeSortedOnceThereIsSpace() throws {
    let disk = try SmallDisk(.tmpfs)
    try disk.script("post subscribe stock orders -- true; post subscribe other orders")
    try disk.fill(.inodes)
    // Room for the letter, none for its links or for held/.
    try disk.script("rm disk/fill/unit.1")
    let sent = try disk.shell("post send orders -m a")
    #expect(
      sent.code == 0 && sent.errors.contains("is accepted and stays in topics/orders/new"), "\(sent.errors)")
    let watcher = try disk.start([Sandbox.binary, "watch"])
    #expect(eventually { watcher.errorsSoFar.contains("is accepted and stays") })
    try disk.free()
    #expect(eventually { disk.entries("done").count == 1 && disk.entries("new", of: "other").count == 1 })
    #expect(eventually { disk.topicEntries("new").isEmpty })
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
  }

  // MARK: Elsewhere

  /// The mailbox lies on a small disk, the spool does not; `link` says through which symlink it is reached.
  @Test(.needsTmpfs, arguments: SmallDisk.Fill.allCases, ["mailboxes", "topics/orders/subscribers"])
  func forAMailboxOnAnotherDiskThatIsFullLettersAreHeld(fill: SmallDisk.Fill, link: String) throws {
    let disk = try SmallDisk(.tmpfs)
    let here = "export POST_SPOOL=$PWD/spool\n"
    try disk.script(
      here + """
        post subscribe near orders; post subscribe stock orders
        mv spool/mailboxes/stock disk/stock; rm -f spool/\(link)/stock; ln -s $PWD/disk/stock spool/\(link)/stock
        post send orders -m before
        """)
    try disk.fill(fill)
    let sent = try disk.shell(
      here + "post send orders -m small; post send orders -m small2; head -c 1M /dev/zero | post send orders")
    #expect(sent.code == 0)
    #expect(
      sent.errors.contains(
        "cannot deliver to mailbox stock: no \(fill == .bytes ? "space is" : "inodes are") left"),
      "\(sent.errors)")
    #expect(disk.names(in: "stock/new").count == 1 && disk.names(in: "stock/tmp").isEmpty)
    #expect(disk.box.names(in: "spool/topics/orders/held/stock").count == 3)
    #expect(try disk.script(here + "post read near -n 3") == "beforesmallsmall2")
    if link == "mailboxes" { #expect(try disk.script(here + "post read stock -q") == "before") }

    let watcher = try disk.start([Sandbox.binary, "watch"], environment: ["POST_SPOOL": "\(disk.box.spool)"])
    #expect(eventually { watcher.sleepsInPoll })
    try disk.free()
    #expect(eventually { disk.box.names(in: "spool/topics/orders/held").isEmpty }, "by the watcher alone")
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    try disk.script(here + "post send orders -m last")
    #expect(disk.box.names(in: "spool/topics/orders/held").isEmpty && disk.names(in: "stock/tmp").isEmpty)
    #expect(disk.names(in: "stock/new").count == (link == "mailboxes" ? 4 : 5))
    #expect(disk.box.exists("spool/.ballast"), "it would have been of no use there")
  }

  @Test(.needsExt4) func theBallastIsNotGivenUpForAMailboxOnAnotherDisk() throws {
    let disk = try SmallDisk(.ext4)
    let here = "export POST_SPOOL=$PWD/spool\n"
    try disk.script(
      here + """
        post subscribe stock orders; seq 40 | post send orders --lines
        mkdir disk/stock; cp -r spool/mailboxes/stock disk/; mv spool/mailboxes/stock gone
        ln -s $PWD/disk/stock spool/mailboxes/stock
        """)
    try disk.fill(.bytes)
    let read = try disk.shell(here + "post read stock --all -- true")
    #expect(read.code == 75 && read.errors.contains("no space is left"), "\(read.errors)")
    #expect(disk.box.exists("spool/.ballast"))
    try disk.free()
    try disk.script(here + "post read stock --all -- true")
    #expect(disk.names(in: "stock/done").count == 40)
  }

  // MARK: Quota

  @Test(.needsBtrfs) func aQuotaThatIsUsedUpRefusesNewLettersAndHandlesTheOldOnes() throws {
    let disk = try SmallDisk(.btrfs)
    try disk.script(
      """
      btrfs -q quota enable disk
      post subscribe stock orders; seq 20 | post send orders --lines
      btrfs qgroup limit 12M disk
      sync -f disk
      """)
    #expect(try disk.shell("dd if=/dev/zero of=disk/fill bs=64k").errors.contains("quota"))
    let refused = try disk.shell("head -c 100k /dev/zero | post send orders")
    #expect(
      refused.code == 75 && refused.errors.contains("disk quota exceeded; free some of the quota"),
      "\(refused.errors)")
    try expectNoDebris(disk)
    #expect(try disk.script("post read stock --all") == (1...20).map(String.init).joined())
    #expect(disk.entries("done").count == 20)
    try disk.script("rm disk/fill; sync -f disk; post send orders -m after")
    #expect(try disk.script("post read stock") == "after")
    try expectNoDebris(disk)
  }
}
