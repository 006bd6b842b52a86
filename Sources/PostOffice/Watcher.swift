// The watcher: hands letters to handlers until told to stop. One thread, one poll. In each round it
// looks where something may have happened, starts what may be started, and waits for the first of:
// a hint from the kernel, a handler's end, a signal, a deadline. With nothing to do it sleeps until
// one of the first three, however long that takes.

import Linux

/// Hands the letters of mailboxes to their handlers.
public final class Watcher {
  /// Handles a letter within this process.
  public typealias Closure = (Claim) -> Verdict

  let office: Office
  private let only: [Name]?
  private let closure: Closure?
  /// Stop when nothing is left to do.
  public var untilEmpty = false
  /// Takes a line for people about each event.
  public var tell: (String) -> Void = { _ in }
  /// Takes what handlers wrote on standard error, with the mailbox it belongs to.
  public var relay: (Name, [UInt8]) -> Void = { _, _ in }

  private var watches: WatchList
  private var desks: [Name: Desk] = [:]
  private var topics: [Name: TopicDesk] = [:]
  private var handlers: [Handler] = []
  private var unsynced: Set<Name> = []
  private var lastSync: Int64 = 0
  private var nextSweep: Int64 = 0
  private var stopping: Int64?

  /// The most handlers at once, over all mailboxes.
  static let handlerLimit = 256
  /// Old letters are removed this often. Nanoseconds, as everything here.
  static let sweepInterval: Int64 = 3_600_000_000_000
  /// Settled letters are durable after this time at the latest.
  static let syncInterval: Int64 = 1_000_000_000
  /// Where the kernel cannot watch, everything is looked at this often.
  static let scanInterval: Int64 = 2_000_000_000
  /// Told to stop, the watcher lets handlers work on for so long before it ends them.
  static let stopGrace: Int64 = 10_000_000_000
  /// A sender gets so long to sort its letter before anybody asks whether it is dead.
  static let sortingGrace: Int64 = 20_000_000

  /// - Parameters:
  ///   - mailboxes: the mailboxes to serve; nil: all that have a handler, also those still to come.
  ///   - closure: handles the letters; nil: the handler of each mailbox's settings.
  /// - Throws: not found, for a mailbox that does not exist; bad settings.
  public init(_ office: Office, mailboxes: [Name]? = nil, handler closure: Closure? = nil) throws(PostError) {
    self.office = office
    only = mailboxes
    self.closure = closure
    watches = try WatchList(office.path)
    var troubles = [PostError]()
    for name in mailboxes ?? [] {
      let mailbox = try office.mailbox(name)
      do throws(PostError) { try check(mailbox) } catch { troubles.append(error) }
    }
    // One mailbox's bad settings are no reason to leave the others alone.
    if let first = troubles.first, troubles.count == mailboxes?.count { throw first }
    for trouble in troubles { office.warn(trouble.message) }
  }

  private func check(_ mailbox: Mailbox) throws(PostError) {
    guard try mailbox.settings().handler == nil, closure == nil else { return }
    throw PostError(
      .badSettings,
      "mailbox \(mailbox.name) has no handler; add a line 'Handler: COMMAND' to \(mailbox.layout.settings)")
  }

  /// Asks the watcher to stop: no new letters; handlers at work may finish for ten seconds, then they
  /// are ended and their letters given back. Asked again, it does not wait.
  public func stop() {
    if let deadline = stopping {
      if deadline > Clock.monotonic { stopping = Clock.monotonic }
    } else {
      stopping = Clock.monotonic + Watcher.stopGrace
    }
  }

  /// Serves the mailboxes until stopped or, `untilEmpty`, until nothing is left.
  /// - Parameter signals: readable when the caller should look for signals; then `onSignal` is called.
  /// - Throws: bad settings, when the letters of a mailbox wait for a broken handler (`untilEmpty`).
  public func run() throws(PostError) { try run(signals: -1) {} }

  package func run(signals: Int32, onSignal: () -> Void) throws(PostError) {
    discover()
    while true {
      let now = Clock.monotonic
      if stopping == nil { work(now) }
      if let deadline = stopping, deadline <= now { for handler in handlers { handler.stop(now: now) } }
      sync(now)
      if handlers.isEmpty, stopping != nil || (untilEmpty && isIdle) { break }
      try wait(signals, onSignal, wakeAt(now))
    }
    syncNow()
    let broken = desks.values.filter { $0.schedule.isKnownBroken }.map(\.name).sorted()
    if untilEmpty, stopping == nil, let name = broken.first {
      throw PostError(.badSettings, "letters of mailbox \(name) wait, for the reason given above")
    }
  }

