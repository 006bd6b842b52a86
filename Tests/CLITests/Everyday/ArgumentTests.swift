import Linux
import TestKit
import Testing

/// What an operator mistypes is refused with a reason, and creates nothing.
@Suite struct ArgumentTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  private static let badNames = [
    "", ".", "..", "../x", "a/b", "/etc", ".hidden", "_x", "a b", "a\nb", "a\u{1b}[2J", "ü", "a:b", "*",
    "a,b", String(repeating: "n", count: 129), String(repeating: "n", count: 300),
  ]

  private func expectRefusal(
    _ words: [String], _ code: Int32, at location: SourceLocation = #_sourceLocation
  ) throws {
    let refused = try box.run([Sandbox.binary] + words.map { Path($0) })
    #expect(refused.code == code, "\(words): \(refused.errors)", sourceLocation: location)
    #expect(refused.text == "", sourceLocation: location)
    #expect(refused.errors.hasPrefix("post"), sourceLocation: location)
    let lines = refused.errors.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines.last == "", "one line: \(refused.errors)", sourceLocation: location)
    #expect(!refused.errors.contains("\u{1b}"), sourceLocation: location)
  }

  @Test(arguments: badNames)
  func aBadNameIsRefusedAndNothingIsMade(name: String) throws {
    try expectRefusal(["send", "--", name], 64)
    try expectRefusal(["subscribe", "--", "stock", name], 64)
    try expectRefusal(["subscribe", "stock", "orders", name], 64)
    try expectRefusal(["subscribe", name, "orders"], 64)
    try expectRefusal(["read", name], 64)
    #expect(box.names(in: ".").isEmpty)
  }

  @Test func anyNameOf128HarmlessBytesIsGood() throws {
    let name = "9." + String(repeating: "-_", count: 63)
    try box.must("subscribe", name, name)
    try box.must("send", name, "-m", "a")
    #expect(try box.must("read", name) == "a")
  }

  @Test(arguments: [
    ["read", "attic"], ["done", "attic", "1"], ["unsubscribe", "attic"], ["retry", "attic", "ALL"],
    ["list", "attic"], ["show", "17"], ["watch", "attic", "--until-empty"],
  ])
  func whatIsNotThereIsNotFoundAndNotMade(words: [String]) throws {
    try expectRefusal(words, 66)
    #expect(!box.exists("spool"))
    try box.must("subscribe", "stock", "orders")
    try expectRefusal(words, 66)
    #expect(box.names(in: "spool/mailboxes") == ["stock"])
  }

  @Test(arguments: [
    [], ["send"], ["subscribe"], ["subscribe", "stock"], ["read"], ["read", "a", "b"], ["show"],
    ["retry", "a"],
    ["send", "orders", "--unknown"], ["send", "orders", "-x"], ["send", "orders", "-m"], ["frobnicate"],
    ["send", "orders", "-m", "x", "-m", "y"], ["read", "stock", "--all=yes"], ["--spool", "", "list"],
  ])
  func aCommandLineThatMakesNoSenseIsRefused(words: [String]) throws {
    let refused = try box.run([Sandbox.binary] + words.map { Path($0) })
    #expect(refused.code == 64, "\(words): \(refused.errors)")
    #expect(refused.errors != "")
    #expect(box.names(in: ".").isEmpty)
  }

  @Test(arguments: [
    ("Trise: 3", "Trise"), ("Tries: -1", "-1"), ("Tries: 0", "'0'"),
    ("Tries: 99999999999999999999999", "999"),
    ("Tries: 3 times", "3 times"), ("Tries:", "''"), ("Timeout: soon", "soon"), ("Timeout: -5s", "-5s"),
    ("Timeout: 9999999999d", "9999999999d"), ("Retry: 5m..1s", "5m..1s"), ("Parallel: 257", "257"),
    ("Parallel: 1e3", "1e3"), ("Keep-Done: week", "week"), ("no colon here", "Name: value"),
    ("Two words: x", "Name: value"), ("Keep: 7d", "Keep"), (": x", "Name: value"),
  ])
  func aBadSettingIsNamedWithFileAndLine(line: String, names: String) throws {
    try box.must("subscribe", "stock", "orders")
    try box.must("send", "orders", "-m", "a")
    try box.write("spool/mailboxes/stock/mailbox.conf", "# first\n\n\(line)\nTries: 5\n")
    let refused = try box.post("read", "stock")
    #expect(refused.code == 78)
    #expect(refused.text == "")
    #expect(refused.errors.contains("mailboxes/stock/mailbox.conf, line 3"))
    #expect(refused.errors.contains(names))
    #expect(box.entries("new").count == 1)
    #expect(try box.must("status").contains("line 3"))
  }

  @Test func aBadSettingOfTheOfficeOrATopicIsNamedToo() throws {
    try box.must("subscribe", "stock", "orders")
    try box.write("spool/post.conf", "Tries: none\n")
    #expect(try box.post("read", "stock").code == 78)
    #expect(try box.post("read", "stock").errors.contains("post.conf, line 1"))
    try box.write("spool/post.conf", "Tries: 3\n")
    try box.write("spool/topics/orders/topic.conf", "Keep: 7d\nTries: 3\n")
    let refused = try box.post("sweep")
    #expect(refused.code == 78)
    #expect(refused.errors.contains("topics/orders/topic.conf, line 2"))
  }

  @Test func badSettingsOfAMailboxDoNotConcernTheSender() throws {
    try box.must("subscribe", "stock", "orders")
    try box.write("spool/mailboxes/stock/mailbox.conf", "nonsense\n")
    let sent = try box.post("send", "orders", "-m", "a")
    #expect(sent.code == 0)
    #expect(sent.errors == "")
    #expect(box.entries("new").count == 1)
  }

  @Test func settingsAreForgivingOfCaseSpacesAndComments() throws {
    try box.must("subscribe", "stock", "orders")
    try box.write("spool/mailboxes/stock/mailbox.conf", "  # note\n\nTRIES:2   \nkeep-done:\t3d\n#\n")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.must("read", "stock", "--", "sh", "-c", "echo $POST_TRIES") == "2\n")
  }

  @Test func settingsMayHaveTheLineEndsOfLetters() throws {
    try box.must("subscribe", "stock", "orders")
    try box.write("spool/mailboxes/stock/mailbox.conf", "# note\r\nTries: 2\r\n\r\nTimeout: 5s\r\n")
    try box.must("send", "orders", "-m", "a")
    #expect(try box.must("read", "stock", "--", "sh", "-c", "echo $POST_TRIES") == "2\n")
    try box.write("spool/mailboxes/stock/mailbox.conf", "# note\r\nTries: 0\r\n")
    #expect(try box.post("read", "stock").errors.contains("line 2"))
  }

  @Test func settingsThatAreNoTextOrNoFileAreBadSettings() throws {
    try box.must("subscribe", "stock", "orders")
    try box.script("printf 'Tries: \\xff\\n' > spool/mailboxes/stock/mailbox.conf")
    #expect(try box.post("read", "stock").code == 78)
    try box.script("cd spool/mailboxes/stock; rm mailbox.conf; mkdir mailbox.conf")
    #expect(try box.post("read", "stock").code == 78)
    try box.script("cd spool/mailboxes/stock; rmdir mailbox.conf; mkfifo mailbox.conf")
    #expect(try box.shell("timeout 10 post read stock").code == 78)
  }

  @Test func aBrokenLineOfSettingsStopsAChangeOfThem() throws {
    try box.must("subscribe", "stock", "orders")
    let broken = "Tries: 3\nnonsense\n"
    try box.write("spool/mailboxes/stock/mailbox.conf", broken)
    #expect(try box.post("subscribe", "stock", "orders", "--tries", "9").code == 78)
    #expect(try box.read("spool/mailboxes/stock/mailbox.conf") == broken)
  }
}
