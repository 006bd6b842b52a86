// Where the watcher keeps what it knows: a desk for each mailbox that it serves, and one for each topic.

import Linux

/// A mailbox that the watcher serves.
final class Desk {
  let name: Name
  let mailbox: Mailbox
  private(set) var settings: Settings
  var schedule = Schedule()
  /// Letters that this watcher holds.
  var holding: Set<LetterID> = []

  init(_ mailbox: Mailbox, _ settings: Settings) {
    name = mailbox.name
    self.mailbox = mailbox
    self.settings = settings
    schedule.parallel = settings.parallel
  }

  /// Whether the directory of this name is still the one that was opened.
  var isSame: Bool { (try? mailbox.office.mailbox(name).beaconByte) == mailbox.beaconByte }

  /// Takes up changed settings. A new handler gets its chance at once.
  func change(_ settings: Settings) {
    if settings.handler != self.settings.handler { markWorking() }
    self.settings = settings
    schedule.parallel = settings.parallel
    schedule.hint()
  }

  /// Looks at what is neither waiting nor ours: retries, leases, claims of others.
  func look(_ now: Int64) throws(PostError) {
    let retries = try mailbox.putBackDue()
    let hands = try mailbox.reclaim(except: holding)
    schedule.looked(
      now: now, due: retries.next.map { monotonic($0) }, leaseEnds: hands.nextLease.map { monotonic($0) },
      held: hands.held > 0, putBack: retries.putBack + hands.orphaned > 0)
  }

  /// A wall clock time (milliseconds since 1970) on the monotonic clock, at most a minute ahead: the
  /// wall clock may be set.
  func monotonic(_ wall: Int64) -> Int64 {
    let ahead = wall * 1_000_000 - Clock.wall
    return Clock.monotonic + min(max(ahead, 0), 60_000_000_000)
  }

  /// Takes no further letters.
  func retire() { schedule.parallel = 0 }

  /// The handler cannot be run: says so where post status looks, and pauses.
  func markBroken(_ reason: String, now: Int64) {
    schedule.isBroken(now: now)
    let pause = (max(0, (schedule.pausedUntil ?? now) - now) + 999_999_999) / 1_000_000_000
    let line = "handler cannot be run: \(settings.handler ?? "closure"): \(reason)"
    mailbox.office.warn("mailbox \(name): \(line); tried again in \(pause)s")
    let stamp = UTC(seconds: Clock.wall / 1_000_000_000).timestamp
    let root = mailbox.layout
    let draft = root[.tmp] / mailbox.office.ids.next(now: Clock.wall).path
    do throws(Errno) {
      try mailbox.office.root.open(draft, .create(permissions: 0o666)).write("\(stamp) \(line)\n")
      try mailbox.office.root.replace(root.broken, with: draft)
    } catch {
      try? mailbox.office.root.remove(draft)
    }
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
  private(set) var checkAt: Int64?
  private var rounds = 0
  private var isFirst = true

  init(_ name: Name, _ office: Office) {
    self.name = name
    self.office = office
    checkAt = 0
  }

  /// A letter was accepted; its sender will most likely sort it.
  func hint(_ now: Int64) {
    checkAt = min(checkAt ?? .max, now + Watcher.sortingGrace)
    rounds = 0
  }

  /// Sorts what nobody sorts. While living senders are at work, looks again, ever more rarely.
  func check(_ now: Int64) throws(PostError) {
    checkAt = nil
    let topic: Topic
    do throws(PostError) { topic = try office.topic(name) } catch  where error.kind == .notFound { return }
    let isBusy = isFirst ? try topic.tidy() : try topic.finishSorting()
    isFirst = false
    guard isBusy else { return }
    checkAt = now + min(Watcher.sortingGrace << Int64(min(rounds, 10)), Schedule.longestRecheck)
    rounds += 1
  }
}
