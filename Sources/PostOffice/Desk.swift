// Where the watcher keeps what it knows: a desk for each mailbox that it serves, and one for each topic.

import Linux

/// A mailbox that the watcher serves.
final class Desk {
  let name: Name
  let mailbox: Mailbox
  private(set) var settings: Settings
  var schedule = Schedule()
  /// False: handlers are still at work for it, but no further letters are taken.
  var isServed = true
  /// Letters that this watcher holds.
  private var holding: Set<LetterID> = []
  /// Handled, but that could not be written down yet: on a full disk, mostly. They stay in our hands, so that
  /// nobody handles them again, and as long as there are some, no other letter takes their place.
  private(set) var unsettled: [Unsettled] = []
  /// What kept the mailbox from being served last.
  private(set) var trouble: PostError?

  /// A claim whose verdict is known.
  struct Unsettled {
    let claim: Claim
    let verdict: Verdict
    let settings: Settings
    let words: [UInt8]
  }

  init(_ mailbox: Mailbox, _ settings: Settings) {
    name = mailbox.name
    self.mailbox = mailbox
    self.settings = settings
    schedule.parallel = settings.parallel
  }

  /// Takes up changed settings. A new handler gets its chance at once.
  func change(_ settings: Settings) {
    if settings.handler != self.settings.handler { markWorking() }
    self.settings = settings
    isServed = true
    schedule.parallel = settings.parallel
    schedule.hint()
  }

  /// A letter is in our hands.
  func take(_ id: LetterID) {
    schedule.started()
    holding.insert(id)
  }

  /// A letter is no longer in our hands.
  func giveUp(_ id: LetterID, due: Int64?) {
    schedule.ended(due: due)
    holding.remove(id)
  }

  /// A letter's end could not be written down.
  func keep(_ end: Unsettled) { unsettled.append(end) }

  /// Takes up the letters whose end could not be written down.
  func takeUnsettled() -> [Unsettled] {
    defer { unsettled = [] }
    return unsettled
  }

  /// The mailbox cannot be read or written; it is tried again after a pause.
  func isInTrouble(_ error: PostError) {
    trouble = error
    schedule.isInTrouble(now: Clock.monotonic)
  }

  /// Looks at what is neither waiting nor ours: retries, leases, claims of others.
  func look(_ now: Int64) throws(PostError) {
    let retries = try mailbox.putBackDue()
    let hands = try mailbox.reclaim(except: holding)
    schedule.looked(
      now: now, due: retries.next.map { monotonic($0) }, leaseEnds: hands.nextLease.map { monotonic($0) },
      held: hands.held > 0, putBack: retries.putBack + hands.putBack > 0)
  }

  /// A wall clock time (milliseconds since 1970) on the monotonic clock, at most a minute ahead: the
  /// wall clock may be set.
  func monotonic(_ wall: Int64) -> Int64 {
    let ahead = wall - Clock.wall / 1_000_000
    return Clock.monotonic + min(max(ahead, 0), 60_000) * 1_000_000
  }

  /// The handler cannot be run: says so where post status looks, and pauses.
  func markBroken(_ reason: String, now: Int64) {
    schedule.isBroken(now: now)
    let pause = (max(0, (schedule.pausedUntil ?? now) - now) + 999_999_999) / 1_000_000_000
    let line = "handler cannot be run: \(settings.handler ?? "closure"): \(reason)"
    mailbox.office.warn("mailbox \(name): \(line); tried again in \(pause)s")
    let stamp = UTC(seconds: Clock.wall / 1_000_000_000).timestamp
    try? mailbox.office.replace(
      mailbox.layout.broken, with: "\(stamp) \(line)\n", through: mailbox.layout[.tmp])
  }

  /// The handler can be run (again).
  func markWorking() {
    if schedule.isKnownBroken || !hasWorked { try? mailbox.office.root.remove(mailbox.layout.broken) }
    hasWorked = true
    schedule.works()
  }

  private var hasWorked = false
}

/// A topic as the watcher sees it: letters there may have lost their sender.
final class TopicDesk {
  private let name: Name
  private let office: Office
  /// When to see whether letters lie unsorted.
  private(set) var checkAt: Int64? = 0
  /// It could not be tidied up to the end; nobody should wait for it.
  private(set) var isInTrouble = false
  private var rounds = 0

  init(_ name: Name, _ office: Office) {
    self.name = name
    self.office = office
  }

  /// A letter was accepted; its sender will most likely sort it.
  func hint(_ now: Int64) {
    checkAt = min(checkAt ?? .max, now + Watcher.sortingGrace)
    rounds = 0
  }

  /// Finishes what nobody finishes. While others are at work, or after trouble, looks again, ever
  /// more rarely.
  func check(_ now: Int64) {
    checkAt = nil
    isInTrouble = false
    do throws(PostError) {
      switch try office.topic(name).tidy() {
      case .nothing: return
      case .inOthersHands: comeBack(now, first: Watcher.sortingGrace, longest: Schedule.longestRecheck)
      case .inTrouble: comeBackAfterTrouble(now)
      }
    } catch let error where error.kind == .notFound || error.kind == .noPermission {
      return  // gone, or not ours
    } catch {
      office.warn(error.message)
      comeBackAfterTrouble(now)
    }
  }

  private func comeBackAfterTrouble(_ now: Int64) {
    isInTrouble = true
    comeBack(now, first: Schedule.firstPause, longest: Schedule.longestPause)
  }

  private func comeBack(_ now: Int64, first: Int64, longest: Int64) {
    checkAt = now + min(first << Int64(min(rounds, 20)), longest)
    rounds += 1
  }
}
