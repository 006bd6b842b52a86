// What the watcher knows of one mailbox that it serves: its settings, its schedule, the letters in its hands.

import Linux
import PostOffice
import Scheduling

final class MailboxWorker {
  let name: Name
  let mailbox: Mailbox
  /// Its number in the scheduler.
  let key: TurnScheduler.Key
  private(set) var settings: Settings
  var schedule = MailboxSchedule() { didSet { onChange() } }
  /// Called when the schedule changes.
  var onChange: () -> Void = {}
  var streams: [StreamHandler] = [] { didSet { makeRoom() } }
  var health = HandlerHealth()
  /// Letters that this watcher has claimed.
  private var claimed: Set<LetterID> = []
  /// Letters that were handled and cannot be settled yet, mostly because the disk is full. They stay claimed, so that
  /// they are not handled again, and no other letter takes their place (CrashSafety I26).
  private(set) var unsettled: [Unsettled] = []
  /// What kept the mailbox from being served last.
  private(set) var trouble: PostError?
  /// Nothing reported a letter when a scan began: one that is found now was missed.
  var isScanned = false
  /// A letter that cannot be read now is not tried again.
  private(set) var isLastChance = false
  private var hasLooked = false

  /// A claim whose verdict is known.
  struct Unsettled {
    let claim: Claim
    let item: WorkItem
    let verdict: Verdict
    let settings: Settings
    let stderr: [UInt8]
  }

  init(_ mailbox: Mailbox, _ settings: Settings, key: TurnScheduler.Key) {
    name = mailbox.name
    self.mailbox = mailbox
    self.settings = settings
    self.key = key
    noteSettings()
  }

  /// Applies changed settings. A new handler is tried at once.
  func apply(_ settings: Settings) {
    let isNew =
      settings.handler != self.settings.handler || settings.handlerMode != self.settings.handlerMode
    if isNew { markWorking() }
    let mustRestart =
      isNew || settings.lettersAtOnce != self.settings.lettersAtOnce || settings.order != self.settings.order
      || settings.umask != self.settings.umask || settings.timeout != self.settings.timeout
    if mustRestart { for stream in streams { stream.close() } }
    self.settings = settings
    noteSettings()
    for stream in streams.dropFirst(parallel) { stream.close() }
    schedule.isOpen = true
    schedule.hint()
  }

  private func noteSettings() {
    mailbox.settingsChanged(settings)
    schedule.isPausedByHand = mailbox.isPaused
    makeRoom()
  }

  // MARK: Capacity

  var isStreaming: Bool { settings.handlerMode == .stream }
  var parallel: Int { settings.order == .strict ? 1 : settings.parallel }
  /// How many letters one handler gets at most.
  var lettersAtOnce: Int {
    // In strict order a letter that fails holds up the next: a stream gets one at a time.
    isStreaming && settings.order == .strict ? 1 : settings.lettersAtOnce
  }

  /// Notes in the schedule how many more letters or handlers may be under way.
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

  // MARK: Waiting letters

  /// Letters may have arrived.
  func hintLetters() {
    mailbox.lettersArrived()
    schedule.hint()
  }

  /// Looks for letters that inotify may have missed.
  func scan() {
    let isEmpty = mailbox.block == nil && !mailbox.hasSkippedLetters
    isScanned = isEmpty && !schedule.mayHaveLetters && schedule.running == 0
    hintLetters()
  }

  /// Notes in the schedule that no letter could be claimed, and why.
  func noteNothingClaimed() {
    isScanned = false
    switch mailbox.block {
    case nil: schedule.foundNothing()
    case .letter: schedule.foundBlocked()
    case .claimer: schedule.foundClaimer(now: Clock.monotonic)
    }
  }

  /// Looks at letters that neither wait nor are ours: retries, leases, claims of other holders.
  func look(_ now: Int64) throws(PostError) {
    let hasReclaimed = try mailbox.look(now: now, except: claimed, noting: &schedule)
    if !hasLooked || hasReclaimed { mailbox.clearFormerHolders() }
    hasLooked = true
  }

  /// Tries letters that could not be read for the last time.
  /// - Returns: whether there are any.
  func retryUnreadable() -> Bool {
    guard mailbox.hasSkippedLetters, !schedule.isKnownBroken else { return false }
    isLastChance = true
    mailbox.retrySkipped()
    schedule.hint()
    return true
  }

  // MARK: Claimed letters

  /// Notes that letters were claimed.
  func take(_ claims: [Claim]) -> WorkItem {
    schedule.started()
    for claim in claims { claimed.insert(claim.letter.id) }
    return WorkItem(claims.count)
  }

  /// Notes that a letter is no longer claimed.
  /// - Parameter due: when it is to be tried again, if it is.
  func giveUp(_ claim: Claim, of item: WorkItem, due: Int64?) {
    claimed.remove(claim.letter.id)
    item.open -= 1
    item.due = [item.due, due].compactMap { $0 }.min()
    if item.open == 0 { schedule.ended(due: item.due) }
    if isStreaming { makeRoom() }
  }

  /// Keeps a letter that cannot be settled.
  func keep(_ end: Unsettled) { unsettled.append(end) }

  /// Gives back the letters that could not be settled, to be settled now.
  func takeUnsettled() -> [Unsettled] {
    defer { unsettled = [] }
    return unsettled
  }

  /// Pauses the mailbox because it cannot be read or written.
  func noteTrouble(_ error: PostError) {
    trouble = error
    schedule.noteTrouble(now: Clock.monotonic)
  }
}
