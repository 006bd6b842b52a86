import Linux
import TestKit
import Testing

/// No state that a power cut can leave, at any moment of any command, lacks an accepted letter, shows a
/// torn one, or has one that only some of its mailboxes will ever get.
@Suite(.needsPtrace) struct PowerCutTests {
  let seed = Seeded.anySeed

  private func expectClean(_ recordings: [CutRecording]) -> PowerCut.Findings {
    var dice = Seeded(seed)
    var total = PowerCut.Findings()
    for recording in recordings {
      let findings = recording.cut.replay(&dice)
      #expect(findings.isClean, "\(recording.name), seed \(seed): \(findings); \(findings.words)")
      total += findings
    }
    return total
  }

  @Test func aPowerCutLosesTearsAndHalvesNothing() throws {
    let recordings = try CutRecording.commands.get()
    let findings = expectClean(recordings)
    print("power cut: \(recordings.count) commands traced, \(findings); seed \(seed)")
    #expect(findings.states > 10_000)
  }

  @Test func norDoesOneAfterAKill() throws {
    let recordings = try Succession.recordings.get()
    let findings = expectClean(recordings)
    print(
      "power cut after a kill: \(recordings.count) kills, \(findings); seeds \(Succession.seed), \(seed)")
    #expect(findings.states > (Seeded.takesAll ? 10_000 : 2000))
  }

  /// All journaling file systems make a rename atomic, and the office needs that. This test shows the cost where a
  /// rename comes apart: on sending, the topic's copy alone; on claiming and settling, the letter.
  @Test func whereRenamesComeApartNoMailboxMissesALetterThatWasSent() throws {
    var dice = Seeded(seed)
    var sending = try CutRecording.of("send").cut
    sending.renamesAreAtomic = false
    let sent = sending.replay(&dice)
    #expect(sent.count(.half) == 0 && sent.count(.torn) == 0 && sent.count(.lost) > 0, "\(sent)")
    var reading = try CutRecording.of("read").cut
    reading.renamesAreAtomic = false
    #expect(reading.replay(&dice).count(.half) > 0)
  }

  /// Names in a drop box cannot be synced: the letter is synced once more, for its names. By the letter of
  /// fsync(2) that is nothing; ext4, xfs and btrfs do so.
  @Test func dropBoxesNeedAFileSystemThatSyncsTheNamesOfAFile() throws {
    var dice = Seeded(seed)
    var sending = try CutRecording.of("send, drop boxes").cut
    #expect(sending.replay(&dice).isClean)
    sending.fileSyncKeepsNames = false
    #expect(sending.replay(&dice).count(.half) > 0)
  }
}
