// What a handler gets: its standard input, environment, descriptors, signals.

import Linux
import TestKit
import Testing

@Suite struct HandlerTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  @Test func theHandlerStandsInItsMailbox() throws {
    try office.subscribe("/bin/pwd")
    try office.send()
    let here = try office.watchUntilEmpty().lines
    #expect(here == ["\(office.spool)/mailboxes/stock"])
  }

  @Test func aDescriptorThatTheWatchersParentLeftOpenDoesNotReachTheHandler() throws {
    try office.subscribe("exec ls /proc/self/fd")
    try office.send()
    let watched = try office.shell("exec 9< /dev/zero; post watch --until-empty")
    #expect(watched.lines.sorted() == ["0", "1", "189", "2", "3"])  // 3 is what ls opens, 189 the beacon
  }

  @Test func theHandlerHasDefaultSignalsAndAGroupOfItsOwn() throws {
    try office.subscribe(
      "grep -E '^Sig(Ign|Blk)' /proc/self/status; cut -d' ' -f5 /proc/$$/stat | grep -qx $$ && echo leader")
    try office.send()
    let lines = try office.watchUntilEmpty().lines
    try #require(lines.count == 3)
    #expect(lines[0] == "SigBlk:\t0000000000000000")
    // glibc's own posix_spawn leaves its two internal signals, 32 and 33, ignored.
    let ignored = try #require(UInt64(lines[1].split(separator: "\t")[1], radix: 16))
    #expect(ignored & ~0x1_8000_0000 == 0)
    #expect(lines[2] == "leader")
  }

  @Test func theEnvironmentTellsOfTheLetter() throws {
    try office.subscribe("env | grep ^POST_ | sort", "Tries: 7")
    let sent = try office.post(
      "send", "orders", "--id", "-s", "purchase approved", "-t", "application/json", "-H",
      "X-Color: dark $red",
      "-m", "{}")
    let id = try #require(sent.lines.first)
    let watched = try office.post(
      "watch", "--until-empty", environment: ["POST_SECRET": "not for handlers", "OTHER": "1"])
    let spool = office.spool.description
    let expected = [
      "POST_SPOOL=\(spool)", "POST_ID=\(id)", "POST_TOPIC=orders", "POST_MAILBOX=stock", "POST_ATTEMPT=1",
      "POST_TRIES=7", "POST_SUBJECT=purchase approved", "POST_TYPE=application/json",
      "POST_HEADER_X_COLOR=dark $red",
      "POST_HEADER_CONTENT_LENGTH=2",
    ]
    let file = "POST_FILE=\(spool)/mailboxes/stock/cur/\(id),A=1"
    #expect(watched.lines.map(\.withoutBeacon).contains(file))
    for line in expected { #expect(watched.lines.contains(line), "\(line)") }
    #expect(watched.lines.contains { $0.hasPrefix("POST_DATE=") && $0.hasSuffix("+0000") })
    #expect(watched.lines.contains { $0.hasPrefix("POST_FROM=") && $0.contains("@") })
    #expect(!watched.text.contains("not for handlers"))
  }

  @Test func bodyAndHeadersNeverPassThroughAShell() throws {
    try office.subscribe("cat; printf %s \"$POST_SUBJECT\"")
    let evil = "$(touch \"$POST_SPOOL/../owned\"); `id` '\"\\"
    #expect(try office.post("send", "orders", "-m", evil, "-s", evil).code == 0)
    #expect(try office.watchUntilEmpty().text == evil + evil)
    #expect(office.lines(of: "owned").isEmpty && !office.names(in: ".").contains("owned"))
  }

  @Test func standardInputIsTheBodyByteForByte() throws {
    let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    try office.subscribe("cat")
    #expect(try office.post("send", "orders", input: body).code == 0)
    #expect(try office.watchUntilEmpty().output == body)
  }

  @Test func everyAttemptBeginsAtTheBody() throws {
    try office.subscribe("head -c 3; test $POST_ATTEMPT = 3")
    try office.send("abcdef")
    #expect(try office.watchUntilEmpty().text == "abcabcabc")
  }

  @Test func theFileIsTheWholeLetter() throws {
    try office.subscribe("cat \"$POST_FILE\"")
    let id = try office.send("body\n")
    let letter = try office.read("spool/topics/orders/cur/\(id)")
    #expect(try office.watchUntilEmpty().text == letter)
    #expect(letter.hasSuffix("\n\nbody\n"))
  }

  @Test func aForeignFileWithoutHeadersIsAllBody() throws {
    try office.subscribe("cat; echo \" $POST_ID $POST_TOPIC.\"")
    try office.deliverForeign("1795765752.4242_1.shop", "no headers\nat all")
    #expect(try office.watchUntilEmpty().text == "no headers\nat all 1795765752.4242_1.shop orders.\n")
  }

  @Test func standardErrorIsRelayedLineByLineWithTheMailboxName() throws {
    try office.subscribe("echo one >&2; printf 'two\\nthree' >&2")
    try office.subscribe("echo four >&2", as: "invoice")
    try office.send()
    let errors = try office.watchUntilEmpty().errors.split(separator: "\n").sorted()
    #expect(errors == ["invoice: four", "stock: one", "stock: three", "stock: two"])
  }

  @Test func aNoteHoldsTheEndOfWhatWasSaid() throws {
    try office.subscribe("yes filler | head -c 210000 >&2; echo the end >&2; exit 100")
    let id = try office.send()
    #expect(try office.watchUntilEmpty().code == 0)
    let note = try office.note(id)
    #expect(note.suffix(12) == "    the end\n")
    #expect(note.utf8.count < 120_000)
  }

  @Test func theWordsBehindTheDashesBecomeTheHandler() throws {
    let made = try office.post(
      "subscribe", "stock", "orders", "--tries", "2", "--timeout", "30s", "--retry", "10ms..20ms",
      "--parallel", "2", "--", "printf", "%s|", "a b", "it's", "$HOME", "")
    #expect(made.code == 0)
    try office.send()
    #expect(try office.watchUntilEmpty().text == "a b|it's|$HOME||")
  }
}
