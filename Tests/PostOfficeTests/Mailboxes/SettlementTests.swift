// Where each verdict takes a letter, and when it is tried again.

import Linux
import Testing

@testable import PostOffice

@Suite struct SettlementTests {
  private let id = LetterID("1795766000.M1R2P3Q4.shop01")
  private var settings = Settings()

  init() {
    settings.tries = 3
    settings.retry = .seconds(8) ... .seconds(60)
  }

  private func settle(_ verdict: Verdict, attempt: Int = 1, random: UInt64 = 0) -> Settlement {
    Settlement(
      verdict, of: EntryName(id, attempt: attempt, beacon: 7), settings, now: 1_795_766_000_250,
      random: random)
  }

  @Test func doneTellsWhenInWholeSeconds() {
    let end = settle(.done, attempt: 2)
    #expect(end.place == .done && end.name.path == Path("\(id),A=2,D=1795766000"))
    #expect(end.event == "done" && end.detail == "attempt=2" && end.note == nil && end.due == nil)
  }

  @Test func failedIsForGoodHoweverManyTriesAreLeft() {
    let end = settle(.failed("exit 65"))
    #expect(end.place == .failed && end.name.path == Path("\(id),A=1"))
    #expect(end.event == "failed" && end.detail == "attempt=1 exit 65")
    #expect(end.note == "attempt 1 of 3: exit 65; failed for good" && end.due == nil)
  }

  @Test func retryWaitsForItsDelay() {
    let end = settle(.retry("exit 1"), attempt: 2)
    // Twice 8 s, and as early as the spread allows.
    #expect(end.place == .later && end.due == 1_795_766_012_250)
    #expect(end.name.path == Path("\(id),A=2,L=1795766012.250"))
    #expect(end.event == "retry" && end.detail == "attempt=2 exit 1")
    #expect(end.note == "attempt 2 of 3: exit 1; tried again in 16s")
  }

  @Test func retryFailsWithTheLastOfTheTries() {
    let end = settle(.retry("exit 1"), attempt: 3)
    #expect(end.place == .failed && end.name.path == Path("\(id),A=3"))
    #expect(end.event == "failed" && end.note == "attempt 3 of 3: exit 1; no tries left")
  }

  @Test(arguments: [1, 3, 9]) func aBrokenHandlerOrAReleaseSpendsNoAttempt(attempt: Int) {
    for verdict in [Verdict.release, .broken("exit 127")] {
      let end = settle(verdict, attempt: attempt)
      let before = attempt == 1 ? "" : ",A=\(attempt - 1)"
      #expect(end.place == .new && end.name.path == Path("\(id)\(before)"))
      #expect(end.event == "released" && end.note == nil && end.due == nil)
    }
    #expect(
      settle(.release).detail == "attempt=1" && settle(.broken("exit 127")).detail == "attempt=1 exit 127")
  }

  @Test func anAbandonedLetterHasSpentItsAttempt() {
    let end = settle(.abandoned("its holder died"), attempt: 2)
    #expect(end.place == .new && end.name.path == Path("\(id),A=2"))
    #expect(end.event == "reclaimed" && end.detail == "attempt=2 its holder died" && end.note == nil)
  }

  @Test(arguments: [3, 4]) func anAbandonedLetterFailsWithTheLastOfTheTries(attempt: Int) {
    let end = settle(.abandoned("its lease ended"), attempt: attempt)
    #expect(end.place == .failed && end.name.path == Path("\(id),A=\(attempt)"))
    #expect(end.event == "failed" && end.note == "attempt \(attempt) of 3: its lease ended; no tries left")
  }

  @Test func aClaimWithoutAttemptCountsAsTheFirst() {
    let end = Settlement(.retry("x"), of: EntryName(id), settings, now: 0, random: 0)
    #expect(end.name.attempt == 1 && end.detail == "attempt=1 x")
  }

  @Test func noRandomNumberIsTakenButForADelay() {
    func settle(_ verdict: Verdict, tries: Int) -> Bool {
      var settings = settings
      settings.tries = tries
      var isTaken = false
      func random() -> UInt64 {
        isTaken = true
        return 0
      }
      _ = Settlement(verdict, of: EntryName(id, attempt: 1), settings, now: 0, random: random())
      return isTaken
    }
    #expect(settle(.retry("x"), tries: 2) && !settle(.retry("x"), tries: 1) && !settle(.done, tries: 2))
  }

  // MARK: Delays

  @Test func delaysDoubleUpToTheLimit() {
    var settings = Settings()
    settings.retry = .seconds(1) ... .seconds(10)
    #expect(
      (1...7).map { settings.delay(afterAttempt: $0) } == [1, 2, 4, 8, 10, 10, 10].map { .seconds($0) })
    #expect(settings.delay(afterAttempt: 1_000_000) == .seconds(10))
    settings.retry = .zero ... .seconds(10)
    #expect(settings.delay(afterAttempt: 1_000_000) == .zero)
  }

  @Test(arguments: [
    Duration.seconds(1) ... .seconds(600), .milliseconds(1) ... .milliseconds(1), .seconds(3) ... .seconds(3),
    .milliseconds(1) ... .seconds(2),
  ])
  func delaysAreSpreadByAQuarterAndNeverTooLong(retry: ClosedRange<Duration>) throws {
    var settings = Settings()
    settings.retry = retry
    for attempt in [1, 2, 3, 10, 1000] {
      let delay = settings.delay(afterAttempt: attempt)
      let spread = (0..<500).map { _ in settings.spread(delay, by: .random(in: 0 ... .max)) }
      let least = try #require(spread.min())
      let most = try #require(spread.max())
      #expect(least >= delay * 0.749 && most <= min(delay * 1.251, settings.retry.upperBound))
      // Below the longest they really differ, to both sides.
      if delay * 1.3 < settings.retry.upperBound { #expect(least < delay * 0.85 && most > delay * 1.15) }
    }
  }
}