  // MARK: One round

  private func work(_ now: Int64) {
    if nextSweep <= now {
      if nextSweep > 0 { report { () throws(PostError) in try office.sweep() } }
      nextSweep = now + Watcher.sweepInterval
    }
    for topic in topics.values where topic.checkAt.map({ $0 <= now }) == true {
      report { () throws(PostError) in try topic.check(now) }
    }
    for desk in desks.values {
      do throws(PostError) { try serve(desk, now) } catch {
        // One mailbox in trouble must not hold up the others.
        office.warn("mailbox \(desk.name): \(error.message)")
        desk.schedule.isBroken(now: now)
      }
    }
  }

  private func serve(_ desk: Desk, _ now: Int64) throws(PostError) {
    if desk.schedule.mustLook(now: now) { try desk.look(now) }
    while handlers.count < Watcher.handlerLimit, desk.schedule.mayStart(now: Clock.monotonic) {
      do throws(PostError) {
        if let claim = try desk.mailbox.claim() {
          try start(claim, desk)
        } else {
          desk.schedule.foundNothing()
        }
      } catch  where error.kind == .badData {
        desk.schedule.foundNothing()  // set aside, and told; nothing good is left
      }
      if desk.schedule.mustLook(now: now) { try desk.look(now) }
    }
  }

  private func start(_ claim: Claim, _ desk: Desk) throws(PostError) {
    let settings = desk.settings
    desk.schedule.started()
    desk.holding.insert(claim.letter.id)
    if let closure {
      return try settle(claim, closure(claim), settings, desk)
    }
    do throws(Errno) {
      let folder = office.path / desk.mailbox.layout.root
      handlers.append(
        try Handler(
          .shell(settings.handler ?? ""), on: claim, settings, folder: folder, capturesErrors: true))
    } catch {
      try settle(claim, .broken("cannot be started: \(error)"), settings, desk)
    }
  }

  private func finish(_ handler: Handler) throws(PostError) {
    guard let desk = desks[handler.claim.mailbox.name] else { return }
    let end = try attempt("cannot reap a handler of mailbox \(desk.name)") { () throws(Errno) in
      try handler.finish()
    }
    if !end.words.isEmpty { relay(desk.name, end.words) }
    if let verdict = end.verdict {
      try settle(handler.claim, verdict, handler.settings, desk, words: end.words)
    } else {
      desk.schedule.ended(due: nil)
      desk.holding.remove(handler.claim.letter.id)
      try handler.claim.release()
      tell("\(desk.name): letter \(handler.claim.letter.id) given back")
    }
  }

  private func settle(
    _ claim: Claim, _ verdict: Verdict, _ settings: Settings, _ desk: Desk, words: [UInt8] = []
  ) throws(PostError) {
    let id = claim.letter.id
    desk.holding.remove(id)
    var due: Int64?
    defer { desk.schedule.ended(due: due) }
    let settlement = try claim.settle(verdict, settings: settings, words: words)
    if case .broken(let reason) = verdict {
      desk.markBroken(reason, now: Clock.monotonic)
      return
    }
    desk.markWorking()
    unsynced.insert(desk.name)
    let attempt = "attempt \(claim.attempt) of \(settings.tries)"
    switch settlement {
    case .done: tell("\(desk.name): letter \(id) done")
    case .failed: office.warn("mailbox \(desk.name): letter \(id) failed, \(attempt): \(verdict.reason)")
    case .later(let time):
      due = desk.monotonic(time)
      office.warn("mailbox \(desk.name): letter \(id) will be tried again, \(attempt): \(verdict.reason)")
    case .released: break
    }
  }

  // MARK: Waiting

  private func wakeAt(_ now: Int64) -> Int64? {
    var times = handlers.compactMap(\.deadline)
    if !unsynced.isEmpty { times.append(lastSync + Watcher.syncInterval) }
    if let stopping, stopping > now { times.append(stopping) }
    if stopping == nil {
      times += desks.values.compactMap(\.schedule.wakeAt) + topics.values.compactMap(\.checkAt) + [nextSweep]
      if watches.isBlind { times.append(now + Watcher.scanInterval) }
    }
    return times.min()
  }

