import Linux
import TestKit
import Testing

/// `Durability: none` skips every sync on the way of a letter; `full`, or no setting, skips none.
@Suite(.needsStrace) struct DurabilityTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock", "invoice", "dispatch")
    try box.must("send", "orders", "-m", "first")
  }

  /// The syncs of a command: fsync, and syncfs.
  private func syncs(_ command: String) throws -> [Int] {
    let text = try box.script(
      """
      strace -f -o trace -e trace=fsync,fdatasync,syncfs,sync,sync_file_range \(command)
      grep -c sync trace || true
      grep -c syncfs trace || true
      """)
    return text.split(separator: "\n").compactMap { Int($0) }
  }

  @Test func aLetterTakesASyncForItselfForNewAndForEachMailbox() throws {
    #expect(try syncs("post send orders -m x") == [5, 0])
    try box.write("spool/post.conf", "Durability: full\n")
    #expect(try syncs("post send orders -m x") == [5, 0])
    #expect(try syncs("post send orders -m x --durability full") == [5, 0])
  }

  @Test(arguments: [
    "post send orders -m x", "seq 300 | post send orders --lines", "head -c 1M /dev/zero | post send orders",
  ])
  func withoutDurabilityThereIsNone(command: String) throws {
    let words = command.replacing(
      "post send",
      with:
        "strace -f -o trace -e trace=fsync,fdatasync,syncfs,sync,sync_file_range post send --durability none")
    try box.script(words)
    #expect(try box.script("grep -c sync trace || true") == "0\n")
    #expect(box.entries("new").count == box.topicEntries("cur").count)
    #expect(box.topicEntries("new").isEmpty && box.topicEntries("tmp").isEmpty)
    let found = try box.post("check")
    #expect(found.code == 0, "\(found.text)")
  }

  /// One sync for all of them: of the letter once more, where that is known to be enough; else of the file system.
  @Test func manyMailboxesTakeOneSyncTogether() throws {
    for number in 1...20 { try box.open("box\(number)") }
    let mount = try Directory(box.spool).mountID().flatMap { Mount.numbered($0) }
    #expect(try syncs("post send orders -m x") == [3, mount?.commitsLinksWithFile == true ? 0 : 1])
    #expect(try syncs("post send orders -m x --durability none") == [0, 0])
    #expect(box.entries("new", of: "box20").count == 3)
  }

  @Test func elsewhereTheFileSystemIsSynced() throws {
    let box = try Sandbox(in: Sandbox.memory)
    for number in 1...20 { try box.open("box\(number)") }
    let text = try box.script(
      "strace -o trace -e trace=fsync,syncfs post send orders -m x; cut -d'(' -f1 trace")
    #expect(text.split(separator: "\n").prefix(3) == ["fsync", "fsync", "syncfs"])
  }

  @Test func aLetterThatIsHeldNeedsNoneEither() throws {
    try box.script("mv spool/mailboxes/invoice gone")
    #expect(try syncs("post send -q orders -m x --durability none; true") == [0, 0])
    #expect(box.names(in: "spool/topics/orders/held/invoice").count == 1)
    try box.script("mv gone spool/mailboxes/invoice; post sweep")
    #expect(box.entries("new", of: "invoice").count == 2)
  }

  @Test(arguments: ["spool/post.conf", "spool/topics/orders/topic.conf"])
  func theSettingIsTheOfficesOrTheTopicsAndTheFlagWins(file: String) throws {
    try box.write(file, "Durability: none\n")
    #expect(try syncs("post send orders -m x") == [0, 0])
    #expect(try syncs("post send orders -m x --durability full") == [5, 0])
  }

  @Test func theTopicWinsOverTheOffice() throws {
    try box.write("spool/post.conf", "Durability: none\n")
    try box.write("spool/topics/orders/topic.conf", "Durability: full\n")
    #expect(try syncs("post send orders -m x") == [5, 0])
  }

  @Test func aBadValueIsToldOfAndSparesNothing() throws {
    try box.write("spool/topics/orders/topic.conf", "# fast\nDurability: some\n")
    #expect(try syncs("post send -q orders -m x") == [5, 0])
    let sent = try box.post("send", "orders", "-m", "x")
    #expect(sent.code == 0)
    #expect(
      sent.errors.contains(
        "topics/orders/topic.conf, line 2: invalid value 'some' for Durability: expected full or none"))
    #expect(try box.must("status").contains("topics/orders/topic.conf, line 2"))
  }

  @Test func aBadFlagIsAMistakeOfUsage() throws {
    let refused = try box.post("send", "other", "-m", "x", "--durability", "some")
    #expect(refused.code == 64)
    #expect(refused.errors == "post: invalid value 'some' for --durability: expected full or none\n")
    #expect(!box.exists("spool/topics/other"))
  }

  /// Min-Free and Durability are read together.
  @Test func theSettingsAreReadOnce() throws {
    try box.script("strace -o trace -e trace=openat post send orders -m x")
    #expect(try box.script("grep -c '[.]conf' trace") == "2\n")
    try box.script("seq 300 | strace -o trace -e trace=openat post send orders --lines --durability none")
    #expect(try box.script("test $(grep -c '[.]conf' trace) -le 6 && echo yes") == "yes\n")
  }
}
