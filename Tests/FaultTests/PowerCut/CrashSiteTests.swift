import Linux
import TestKit
import Testing

/// The judge is right: where it sees nothing lost, torn or half delivered, the real commands put things
/// right, and where it does, they cannot.
@Suite(.needsPtrace) struct CrashSiteTests {
  let seed = Seeded.anySeed

  /// Draws states of a recording, each with the same chance.
  private func draw(
    _ count: Int, from recording: CutRecording, _ dice: inout Seeded,
    where isWanted: (PowerCut.State) -> Bool
  ) -> [PowerCut.State] {
    var drawn = [PowerCut.State]()
    var seen = 0
    var lot = Seeded(dice.next())
    withoutActuallyEscaping(isWanted) { isWanted in
      var cut = recording.cut
      cut.onState = { state in
        guard isWanted(state) else { return }
        seen += 1
        if drawn.count < count {
          drawn.append(state)
        } else {
          let place = Int.random(in: 0..<seen, using: &lot)
          if place < count { drawn[place] = state }
        }
      }
      _ = cut.replay(&dice)
    }
    return drawn
  }

  @Test func whatTheJudgeAcceptsTheNextCommandsPutRight() throws {
    var dice = Seeded(seed)
    var (count, left) = (0, 0)
    let commands = try CutRecording.commands.get()
      .filter { !$0.scenario.hasAway && $0.name != "send, 20 mailboxes" }
    let afterKills = try Succession.recordings.get().shuffled(using: &dice)
      .prefix(Seeded.takesAll ? 16 : 6)
    for (recordings, states) in [(commands, Seeded.takesAll ? 2 : 1), (Array(afterKills), 1)] {
      for recording in recordings {
        for state in draw(states, from: recording, &dice, where: \.faults.isEmpty) {
          let site = try CrashSite(state, of: recording, isTorn: false, &dice)
          let troubles = try site.recover()
          #expect(troubles.isEmpty, "\(recording.name), \(state.after), seed \(seed)")
          count += 1
          if !troubles.isEmpty { left += 1 }
        }
      }
    }
    print("power cut: \(count) crash states laid out, \(left) not put right afterwards; seed \(seed)")
    #expect(count > 40)
  }

  @Test(arguments: [
    ("fsync spool/topics/orders/tmp/", SpoolJudge.Fault.torn), ("fsync spool/topics/orders/new", .lost),
    ("fsync spool/topics/orders/new", .half), ("fsync spool/mailboxes/invoice/new", .half),
  ])
  func whatTheJudgeRefusesNobodyPutsRight(sync: String, fault: SpoolJudge.Fault) throws {
    var dice = Seeded(seed)
    let sent = try CutRecording.of("send")
    let index = try #require(sent.trace.indices(of: sync).first)
    let without = sent.with(sent.trace.without(index))
    let states = draw(3, from: without, &dice, where: { $0.faults.contains(fault) })
    #expect(!states.isEmpty)
    for state in states {
      let site = try CrashSite(state, of: without, isTorn: true, &dice)
      #expect(try !site.recover().isEmpty, "\(state.after), seed \(seed)")
    }
  }
}
