// The reader: claims the oldest letters of a mailbox, gives them to the caller's work, settles them as it says, and goes on
// until no letter waits, or the limit is reached.
//
// - A letter is handed out whole (CrashSafety I23), and to one holder at a time (I21).
// - When the reader returns or throws, every letter that it claimed is settled, released or leased. If its process dies, its
//   beacon goes out, and the next post command on the mailbox puts the letters back.
// - Settlements are durable when the reader returns, and before that once a second: until then a power cut may give back
//   letters that were done.
// - A letter that is corrupt or cannot be read hides none behind it: the reader warns, or throws if it found no other.
// - The reader never waits while a letter is in its hands and not with the work.

import Linux

/// Reads the letters of a mailbox, the oldest first.
public struct Reader {
  /// When to wait for a letter, if none is there.
  public enum Patience: Sendable {
    case none
    /// Until the first letter, for so long at most; nil: however long it takes.
    case firstLetter(Duration?)
    /// For every letter: the reader ends only when the work says so, or a signal comes.
    case everyLetter
  }

  /// How many letters a reader has claimed, and how many of them were done.
  public struct Counts: Hashable, Sendable {
    public internal(set) var claimed = 0
    public internal(set) var done = 0
  }

  /// The verdict on letters, and whether to go on.
  package typealias WorkResult = (verdict: Verdict, goesOn: Bool)
  /// Handles letters. An error ends the reader, and the letters are released.
  package typealias Work = ([Claim]) throws(PostError) -> WorkResult

  private let mailbox: Mailbox
  package let settings: Settings
  /// The most letters to claim.
  public var limit = Int.max
  public var patience = Patience.none
  /// The most letters that the work gets at once; above 1, their files are closed.
  package var batch = 1
  /// Claims letters for so long, whether this process lives or not, and settles none: their IDs do, or the lease ends.
  package var lease: Duration?
  /// The work lends the beacon to another process, so each claim needs one of its own.
  package var lendsBeacon = false
  /// Ends a wait when it becomes readable.
  package var signals: Int32?

  /// Letters that were settled are made durable after so long (nanoseconds), or so many.
  private static let syncInterval: Int64 = 1_000_000_000
  private static let syncGroup = 4096

  /// - Throws: bad settings.
  public init(_ mailbox: Mailbox) throws(PostError) {
    self.mailbox = mailbox
    settings = try mailbox.settings()
  }

  /// Gives each letter to a closure and settles it with the verdict that the closure returns. It ends after a
  /// broken or released letter, and after an error, for which the letter is released.
  /// - Throws: what the closure throws; ``PostError``, if no letter could be read or a verdict not be recorded.
  @discardableResult
  public func read(_ handle: (Claim) throws -> Verdict) throws -> Counts {
    var failure: (any Error)?
    let counts = try run { (claims) throws(PostError) in
      do { return (try handle(claims[0]), true) } catch { failure = error }
      return (.release, false)
    }
    if let failure { throw failure }
    return counts
  }

  /// Gives letters, or batches of them, to the work and settles them, unless they are leased.
  package func run(_ work: Work) throws(PostError) -> Counts {
    var arrivals: ArrivalWaiter?
    var deadline: Int64?
    switch patience {
    case .none: break
    case .firstLetter(let time):
      arrivals = try ArrivalWaiter(mailbox)
      deadline = time.map { Clock.monotonic + $0.nanoseconds }
    case .everyLetter: arrivals = try ArrivalWaiter(mailbox)
    }
    var counts = Counts()
    var beacon = Beacon(mailbox)
    var (unsynced, lastSync) = (0, Clock.monotonic)
    var trouble: PostError?
    func sync() { if lease == nil, counts.claimed > 0 { mailbox.syncOrWarn() } }
    defer { sync() }
    mailbox.expect(limit)
    try mailbox.refresh()
    while counts.claimed < limit {
      var claims = [Claim]()
      do throws(PostError) {
        if lendsBeacon { beacon = Beacon(mailbox) }
        if let lease {
          claims = try mailbox.claim(lease: lease).map { [$0] } ?? []
        } else {
          claims = try mailbox.claim(upTo: min(batch, limit - counts.claimed), beacon)
        }
      } catch { trouble = error }
      if !claims.isEmpty {
        counts.claimed += claims.count
        unsynced += claims.count
        // In strict order, the mailbox itself holds back what must not overtake.
        let (verdict, goesOn) = try handle(claims, work, &counts)
        guard goesOn, BatchPolicy.goesOn(after: verdict, in: .any) else { break }
        if unsynced >= Reader.syncGroup || Clock.monotonic - lastSync >= Reader.syncInterval {
          sync()
          (unsynced, lastSync) = (0, Clock.monotonic)
        }
      } else if trouble == nil, try mailbox.refreshDue() {
        continue
      } else {
        guard let arrivals, mayWait(counts) else { break }
        if let error = trouble.take() { mailbox.office.warn(error.message) }
        sync()
        guard try arrivals.wait(until: deadline, signals: signals) else { break }
      }
    }
    guard let trouble else { return counts }
    if counts.claimed == 0 { throw trouble }
    mailbox.office.warn(trouble.message)
    return counts
  }

  private func mayWait(_ counts: Counts) -> Bool {
    if case .everyLetter = patience { return true }
    return counts.claimed == 0
  }

  /// Gives the work letters that were claimed together and settles them.
  /// - Returns: the last verdict, and whether the work wants to go on.
  private func handle(_ claims: [Claim], _ work: Work, _ counts: inout Counts) throws(PostError) -> WorkResult
  {
    let result: WorkResult
    do throws(PostError) { result = try work(claims) } catch {
      try? release(claims)
      throw error
    }
    if lease != nil { return result }
    if claims.count > 1, BatchPolicy.splits(after: result.verdict) {
      return try handleEach(claims, work, goesOn: result.goesOn, &counts)
    }
    try mailbox.office.forEach(claims) { (claim) throws(PostError) in
      try claim.settle(result.verdict, settings: settings)
    }
    if result.verdict == .done { counts.done += claims.count }
    return result
  }

  /// Gives the work the letters of a batch that failed one by one, as far as the policy allows.
  private func handleEach(
    _ claims: [Claim], _ work: Work, goesOn: Bool, _ counts: inout Counts
  ) throws(PostError) -> WorkResult {
    var rest = claims[...]
    var last: WorkResult = (.done, goesOn)
    do throws(PostError) {
      while last.goesOn, BatchPolicy.goesOn(after: last.verdict, in: settings.order),
        let next = rest.popFirst()
      {
        last = try handle([next], work, &counts)
      }
    } catch {
      try? release(Array(rest))
      throw error
    }
    try release(Array(rest))
    return last
  }

  private func release(_ claims: [Claim]) throws(PostError) {
    try mailbox.office.forEach(claims) { (claim) throws(PostError) in try claim.release() }
  }
}
