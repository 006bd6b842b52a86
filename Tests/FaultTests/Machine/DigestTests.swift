// A letter whose body is not what was sent never reaches a reader or a handler: it is set aside, with a note, a line in
// the log and a count in post status, and the good letter behind it is read. (CorruptTests covers entries that are no
// files at all.)

import Linux
import TestKit
import Testing

@Suite struct DigestTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// Ways to spoil the letter at `$it`, whose body is `spoiled` or, in the last ones, 100 KiB that begin so.
  private static let damages = [
    "truncate -s 0 $it", "truncate -s 60 $it", "truncate -s -7 $it", "truncate -s -3 $it",
    "printf more >> $it", "printf '\\0' >> $it",
    // One bit of the body: 's' is 0x73.
    "sed -i '$s/spoiled/rpoiled/' $it",
    // Another length, with and without the header saying so; another body of the same length.
    "sed -i '$s/spoiled/spoiledd/' $it",
    "sed -i 's/^Content-Length: 7$/Content-Length: 8/; $s/spoiled/spoiledd/' $it",
    "sed -i '$s/spoiled/defaced/' $it",
    // The header no longer says how to check.
    "sed -i '/^Content-Length/d' $it", "sed -i '/^Content-Digest/d' $it", "sed -i '/^Content-/d' $it",
    "sed -i 's/^Content-Digest: crc32c=:./&A/' $it", "sed -i 's/^Content-Length: 7/Content-Length: 6/' $it",
    "sed -i 's/crc32c/crc32d/' $it", "sed -i '/^$/d' $it",
    // Zeros, in the right length: the body, everything, a block in the middle.
    "head -c -7 $it > x; head -c 7 /dev/zero >> x; cat x > $it",
    "size=$(stat -c %s $it); head -c $size /dev/zero > $it",
    "fallocate --punch-hole --offset 8192 --length 4096 $it",
    "dd if=/dev/zero of=$it bs=1 seek=50000 count=1 conv=notrunc status=none",
    "sed -i 's/^Content-Length:  /Content-Length: 1/' $it",
  ]
  private static let large = 3

  /// Sends a letter for each way of spoiling, spoils it in the mailbox, and sends a good one behind them.
  /// - Returns: the IDs of the spoiled ones.
  private func sendSpoiled() throws -> [String] {
    let count = DigestTests.damages.count
    try box.write("large", "spoiled" + String(repeating: "0123456789abcdef", count: 6400))
    try box.script(
      """
      printf 'spoiled\\n%.0s' $(seq \(count - DigestTests.large)) | post send orders -s x --lines --id > ids
      for n in $(seq \(DigestTests.large)); do post send orders -s x --id large >> ids; done
      post send orders -m good
      chmod u+w spool/mailboxes/stock/new/*
      """)
    let ids = try box.read("ids").split(separator: "\n").map(String.init)
    try #require(ids.count == count)
    let damage = zip(ids, DigestTests.damages).map { "it=spool/mailboxes/stock/new/\($0)\n\($1)\n" }
    try box.script(damage.joined())
    return ids
  }

  /// All ways to get at letters. What they print of bodies is `good` alone.
  private static let readers = [
    "post read stock",
    "post read stock --all",
    "post read stock --wait=1m",
    "post read stock --all --format letter | sed '1,/^$/d'",
    "post read stock --all --format json | sed 's/.*\"body\":\"//; s/\".*//' | tr -d '\\n'",
    "post read stock -- cat",
    "post read stock --all -- cat",
    "id=$(post read stock --lease 1m); post show $id --format body",
    """
    post read stock --follow > out & until test -s out; do sleep 0.01; done
    kill $!; wait $! || true; cat out
    """,
    """
    echo 'Handler: cat >> ../../../out' > spool/mailboxes/stock/mailbox.conf
    post watch --until-empty; cat out
    """,
    """
    echo 'Handler: cat >> ../../../out' > spool/mailboxes/stock/mailbox.conf
    post watch & until test -s out; do sleep 0.01; done
    kill $!; wait $!; cat out
    """,
  ]

  @Test(arguments: readers) func noReaderAndNoHandlerGetsASpoiledLetter(reader: String) throws {
    let ids = try sendSpoiled()
    let read = try box.shell("set -eo pipefail\n" + reader)
    #expect(read.code == 0, "\(read.errors)")
    #expect(read.text == "good")
    #expect(box.entries("new").isEmpty)
    #expect(box.entries("corrupt") == ids.sorted())
    #expect(box.entries("notes") == ids.sorted())
    let log = try box.entries("log").map { try box.read("spool/mailboxes/stock/log/\($0)") }.joined()
    for id in ids {
      #expect(read.errors.contains(id))
      #expect(try box.read("spool/mailboxes/stock/notes/\(id)").contains("set aside"))
      #expect(log.contains("corrupt \(id)"))
    }
    #expect(try box.must("status").contains("! stock: \(ids.count) corrupt"))
  }

  @Test func peekNamesSpoiledLettersShowsNoneOfThemAndMovesNothing() throws {
    let ids = try sendSpoiled()
    let peeked = try box.post("read", "stock", "--peek", "-n", "50")
    #expect(peeked.code == 0)
    #expect(peeked.text == "good")
    for id in ids { #expect(peeked.errors.contains(id)) }
    #expect(box.entries("new").count == ids.count + 1)
    #expect(box.entries("corrupt").isEmpty)
  }

  @Test(arguments: [
    "post read stock", "post read stock --peek", "post read stock --lease 1m", "post read stock -- cat",
  ])
  func whenOnlyASpoiledLetterIsThereTheExitSaysSo(reader: String) throws {
    try box.must("send", "orders", "-m", "spoiled")
    try box.script("cd spool/mailboxes/stock/new; chmod u+w *; truncate -s -1 *")
    let read = try box.shell(reader)
    #expect(read.code == 65)
    #expect(read.text == "")
    #expect(read.errors.contains("a body of 6 bytes where 7 were sent"))
    #expect(try box.post("read", "stock").code == (reader.contains("peek") ? 65 : 1))
  }

  /// An operator may look at anything; the exit code says what it is.
  @Test(arguments: ["new", "corrupt"]) func showSaysThatALetterIsSpoiled(place: String) throws {
    let id = try box.must("send", "orders", "--id", "-m", "spoiled").dropLast()
    try box.script("cd spool/mailboxes/stock/new; chmod u+w *; truncate -s -1 *")
    if place == "corrupt" { #expect(try box.post("read", "stock").code == 65) }
    #expect(box.entries(place) == [String(id)])
    let shown = try box.post("show", String(id))
    #expect(shown.code == 65)
    #expect(shown.errors.contains("a body of 6 bytes where 7 were sent"))
  }

  @Test func aFailedLetterThatIsSpoiledWhileItLiesIsNotTriedAgain() throws {
    let id = try box.must("send", "orders", "--id", "-m", "spoiled").dropLast()
    #expect(try box.post("read", "stock", "--", "sh", "-c", "exit 65").code == 65)
    try box.script("cd spool/mailboxes/stock/failed; chmod u+w *; truncate -s -1 *")
    try box.must("retry", "stock", "ALL")
    #expect(try box.post("read", "stock", "--", "cat").code == 65)
    #expect(box.entries("corrupt") == [String(id)])
    let note = try box.read("spool/mailboxes/stock/notes/\(id)")
    #expect(note.contains("attempt 1 of") && note.contains("set aside"))
  }

  @Test func aLetterThatTheTopicKeptBadlyIsSetAsideByWhoSubscribesLater() throws {
    try box.must("send", "orders", "--lines", input: "spoiled\ngood")
    try box.script("cd spool/topics/orders/cur; it=$(ls | head -1); sed -i 's/spoiled/rpoiled/' $it")
    try box.open("late")
    let read = try box.post("read", "late", "--all")
    #expect(read.text == "good")
    #expect(box.entries("corrupt", of: "late").count == 1)
    // sed made a new file: the letter of the other mailboxes is whole.
    #expect(try box.must("read", "stock", "--all") == "spoiledgood")
  }

  @Test func aForeignLettersDigestIsCheckedIfItHasOne() throws {
    try box.script(
      """
      cd spool/topics/orders
      post send orders -m good
      sed '/^Content-Length/d' cur/* > tmp/whole; sed 's/good/evil/' tmp/whole > tmp/spoiled
      sed 's/crc32c=/sha-256=/' tmp/spoiled > tmp/other
      mv tmp/* new
      """)
    let read = try box.post("read", "stock", "--all")
    // The foreign ones got IDs of the second in which they were sorted, which may sort before or after the IDs of post.
    #expect(["goodevilgood", "evilgoodgood"].contains(read.text))
    #expect(box.entries("corrupt").count == 1)
    #expect(try box.script("cat spool/mailboxes/stock/corrupt/*").hasSuffix("evil"))
  }

  // MARK: A sender that keeps the file open

  @Test func aSenderThatRewritesADeliveredLetterReachesNobodyWithIt() throws {
    try box.open("invoice")
    try box.must("send", "orders", "--lines", input: "spoiled\ngood")
    // What only the owner can do, or a program that made the file: the letter has mode 0444.
    try box.script(
      """
      cd spool/topics/orders/cur; it=$(ls | head -1); chmod u+w $it
      exec 3<> $it
      chmod u-w $it
      head -c $(($(stat -c %s $it) - 7)) <&3 > /dev/null
      printf defaced >&3
      """)
    for mailbox in ["stock", "invoice"] {
      #expect(try box.must("read", mailbox, "--all") == "good")
      #expect(box.entries("corrupt", of: mailbox).count == 1)
    }
  }

  /// A handler reads the file itself, so it sees a change that is made in that moment; no second attempt does.
  @Test func aLetterThatIsRewrittenInAHandlersHandsIsNotHandledAgain() throws {
    try box.must("send", "orders", "-m", "spoiled")
    try box.script(
      """
      cat > spool/mailboxes/stock/mailbox.conf << 'end'
      Retry: 10ms..10ms
      Handler: cat >> ../../../out; chmod u+w $POST_FILE; printf more >> $POST_FILE; exit 75
      end
      """)
    let watched = try box.post("watch", "--until-empty")
    #expect(watched.code == 0)
    #expect(try box.read("out") == "spoiled")
    #expect(box.entries("corrupt").count == 1)
    #expect(watched.errors.contains("set aside"))
  }

  // MARK: Every bit

  /// One bit of a letter's file is flipped: whichever it is, a reader gets the body that was sent, or nothing.
  @Test func whicheverBitIsFlippedNobodyReadsAnotherBody() throws {
    try box.must("send", "orders", "-m", "4711\n")
    let name = try #require(box.entries("new").first)
    let folder = try Directory(box.spool / "mailboxes/stock/new")
    let letter = try folder.open(Path(name), .read).readAll(limit: 4096)
    let numbered = name.split(separator: "Q", maxSplits: 1)
    let host = try #require(numbered.last).drop(while: \.isNumber)
    for bit in 0..<(letter.count * 8) {
      var spoiled = letter
      spoiled[bit / 8] ^= 1 << UInt8(bit % 8)
      try folder.open(Path("\(numbered[0])Q\(bit + 2)\(host)"), .create(permissions: 0o444)).write(spoiled)
    }
    let read = try box.post("read", "stock", "--all")
    #expect(read.code == 0)
    #expect(Set(read.lines) == ["4711"])
    // Hardly a bit of the fields that post checks is idle (0 and 1 are the same after a blank that became a zero, say).
    let (delivered, corrupt) = (read.lines.count, box.entries("corrupt").count)
    #expect(delivered + corrupt == letter.count * 8 + 1)
    let telling = "Content-Length: 5\nContent-Digest: crc32c=:12345678:\n\n4711\n".utf8.count
    #expect(
      corrupt > telling * 8 * 3 / 4 && corrupt <= (telling + 40) * 8, "\(corrupt) of \(letter.count * 8)")
  }
}
