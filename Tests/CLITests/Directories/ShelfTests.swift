import TestKit
import Testing

/// Shelves: from the hundredth on, bags do not lie side by side, but by the hundred in directories of their own.
struct ShelfTests {
  let box: Sandbox
  private let bags = "spool/mailboxes/stock/bags"

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// Sends a letter for each number, and puts it into the bag of `new/` with that number.
  private func fill(_ numbers: Int...) throws {
    for number in numbers {
      try box.script(
        "\(Sandbox.bagFunction)\npost send orders -m '\(number) '; bag mailboxes/stock/new \(number)")
    }
  }

  @Test(.needsSwelling) func theHundredthBagIsPutOnAShelf() throws {
    try fill(99)
    for (number, letter) in [(100, "a "), (101, "b ")] {
      try box.must("send", "orders", "-m", letter)
      try box.swell("spool/mailboxes/stock/new")
      try box.must("sweep")
      #expect(box.exists("\(bags)/new.00000001xx/new.0000000\(number)"))
    }
    #expect(box.names(in: bags) == ["new.0000000099", "new.00000001xx"])
    #expect(try box.must("check").isEmpty)
    #expect(try box.must("read", "stock", "--all") == "99 a b ")
    #expect(!box.exists(bags))
  }

  @Test func theOldestIsFoundAcrossShelves() throws {
    try fill(7, 99, 100, 150, 199, 200, 1000, 123_456)
    try box.must("send", "orders", "-m", "last")
    #expect(
      box.names(in: bags).suffix(4) == [
        "new.00000001xx", "new.00000002xx", "new.00000010xx", "new.00001234xx",
      ])
    #expect(try box.must("list", "stock").split(separator: "\n").count == 9)
    #expect(try box.must("read", "stock", "--all") == "7 99 100 150 199 200 1000 123456 last")
    #expect(!box.exists(bags))
  }

  @Test func oneByOneToo() throws {
    try fill(99, 100, 101, 300)
    for number in [99, 100, 101, 300] { #expect(try box.must("read", "stock") == "\(number) ") }
    #expect(try box.post("read", "stock").code == 1)
    #expect(!box.exists(bags))
  }

  /// Of thousands of bags only the names of a few are read.
  @Test(.needsPtrace) func noMoreThanOneShelfIsLookedAt() throws {
    try fill(100, 200, 300, 400)
    let read = try Traced(box, [Sandbox.binary, "read", "stock", "--peek"])
    var shelves = Set<String>()
    while let call = try read.next() {
      guard call.name == "openat" else { continue }
      let name = try "\(read.path(at: call.arguments[1]).name)"
      if name.hasSuffix("xx") { shelves.insert(name) }
    }
    #expect(try read.wait().text == "100 ")
    #expect(shelves == ["new.00000001xx"])
  }

  @Test func strictOrderHolds() throws {
    try box.write("spool/mailboxes/stock/mailbox.conf", "Order: strict\n")
    try fill(99, 100, 200)
    try box.must("send", "orders", "-m", "last")
    #expect(try box.must("read", "stock", "--all") == "99 100 200 last")
  }

  @Test func whatHasEndedIsFoundOnShelves() throws {
    for number in [99, 100, 200] {
      try box.must("send", "orders", "-m", "\(number) ")
      #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
      try box.script("\(Sandbox.bagFunction)\nbag mailboxes/stock/failed \(number)")
    }
    #expect(try box.must("retry", "stock", "ALL").isEmpty)
    #expect(try box.must("read", "stock", "--all") == "99 100 200 ")
    try box.must("sweep")
    #expect(!box.exists(bags))
  }

  @Test func whatATopicKeepsOnShelvesComesToANewMailbox() throws {
    for number in [99, 100, 200] {
      try box.must("send", "orders", "-m", "\(number) ")
      try box.script("\(Sandbox.bagFunction)\nbag topics/orders/cur \(number)")
    }
    try box.must("subscribe", "audit", "orders", "--from", "start")
    #expect(try box.must("read", "audit", "--all") == "99 100 200 ")
  }

  /// What is sealed while a process walks through the bags comes once: a shelf that it has not read yet shows it.
  @Test(.needsPtrace, .needsSwelling) func whatIsSealedDuringAWalkIsMetOnce() throws {
    for number in [1, 100] {
      try box.must("send", "orders", "-m", "\(number) ")
      try box.script("\(Sandbox.bagFunction)\nbag topics/orders/cur \(number)")
    }
    try box.must("send", "orders", "-m", "last")
    let subscribe = try Traced(box, [Sandbox.binary, "subscribe", "late", "orders", "--from", "start"])
    var links = 0
    while let call = try subscribe.next() {
      let name = call.name == "openat" ? "\(try subscribe.path(at: call.arguments[1]).name)" : ""
      if name == "cur.0000000001" {
        try box.swell("spool/topics/orders/cur")
        try box.must("sweep")
        #expect(box.exists("spool/topics/orders/bags/cur.00000001xx/cur.0000000101"))
      }
      if call.name == "linkat" { links += 1 }
    }
    #expect(try subscribe.wait().code == 0)
    #expect(links == 3)
    #expect(try box.must("read", "late", "--all") == "1 100 last")
  }

  @Test func oneThatLiesBesideItsShelfCountsToo() throws {
    try fill(99, 100, 102)
    try box.script("cd \(bags); mkdir new.0000000101; mv new.00000001xx/new.0000000102/* new.0000000101")
    try box.must("send", "orders", "-m", "last")
    #expect(try box.must("check").isEmpty)
    #expect(try box.must("read", "stock", "--all") == "99 100 102 last")
  }

  @Test func whatHasHadItsDayGoesFromShelves() throws {
    for number in [99, 100, 101, 200] {
      try box.script(
        """
        d=spool/topics/orders/bags; test \(number) = 99 || d=$d/cur.0000000\(number / 100)xx
        d=$d/cur.\(number < 100 ? "00000000" : "0000000")\(number); mkdir -p $d
        printf 'Subject: old\\n\\n1' > $d/100000000\(number % 10).M1R1P1Q1.host
        """)
    }
    try box.must("sweep")
    #expect(!box.exists("spool/topics/orders/bags"))
  }

  @Test func anEmptyShelfGoes() throws {
    try fill(100)
    try box.script("mkdir \(bags)/new.00000002xx \(bags)/new.00000001xx/new.0000000101")
    try box.must("sweep")
    #expect(box.names(in: bags) == ["new.00000001xx"])
    #expect(box.names(in: "\(bags)/new.00000001xx") == ["new.0000000100"])
  }

  @Test func checkTellsOfWhatIsNoBag() throws {
    try fill(100)
    try box.script(
      "cd \(bags)/new.00000001xx; mkdir old-stuff done.0000000100 new.00000001xx new.0000000200 new.142")
    let said = try box.post("check").text
    for name in ["old-stuff", "done.0000000100", "new.00000001xx", "new.0000000200", "new.142"] {
      #expect(said.contains("new.00000001xx/\(name): is not a valid name of a bag"), "\(said)")
    }
    #expect(!said.contains("new.0000000100"), "\(said)")
  }
}
