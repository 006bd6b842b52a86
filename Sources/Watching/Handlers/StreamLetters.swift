// The letters in the hands of one streaming handler: which have been sent, and which may be sent now. No I/O.
//
// A letter that is tried again is sent when the handler has no other, and no other is sent before it is answered: so
// the letter that kills its handler is found. All others are sent at once, in the order in which they came.

import PostOffice

struct StreamLetters {
  struct Given {
    let claim: Claim
    let item: WorkItem
    /// When it was given or, later, sent. Monotonic nanoseconds.
    fileprivate(set) var at: Int64
    /// Its line was queued for the handler.
    fileprivate(set) var isSent = false
  }

  private var letters: [LetterID: Given] = [:]
  /// The same, in the order in which they were given. Answered letters are dropped when they are the first.
  private var order: [LetterID] = []
  private var unsent: [LetterID] = []
  /// A letter that is tried again has been sent.
  private var hasRetry = false

  var count: Int { letters.count }
  var isEmpty: Bool { letters.isEmpty }

  var hasUnsent: Bool { !unsent.isEmpty }

  /// Whether a further letter would be sent at once.
  var takesMore: Bool { !hasRetry && !hasUnsent }

  /// The letter that has waited longest for its answer.
  var oldest: Given? { order.first.flatMap { letters[$0] } }

  subscript(id: LetterID) -> Given? { letters[id] }

  mutating func add(_ claim: Claim, _ item: WorkItem, now: Int64) {
    let id = claim.letter.id
    letters[id] = Given(claim: claim, item: item, at: now)
    order.append(id)
    unsent.append(id)
  }

  /// Takes the next letter that may be sent now.
  mutating func nextToSend(now: Int64) -> Claim? {
    guard !hasRetry, let id = unsent.first, let next = letters[id] else { return nil }
    let isRetry = next.claim.attempt > 1
    if isRetry, letters.count > unsent.count { return nil }
    hasRetry = isRetry
    unsent.removeFirst()
    letters[id]?.at = now
    letters[id]?.isSent = true
    return next.claim
  }

  mutating func remove(_ given: Given) {
    let id = given.claim.letter.id
    letters[id] = nil
    if !given.isSent { unsent.removeAll { $0 == id } }  // answered all the same
    // Most letters are answered in order.
    var answered = 0
    while answered < order.count, letters[order[answered]] == nil { answered += 1 }
    order.removeFirst(answered)
    if letters.count == unsent.count { hasRetry = false }
  }

  /// Takes all out, in order.
  mutating func removeAll() -> [Given] {
    defer { self = StreamLetters() }
    return order.compactMap { letters[$0] }
  }
}
