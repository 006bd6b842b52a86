// The schedule of a mailbox: small cases one by one, then many random histories.

import TestKit
import Testing

@testable import Scheduling

@Suite struct MailboxScheduleTests {
  private let second: Int64 = 1_000_000_000

  /// A schedule that has looked and found nothing anywhere.
  private func idle(now: Int64 = 0) -> MailboxSchedule {
    var schedule = MailboxSchedule()
    schedule.foundNothing()
    schedule.looked(now: now, due: nil, leaseEnds: nil, held: false, putBack: false)
    return schedule
  }

  @Test func atFirstItLooksForLettersAndIsNotIdle() {
    let schedule = MailboxSchedule()
    #expect(schedule.mayStart(now: 0))
    #expect(!schedule.isIdle)
  }

  @Test func withNothingToDoItSleepsForEver() {
    let schedule = idle()
    #expect(schedule.isIdle)
    #expect(schedule.wakeAt == nil)
    #expect(!schedule.mayStart(now: .max / 2))
    #expect(!schedule.mustLook(now: .max / 2))
  }

  @Test func aHintWakesIt() {
    var schedule = idle()
    schedule.hint()
    #expect(schedule.mayStart(now: 0) && !schedule.isIdle)
    schedule.foundNothing()
    #expect(schedule.mustLook(now: 0) && !schedule.isIdle)
  }

  @Test func itLooksWhenARetryIsDue() {
    var schedule = idle()
    schedule.hint()
    schedule.started()
    schedule.foundNothing()
    schedule.looked(now: 0, due: nil, leaseEnds: nil, held: false, putBack: false)
    schedule.ended(due: 5 * second)
    #expect(schedule.wakeAt == 5 * second)
    #expect(!schedule.isIdle)
    #expect(!schedule.mustLook(now: 5 * second - 1))
    #expect(schedule.mustLook(now: 5 * second))
    schedule.looked(now: 5 * second, due: nil, leaseEnds: nil, held: false, putBack: true)
    #expect(schedule.mayStart(now: 5 * second))
  }

  @Test func theEarlierOfTwoTimesCounts() {
    var schedule = idle()
    schedule.looked(now: 0, due: 9 * second, leaseEnds: 4 * second, held: false, putBack: false)
    #expect(schedule.wakeAt == 4 * second)
    schedule.started()
    schedule.ended(due: 3 * second)
    #expect(schedule.wakeAt == 3 * second)
  }

  @Test func othersHandsAreLookedAtEverMoreRarely() throws {
    var schedule = idle()
    var now: Int64 = 0
    var delays = [Int64]()
    for _ in 1...30 {
      schedule.looked(now: now, due: nil, leaseEnds: nil, held: true, putBack: false)
      #expect(!schedule.isIdle)
      let next = try #require(schedule.wakeAt)
      delays.append(next - now)
      now = next
    }
    #expect(delays.first == MailboxSchedule.firstRecheck)
    #expect(delays == delays.sorted())
    #expect(delays.last == MailboxSchedule.longestRecheck)
  }

  @Test func pausesOfABrokenHandlerGrowAndAreBounded() throws {
    var schedule = idle()
    var now: Int64 = 0
    var pauses = [Int64]()
    for _ in 1...40 {
      schedule.hint()
      #expect(schedule.mayStart(now: now))
      schedule.started()
      schedule.markBroken(now: now)
      schedule.ended(due: nil)
      #expect(!schedule.mayStart(now: now))
      let next = try #require(schedule.wakeAt)
      #expect(!schedule.mayStart(now: next - 1))
      pauses.append(next - now)
      now = next
    }
    #expect(pauses.first == MailboxSchedule.firstPause)
    #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $1 == min($0 * 2, MailboxSchedule.longestPause) })
    #expect(pauses.last == MailboxSchedule.longestPause)
    schedule.markWorking()
    schedule.markBroken(now: now)
    #expect(try #require(schedule.wakeAt) - now == MailboxSchedule.firstPause)
  }

  @Test func severalThatBreakTogetherAreOneBreak() {
    var schedule = MailboxSchedule()
    schedule.capacity = 3
    for _ in 1...3 { schedule.started() }
    for _ in 1...3 {
      schedule.markBroken(now: 0)
      schedule.ended(due: nil)
    }
    #expect(schedule.wakeAt == MailboxSchedule.firstPause)
    #expect(schedule.mayStart(now: MailboxSchedule.firstPause))
    schedule.started()
    #expect(!schedule.mayStart(now: MailboxSchedule.firstPause), "one at a time, until it works")
    schedule.markWorking()
    #expect(schedule.mayStart(now: MailboxSchedule.firstPause))
  }

