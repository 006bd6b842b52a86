import Linux
import TestKit
import Testing

/// Letters that differ from what was sent, are writable, or lie twice; and files that only look like letters.
@Suite struct CheckLettersTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.openWithLetters()
  }

  private static let damages = [
    ("truncate -s -1 $it", "has a body of 0 bytes where 1 were sent"), ("truncate -s 0 $it", "is empty"),
    ("truncate -s 60 $it", "has lost its header"),
    ("printf more >> $it", "has a body of 5 bytes where 1 were sent"),
    ("sed -i '$s/d/e/' $it", "has a body that does not match its digest"),
    ("sed -i '/^Content-Digest/d' $it", "has lost its header"),
    ("size=$(stat -c %s $it); head -c $size /dev/zero > $it", "has lost its header"),
    (
      "printf x > one; dd if=one of=$it bs=1 count=1 seek=$(($(stat -c %s $it) - 1)) conv=notrunc status=none",
      "has a body that does not match"
    ),
  ]

  /// A letter of which only one mailbox has a copy, so that it can be spoiled there alone.
  private func copy(to place: String, mark: String = "") throws -> String {
    try box.must("send", "orders", "-m", "d")
    let id = try #require(box.entries("new").last)
    try box.must("read", "invoice", "--all")
    try box.script(
      """
      it=spool/mailboxes/stock/new/\(id)
      cp $it copy; chmod 644 copy; rm $it; mv copy spool/mailboxes/stock/\(place)/'\(id)\(mark)'
      """)
    return id + mark
  }

  @Test(arguments: damages)
  func aSpoiledLetterIsSetAsideAndNeverHandedOut(damage: String, what: String) throws {
    let name = try copy(to: "new")
    try box.script("it='spool/mailboxes/stock/new/\(name)'; \(damage); chmod a-w $it")
    try box.expectRepair(
      "mailboxes/stock/new/\(name)", what, repaired: "set aside in mailboxes/stock/corrupt")
    #expect(try box.must("read", "stock", "--all") == "abc")
  }

  @Test(arguments: [
    ("new", ""), ("cur", ":2,S"), ("later", ",A=1,L=8000000000"), ("done", ",A=1,D=1795766000"),
    ("failed", ",A=3"),
  ])
  func aSpoiledLetterIsFoundInEveryPlaceOfAMailbox(place: String, mark: String) throws {
    let name = try copy(to: place, mark: mark)
    try box.script("it='spool/mailboxes/stock/\(place)/\(name)'; truncate -s -1 $it; chmod a-w $it")
    let before = try box.read("spool/mailboxes/stock/\(place)/\(name)")
    let found = try box.check("--repair")
    #expect(
      found == [
        "mailboxes/stock/\(place)/\(name): has a body of 0 bytes where 1 were sent; repaired: set aside in mailboxes/stock/corrupt"
      ])
    #expect(try box.read("spool/mailboxes/stock/corrupt/\(name)") == before)
    #expect(box.entries("notes").count == 1)
    #expect(
      try box.check() == [
        "mailboxes/stock/corrupt: has 1 letter set aside; inspect, then remove"
      ])
    #expect(try box.must("read", "stock", "--all") == "abc")
  }

  @Test(arguments: ["new", "cur", "held/stock"])
  func aSpoiledLetterIsFoundInEveryPlaceOfATopicAndNotDelivered(place: String) throws {
    let name = "1500000000.M000000R00000000P1Q1.shop"
    try box.script(
      "mkdir -p spool/topics/orders/\(place); echo x > spool/topics/orders/\(place)/\(name); chmod 444 spool/topics/orders/\(place)/\(name)"
    )
    let found = try box.check().filter { $0.contains("has lost its header") }
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("topics/orders/\(place)/\(name)"))
    #expect(
      try box.check("--repair").contains { $0.hasSuffix("repaired: set aside in topics/orders/corrupt") })
    #expect(box.topicEntries("corrupt") == [name])
    #expect(
      try box.check() == [
        "topics/orders/corrupt: has 1 letter set aside; inspect, then remove"
      ])
    #expect(try box.must("read", "stock", "--all") == "abc")
  }

  /// A letter that is spoiled is spoiled in every mailbox: all share its file.
  @Test func aSharedLetterIsSetAsideInEveryPlace() throws {
    let id = box.entries("new")[1]
    try box.script("it=spool/topics/orders/cur/\(id); chmod u+w $it; printf x >> $it; chmod a-w $it")
    let found = try box.check("--repair")
    #expect(
      found.map { $0.split(separator: ":")[0] }
        == ["topics/orders/cur", "mailboxes/invoice/new", "mailboxes/stock/new"].map { "\($0)/\(id)"[...] })
    for mailbox in ["stock", "invoice"] { #expect(try box.must("read", mailbox, "--all") == "ac") }
    try box.must("subscribe", "late", "orders")
    #expect(try box.must("read", "late", "--all") == "ac")
  }

  @Test func aSecondSpoiledLetterOfANameIsKeptBesideTheFirst() throws {
    for number in 1...2 {
      try box.script(
        "printf 'Content-Digest: crc32c=:AAAAAA==:\\n\\n\(number)' > spool/mailboxes/stock/done/10.x; chmod 444 spool/mailboxes/stock/done/10.x"
      )
      #expect(
        try box.post("check", "--repair").text.contains(
          "mailboxes/stock/done/10.x: has a body that does not match"))
    }
    #expect(box.entries("corrupt").count == 2)
  }

  @Test func aWritableLetterIsToldOnceAndMayNoLongerBeWritten() throws {
    let id = box.entries("new")[0]
    try box.script("chmod 664 spool/mailboxes/stock/new/\(id)")
    try box.expectRepair(
      "topics/orders/cur/\(id)",
      "has mode 664: a program that writes to it changes the letter in every mailbox",
      repaired: "mode 444")
    #expect(try box.must("read", "stock", "--all") == "abc")
  }

  @Test func aForeignLetterThatNobodySharesMayBeWritable() throws {
    try box.script("echo x > spool/mailboxes/stock/new/10.x")
    try box.expectClean()
  }

  // MARK: Twice

  @Test(arguments: ["done", "later", "failed", "cur"], ["ln", "cp"])
  func aLetterInTwoPlacesIsToldAndNobodyGuessesWhichIsMeant(place: String, tool: String) throws {
    let id = box.entries("new")[0]
    let mark = place == "cur" ? ":2,S" : ",A=1,L=8000000000"
    try box.script("cd spool/mailboxes/stock; \(tool) new/\(id) '\(place)/\(id)\(mark)'")
    let found = try box.check("--repair")
    #expect(
      found == [
        "mailboxes/stock/new/\(id): is the same letter as mailboxes/stock/\(place)/\(id)\(mark), and may be handled twice; remove the one that you do not want"
      ])
    #expect(box.entries("new").count == 3 && box.entries(place).count == 1)
  }

  @Test func aLetterThatWasDoneTwiceAndTwoForeignOnesOfANameAreNoFinding() throws {
    try box.must("read", "stock")
    let name = try #require(box.entries("done").first)
    try box.script(
      "cd spool/mailboxes/stock; ln done/\(name) done/${name:=\(name)}9; echo x > new/10.x; echo y > done/10.x,A=1,D=1500000000"
    )
    try box.expectClean()
  }

  // MARK: Files that are no letters

  private static let strangers =
    [
      ("mkdir $it", "is a directory, not a letter"), ("mkdir -p $it/new", "is a directory, not a letter"),
      ("ln -s ../../../../secret $it", "is a symlink, not a letter"),
      ("ln -s 10.x $it", "is a symlink, not a letter"),
      ("mkfifo $it", "is a FIFO, not a letter"),
    ]
    + (Machine.hasPython
      ? [
        (
          #"(cd $(dirname $it) && python3 -c 'import socket as s; s.socket(s.AF_UNIX).bind("10.x")')"#,
          "is a socket or device, not a letter"
        )
      ] : [])

  @Test(arguments: strangers)
  func whatIsNoFileIsSetAsideWhereverItLies(make: String, what: String) throws {
    try box.write("secret", "secret")
    let places =
      ["topics/orders/new", "topics/orders/cur"]
      + ["new", "cur", "later", "done", "failed"].map { "mailboxes/stock/\($0)" }
    for place in places { try box.script("it=spool/\(place)/10.x; \(make)") }
    let told = try box.check()
    #expect(told.map { $0.prefix { $0 != ":" } } == places.map { "\($0)/10.x" })
    #expect(told.allSatisfy { $0.contains(": \(what); post check --repair sets it aside") })
    let repaired = try box.check("--repair")
    #expect(repaired.count == told.count)
    #expect(repaired.allSatisfy { $0.contains("; repaired: set aside in ") })
    #expect(try box.check().count == 2)
    #expect(box.entries("corrupt").count == 5 && box.topicEntries("corrupt").count == 2)
    #expect(try box.read("secret") == "secret")
    #expect(try box.must("read", "stock", "--all") == "abc")
  }

  @Test(arguments: strangers)
  func whatIsNoFileElsewhereHindersNobody(make: String, what: String) throws {
    for place in [
      "topics/orders/tmp", "mailboxes/stock/tmp", "mailboxes/stock/notes", "mailboxes/stock/log",
    ] {
      try box.script("it=spool/\(place)/10.x; \(make)")
    }
    #expect(try box.check("--repair") == [])
    try box.script("touch -h -d '-2 days' spool/topics/orders/tmp/10.x")
    #expect(
      try box.check("--repair").contains {
        $0.hasPrefix("topics/orders/tmp/10.x: ") && $0.contains("and old; repaired: set aside")
      })
  }

  // MARK: Holders

  /// Version 0.1.0 is running: it has locked the first byte, its handler the second.
  @Test(arguments: [0, 1] as [UInt64])
  func theFileOfALivingHolderIsInOrder(byte: UInt64) throws {
    let id = box.entries("new")[0]
    try box.script(
      "cd spool/mailboxes/stock; mkdir holders; : > holders/0123456789abcdef; mv new/\(id) cur/\(id),A=1,H=0123456789abcdef"
    )
    let lock = try ByteLock(
      box.spool / "mailboxes/stock/holders/0123456789abcdef", byte: byte, isShared: byte != 0)
    try box.expectClean()
    #expect(try box.check("--repair").isEmpty)
    #expect(box.entries("holders").count == 1 && box.entries("cur").count == 1)
    withExtendedLifetime(lock) {}
  }
}
