// Where the watcher keeps what it knows of a mailbox that it serves.

import Linux
import PostOffice
import Scheduling
import Text

/// A mailbox that the watcher serves.
final class MailboxWorker {
  let name: Name
  let mailbox: Mailbox
  /// The worker's number on the scheduler.
  let key: TurnScheduler.Key
  private(set) var settings: Settings
  var schedule = MailboxSchedule() { didSet { onChange() } }
  /// Called when the schedule changes.
  var onChange: () -> Void = {}
  /// Its streaming handlers.
  var streams: [StreamHandler] = [] { didSet { makeRoom() } }
  /// Letters that this watcher holds.
  private var holding: Set<LetterID> = []
  /// Handled, but that could not be written down yet: on a full disk, mostly. They stay in our hands, so that
  /// nobody handles them again, and as long as there are some, no other letter takes their place.
  private(set) var unsettled: [Unsettled] = []
  /// What kept the mailbox from being served last.
  private(set) var trouble: PostError?
  /// It is looked at although nothing told us to: what is found now was missed.
  var isScanned = false
  /// What cannot be read now is not tried again.
  var isLastChance = false

  /// A claim whose verdict is known.
  struct Unsettled {
    let claim: Claim
    let item: WorkItem
    let verdict: Verdict
    let settings: Settings
    let words: [UInt8]
  }

  init(_ mailbox: Mailbox, _ settings: Settings, key: TurnScheduler.Key = 0) {
    name = mailbox.name
    self.mailbox = mailbox
    self.settings = settings
    self.key = key
    takeUp(settings)
  }

  /// Takes up changed settings. A new handler gets its chance at once.
  func change(_ settings: Settings) {
    let isNew =
      settings.handler != self.settings.handler || settings.handlerMode != self.settings.handlerMode
    if isNew { markWorking() }
    let isOther =
      isNew || settings.lettersAtOnce != self.settings.lettersAtOnce || settings.order != self.settings.order
      || settings.umask != self.settings.umask || settings.timeout != self.settings.timeout
    if isOther { for stream in streams { stream.close() } }
    self.settings = settings
    takeUp(settings)
    for stream in streams.dropFirst(parallel) { stream.close() }
    schedule.isOpen = true
    schedule.hint()
  }

  private func takeUp(_ settings: Settings) {
    mailbox.settingsChanged(settings)
    schedule.isPausedByHand = mailbox.isPaused
    makeRoom()
  }

  // MARK: Room

  var isStreaming: Bool { settings.handlerMode == .stream }
  var parallel: Int { settings.order == .strict ? 1 : settings.parallel }
  /// How many letters one handler gets at most.
  var lettersAtOnce: Int {
    // In strict order a letter that fails must hold up the next: a stream may be asked for one at a time only.
    isStreaming && settings.order == .strict ? 1 : settings.lettersAtOnce
  }

  /// Says on the schedule for how many more letters, or handlers, there is room.
  func makeRoom() {
    guard isStreaming else {
      (schedule.capacity, schedule.needsNoHandler) = (parallel, false)
      return
    }
    guard settings.order == .any else {
      (schedule.capacity, schedule.needsNoHandler) = (1, streams.contains { $0.room > 0 })
      return
    }
    let room = streams.reduce(0) { $0 + $1.room }
    let further = max(0, parallel - streams.count) * lettersAtOnce
    (schedule.capacity, schedule.needsNoHandler) = (schedule.running + room + further, room > 0)
  }

  // MARK: Letters in hands

  /// Letters are in our hands.
  func take(_ claims: [Claim]) -> WorkItem {
    schedule.started()
    for claim in claims { holding.insert(claim.letter.id) }
    return WorkItem(claims.count)
  }

  /// A letter is no longer in our hands.
  /// - Parameter due: when it is to be tried again, if it is.
  func giveUp(_ claim: Claim, of item: WorkItem, due: Int64?) {
    holding.remove(claim.letter.id)
    item.open -= 1
    item.due = [item.due, due].compactMap { $0 }.min()
    if item.open == 0 { schedule.ended(due: item.due) }
    if isStreaming { makeRoom() }
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
    let hasReclaimed = try mailbox.look(now: now, except: holding, noting: &schedule)
    if !hasLooked || hasReclaimed { mailbox.clearFormerHolders() }
    hasLooked = true
  }

  // MARK: Broken handlers

  /// The handler cannot be run: says so where post status looks, and pauses.
  func markBroken(_ reason: String, now: Int64) {
    let wasPaused = schedule.pausedUntil.map { $0 > now } == true
    schedule.isBroken(now: now)
    if wasPaused, hasMarked { return }  // several that broke together are one break
    let pause = (max(0, (schedule.pausedUntil ?? now) - now) + 999_999_999) / 1_000_000_000
    let line = "handler is broken: \(settings.handler ?? "closure"): \(reason)"
    mark(line)
    hasMarked = true
    // Now only: whoever reads this may resume at once, and what ends the pause is that the sign goes.
    mailbox.office.warn("mailbox \(name): \(line); tried again in \(pause)s")
  }

  /// What a verdict means in the light of those before it: when letter after letter fails at once, the handler
  /// is to blame.
  /// - Parameter time: how long the handler was at work on the letter, nanoseconds.
  func judge(_ verdict: Verdict, on claim: Claim, after time: Int64) -> Verdict {
    if case .broken = verdict { return verdict }
    guard case .retry(let reason) = verdict, time < MailboxSchedule.quick else {
      markWorking()
      return verdict
    }
    guard schedule.failedAtOnce(Array(claim.letter.id.path.bytes)) else { return verdict }
    return .broken("letter after letter fails within a second, the last with \(reason)")
  }

  /// A streaming handler died. If one after the other does, post status shall say so.
  func markDead(_ reason: String) {
    deaths += 1
    if deaths < MailboxWorker.deathsToTell || hasMarked { return }
    hasMarked = true
    mark("handler dies again and again: \(settings.handler ?? ""): \(reason)")
  }

  /// So many deaths of streaming handlers, one after the other, are worth telling.
  private static let deathsToTell = 3

  /// Says what is the matter where post status looks.
  private func mark(_ line: String) {
    let stamp = UTC(seconds: Clock.wall / 1_000_000_000).timestamp
    try? mailbox.office.replace(
      mailbox.layout.broken, with: "\(stamp) \(line)\n", through: mailbox.layout[.tmp])
  }

  private var deaths = 0

  /// The handler can be run (again).
  func markWorking() {
    deaths = 0
    if hasMarked || !hasWorked { try? mailbox.office.root.remove(mailbox.layout.broken) }
    (hasWorked, hasMarked) = (true, false)
    schedule.works()
  }

  private var hasLooked = false
  private var hasWorked = false
  private var hasMarked = false
}