  @Test func afterTroubleItSleepsEvenIfALookIsDue() throws {
    var schedule = idle()
    schedule.looked(now: 0, due: second, leaseEnds: nil, held: false, putBack: false)
    // The look that is due at 1 s fails, for the directory is unreadable.
    #expect(schedule.mustLook(now: second))
    schedule.markBroken(now: second)
    #expect(try #require(schedule.wakeAt) > second, "or the watcher spins")
  }

  // MARK: Pauses that are not the handler's fault, and closed mailboxes

  @Test func aStreamingHandlerThatDiesIsStartedAgainAfterAPauseThatGrows() throws {
    var schedule = idle()
    var now: Int64 = 0
    var pauses = [Int64]()
    for _ in 1...12 {
      schedule.hint()
      #expect(schedule.mayStart(now: now))
      schedule.started()
      schedule.noteHandlerDeath(now: now)
      schedule.ended(due: nil)
      #expect(!schedule.mayStart(now: now))
      #expect(!schedule.isKnownBroken && !schedule.isHandlerBroken, "it is started again")
      let next = try #require(schedule.wakeAt)
      pauses.append(next - now)
      now = next
    }
    #expect(pauses.first == MailboxSchedule.firstPause && pauses.last == MailboxSchedule.longestPause)
    #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $1 == min($0 * 2, MailboxSchedule.longestPause) })
    #expect(schedule.mayStart(now: now))
    schedule.markWorking()
    #expect(schedule.pausedUntil == nil)
  }

  @Test func oneDeathOfAHandlerWithManyLettersIsOnePause() {
    var schedule = MailboxSchedule()
    schedule.capacity = 64
    for _ in 1...64 { schedule.started() }
    for _ in 1...64 { schedule.noteHandlerDeath(now: 0) }
    for _ in 1...64 { schedule.ended(due: second) }
    #expect(schedule.pausedUntil == MailboxSchedule.firstPause)
    #expect(schedule.running == 0)
  }

  @Test func pausedByHandNothingIsBegunAndNobodyWakes() {
    var schedule = idle()
    schedule.hint()
    schedule.started()
    schedule.isPausedByHand = true
    #expect(!schedule.isIdle, "what is under way goes on")
    schedule.ended(due: second)
    schedule.hint()
    for now in [0, second, 100 * second] {
      #expect(!schedule.mayStart(now: now) && !schedule.mustLook(now: now))
    }
    #expect(schedule.wakeAt == nil)
    #expect(schedule.isIdle, "post watch --until-empty ends")
    schedule.isPausedByHand = false
    #expect(!schedule.isIdle)
    #expect(schedule.wakeAt == second, "the retry is not forgotten")
    #expect(schedule.mayStart(now: second) && schedule.mustLook(now: second))
  }

  @Test func aPauseByHandOutlastsThePauseOfABrokenHandler() {
    var schedule = idle()
    schedule.hint()
    schedule.markBroken(now: 0)
    schedule.isPausedByHand = true
    #expect(schedule.wakeAt == nil)
    #expect(!schedule.mayStart(now: 2 * second))
    schedule.isPausedByHand = false
    #expect(schedule.wakeAt == MailboxSchedule.firstPause)
    #expect(!schedule.mayStart(now: 0) && schedule.mayStart(now: 2 * second))
  }

  @Test func whatIsClosedBeginsNothing() {
    var schedule = MailboxSchedule()
    schedule.looked(now: 0, due: second, leaseEnds: nil, held: false, putBack: true)
    schedule.isOpen = false
    schedule.hint()
    #expect(!schedule.mayStart(now: 9 * second) && !schedule.mustLook(now: 9 * second))
    #expect(schedule.wakeAt == nil)
    schedule.isOpen = true
    #expect(schedule.mayStart(now: 9 * second) && schedule.wakeAt == second)
  }

  // MARK: Suspicion

  /// Letters fail at once, one after another.
  /// - Returns: for how many of them the handler is to blame.
  private func blamed<Numbers: Sequence>(_ schedule: inout MailboxSchedule, for numbers: Numbers) -> Int
  where Numbers.Element == Int {
    var count = 0
    for number in numbers where schedule.noteQuickFailure(Array("\(number)".utf8)) { count += 1 }
    return count
  }