  private func wait(_ signals: Int32, _ onSignal: () -> Void, _ wakeAt: Int64?) throws(PostError) {
    let descriptors = [signals, watches.descriptor] + handlers.map(\.descriptor)
    let ready = try attempt("cannot wait") { () throws(Errno) in
      try waitReadable(descriptors, atMost: wakeAt.map { max(0, $0 - Clock.monotonic) })
    }
    if ready[0] { onSignal() }
    if ready[1] { try takeHints() } else if watches.isBlind, !ready.contains(true) { hintAll() }
    let now = Clock.monotonic
    let hasEnded = zip(handlers, ready.dropFirst(2))
    let ended = hasEnded.filter(\.1).map(\.0)
    handlers = hasEnded.filter { !$0.1 }.map(\.0)
    for handler in ended {
      do throws(PostError) { try finish(handler) } catch {
        // Its letter will be taken back from us as from a dead holder. Not at once: the disk may be full.
        office.warn(error.message)
        desks[handler.claim.mailbox.name]?.schedule.isBroken(now: now)
        desks[handler.claim.mailbox.name]?.schedule.hint()
      }
    }
    for handler in handlers { handler.actOnDeadline(now: now) }
  }

  private func takeHints() throws(PostError) {
    guard let hints = try watches.hints() else { return hintAll() }
    let now = Clock.monotonic
    var mustDiscover = false
    var changed = Set<Name>()
    for hint in hints {
      switch hint.target {
      case .topics: mustDiscover = true
      case .mailboxes: if let name = Name(bytes: hint.name.bytes) { changed.insert(name) }
      case .office: if hint.name == Layout.settings || hint.name.isEmpty { mustDiscover = true }
      case .accepted(let name):
        if hint.name.isEmpty { mustDiscover = true }
        topics[name]?.hint(now)
      case .arrived(let name):
        if hint.name.isEmpty { mustDiscover = true }
        desks[name]?.schedule.hint()
      case .mailbox(let name): if hint.name != MailboxLayout(name).broken.name { changed.insert(name) }
      }
    }
    if mustDiscover { return discover() }
    for name in changed { open(name) }
  }

  private func hintAll() {
    discover()
    for desk in desks.values { desk.schedule.hint() }
    for topic in topics.values { topic.hint(Clock.monotonic) }
  }

  // MARK: Who is served

  /// Looks which topics and mailboxes there are, and reads settings anew.
  package func discover() {
    for target in [WatchList.Target.office, .topics, .mailboxes] { watches.add(target) }
    report { () throws(PostError) in
      let names = Set(try office.topicNames())
      for name in topics.keys where !names.contains(name) { topics[name] = nil }
      for name in names {
        watches.add(.accepted(name))
        if topics[name] == nil { topics[name] = TopicDesk(name, office) }
      }
      let mailboxes = try office.mailboxNames()
      for name in Set(desks.keys).subtracting(mailboxes) { close(name) }
      for name in mailboxes { open(name) }
    }
  }

  /// Begins to serve a mailbox, or takes up its changed settings.
  private func open(_ name: Name) {
    guard only?.contains(name) ?? true else { return }
    watches.add(.mailbox(name))
    do throws(PostError) {
      let settings = try office.settings(of: name)
      guard settings.handler != nil || closure != nil else { return close(name) }
      watches.add(.arrived(name))
      if let desk = desks[name], desk.isSame { return desk.change(settings) }
      desks[name] = Desk(try office.mailbox(name), settings)
    } catch  where error.kind == .notFound {
      close(name)  // not yet complete, or just removed; its directory tells when that changes
    } catch {
      office.warn(
        error.message + (desks[name] == nil ? "; mailbox \(name) is not served" : "; the old settings stay"))
    }
  }

  private func close(_ name: Name) {
    watches.remove(.arrived(name))
    // Handlers at work on its letters still need the desk.
    if handlers.contains(where: { $0.claim.mailbox.name == name }) {
      desks[name]?.retire()
    } else {
      desks[name] = nil
    }
  }

  // MARK: Bookkeeping

  private var isIdle: Bool {
    desks.values.allSatisfy { $0.schedule.isIdle || ($0.schedule.isKnownBroken && $0.schedule.running == 0) }
      && topics.values.allSatisfy { $0.checkAt == nil }
  }

  private func sync(_ now: Int64) {
    if !unsynced.isEmpty, now - lastSync >= Watcher.syncInterval { syncNow() }
  }

  private func syncNow() {
    lastSync = Clock.monotonic
    let names = unsynced
    unsynced = []
    report { () throws(PostError) in
      if names.count > Delivery.directorySyncs {
        try attempt("cannot sync \(office.path)") { () throws(Errno) in try office.root.syncFileSystem() }
      } else {
        for name in names { try desks[name]?.mailbox.syncSettled() }
      }
    }
  }

  private func report(_ work: () throws(PostError) -> Void) {
    do throws(PostError) { try work() } catch { office.warn(error.message) }
  }
}