  @Test func manyLettersThatFailAtOnceAreTheHandlersFault() {
    var schedule = idle()
    let before = blamed(&schedule, for: 1..<MailboxSchedule.suspicion)
    let last = blamed(&schedule, for: [0])
    #expect(before == 0 && last == 1)
  }

  @Test func oneLetterThatFailsAtOnceOftenIsNot() {
    var schedule = idle()
    let often = blamed(&schedule, for: Array(repeating: 1, count: 1000))
    let others = blamed(&schedule, for: 2..<MailboxSchedule.suspicion)
    #expect(often == 0 && others == 0)
  }

  @Test func aLetterThatIsDoneMakesUpForAllBefore() {
    var schedule = idle()
    for round in 0..<10 {
      let count = blamed(&schedule, for: (1..<MailboxSchedule.suspicion).map { 100 * round + $0 })
      #expect(count == 0)
      schedule.markWorking()
    }
  }

  @Test func whileTheHandlerIsBrokenEachFailureIsItsFault() {
    var schedule = idle()
    schedule.markBroken(now: 0)
    let broken = blamed(&schedule, for: [1])
    schedule.markWorking()
    let working = blamed(&schedule, for: [1])
    #expect(broken == 1 && working == 0)
  }

  // MARK: Random histories

  @Test(arguments: Seeded.seeds(1, 2, 3)) func randomHistoriesInStrictOrder(seed: UInt64) throws {
    var random = Seeded(seed)
    for round in 0..<200 {
      do {
        var world = StrictWorld()
        for _ in 0..<100 { try world.happens(StrictWorld.anyEvent(&random), &random) }
        try world.finish(&random)
      } catch { throw Failure("\(error); seed \(seed), round \(round)") }
    }
  }

  @Test func randomHistories() {
    let seed = Seeded.anySeed
    var random = Seeded(seed)
    for round in 0..<300 { history(&random, "seed \(seed), round \(round)") }
  }

  /// Plays a mailbox: letters come, are handled, fail, break; checks the invariants.
  private func history(_ random: inout Seeded, _ label: String) {
    var schedule = MailboxSchedule()
    schedule.capacity = Int(random.next() % 3) + 1
    var now: Int64 = 0
    var (waiting, running) = (0, 0)
    var later = [Int64]()
    for _ in 0..<200 {
      now += Int64(random.next() % 2_000_000_000)
      switch random.next() % 6 {
      case 0:
        waiting += 1
        schedule.hint()
      case 1 where running > 0:
        schedule.markWorking()
        schedule.ended(due: nil)
        running -= 1
      case 2 where running > 0:
        later.append(now + Int64(random.next() % 3_000_000_000))
        schedule.markWorking()
        schedule.ended(due: later.last)
        running -= 1
      case 3 where running > 0:
        schedule.markBroken(now: now)
        schedule.ended(due: nil)
        (running, waiting) = (running - 1, waiting + 1)
      case 4: schedule.capacity = Int(random.next() % 3) + 1
      default: break
      }
      func look() {
        let due = later.count { $0 <= now }
        later.removeAll { $0 <= now }
        waiting += due
        schedule.looked(now: now, due: later.min(), leaseEnds: nil, held: false, putBack: due > 0)
        #expect(schedule.lookAt.map { $0 > now } ?? true, "\(label)")
      }
      for _ in 0..<100 {
        if schedule.mustLook(now: now) { look() }
        guard schedule.mayStart(now: now) else { break }
        #expect(schedule.pausedUntil.map { $0 <= now } ?? true, "\(label): it starts while paused")
        if waiting > 0 {
          (waiting, running) = (waiting - 1, running + 1)
          schedule.started()
          #expect(running <= schedule.capacity, "\(label)")
        } else {
          schedule.foundNothing()
        }
      }
      #expect(
        !schedule.mayStart(now: now) && !schedule.mustLook(now: now), "\(label): it does not come to rest")
      #expect(schedule.running == running, "\(label)")
      if waiting + running + later.count > 0 { #expect(!schedule.isIdle, "\(label): idle with letters") }
      if running == 0 {
        let wakeAt = schedule.wakeAt
        #expect(wakeAt.map { $0 > now } ?? true, "\(label): it wakes at once again")
        if waiting + later.count > 0 { #expect(wakeAt != nil, "\(label): it sleeps for ever") }
      }
    }
  }
}
