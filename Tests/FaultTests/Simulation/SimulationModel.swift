// What must be true in the simulation, seen from outside: which commands ended how, what was printed, what
// handlers reported. Nothing here knows how the post office works; it knows the promises of the README alone.

import Linux
import TestKit

/// The body of a letter of the simulation: its number, and a text that follows from it.
enum Body {
  static func text(_ number: Int) -> String {
    // Now and then one that does not fit into the sender's first write.
    let length = number % 61 == 0 ? 70_000 : number * 7 % 90
    let letters = (0..<length).map { UInt8(ascii: "a") + UInt8((number + $0) % 26) }
    return "[\(number):" + String(decoding: letters, as: UTF8.self) + "]"
  }

  /// The number of a body.
  /// - Throws: if it is not whole.
  static func number(_ text: Substring) throws -> Int {
    guard text.first == "[", let colon = text.firstIndex(of: ":"),
      let number = Int(text[text.index(after: text.startIndex)..<colon]), text == Body.text(number)
    else { throw Failure("torn: '\(text.prefix(120))'") }
    return number
  }

  /// The numbers of bodies that were printed one after the other.
  static func numbers(_ text: Substring) throws -> [Int] {
    try text.split(separator: "]", omittingEmptySubsequences: false).dropLast().map { try number($0 + "]") }
      + (text.isEmpty || text.last == "]" ? [] : [try number(text)])
  }

  /// The number of a letter's body; the letter may have a header.
  static func number(ofLetter bytes: [UInt8]) throws -> Int {
    let text = String(decoding: bytes, as: UTF8.self)
    guard !text.hasPrefix("["), let end = text.firstRange(of: "\n\n") else { return try number(text[...]) }
    return try number(text[end.upperBound...])
  }
}

/// Where a letter ends up: a mailbox and its number.
struct Copy: Hashable, Comparable, CustomStringConvertible {
  let mailbox: String
  let number: Int

  static func < (left: Copy, right: Copy) -> Bool {
    (left.number, left.mailbox) < (right.number, right.mailbox)
  }

  var description: String { "letter \(number) of \(mailbox)" }
}

/// A letter that was, or may have been, sent.
struct SentLetter {
  enum Acceptance { case accepted, refused, unknown }

  let number: Int
  let topic: String
  /// When its sender began.
  let begun: Int
  /// When its sender ended well; then it is sorted.
  var ended: Int?
  var acceptance = Acceptance.unknown
}

/// The outcomes of all letters since the last time that all were settled.
struct Tally: CustomStringConvertible {
  var sent = 0
  var copies = 0
  var handled = 0
  var handledTwice = 0

  var description: String {
    "\(sent) letters accepted, \(copies) copies, handled \(handled) times, \(handledTwice) of them again (each "
      + "explained), lost 0, torn 0, half delivered 0, stuck 0"
  }
}

final class Model {
  let pairs: [Pair]
  var letters: [Int: SentLetter] = [:]
  /// How often the work on a letter was done.
  var completions: [Copy: Int] = [:]
  /// How often it may be done again, for a reason.
  var excuses: [Copy: [String]] = [:]
  var tally = Tally()

  init(_ pairs: [Pair]) { self.pairs = pairs }

  func complete(_ copy: Copy) throws {
    guard letters[copy.number] != nil else {
      throw Failure("\(copy) was done long ago, and is handled again")
    }
    completions[copy, default: 0] += 1
    tally.handled += 1
    let count = completions[copy] ?? 0
    if count > 1 { tally.handledTwice += 1 }
  }

  func excuse(_ copy: Copy, _ reason: String) { excuses[copy, default: []].append(reason) }

  /// Compares what the mailboxes have in done/ at the end with what must be there.
  /// - Parameter done: the numbers found in each mailbox.
  func check(done: [String: [Int]], _ now: Int) throws {
    var found = [Copy: Int]()
    for (mailbox, numbers) in done {
      for number in numbers { found[Copy(mailbox: mailbox, number: number), default: 0] += 1 }
    }
    for (copy, count) in found.sorted(by: { $0.key < $1.key }) {
      guard let letter = letters[copy.number] else { throw Failure("\(copy) was not sent since") }
      if count > 1 { throw Failure("\(copy) is there \(count) times") }
      if letter.acceptance == .refused { throw Failure("\(copy) was refused, and is there") }
      if completions[copy] == nil { throw Failure("lost: \(copy) is in done/, but no handler has seen it") }
    }
    for (copy, count) in completions.sorted(by: { $0.key < $1.key }) {
      let reasons = excuses[copy] ?? []
      if count > 1 + reasons.count {
        throw Failure("\(copy) was handled \(count) times, for the reasons \(reasons)")
      }
      if found[copy] == nil { throw Failure("lost: \(copy) was handled, but is not in done/") }
    }
    for letter in letters.values.sorted(by: { $0.number < $1.number }) { try check(letter, found, now) }
    tally.copies += found.count
  }

  private func check(_ letter: SentLetter, _ found: [Copy: Int], _ now: Int) throws {
    let (number, end) = (letter.number, letter.ended ?? now)
    let those = pairs.filter { $0.topic == letter.topic }
    let having = those.filter { found[Copy(mailbox: $0.mailbox, number: number)] != nil }
    let mustBeThere = letter.acceptance == .accepted || !having.isEmpty
    if mustBeThere { tally.sent += 1 }
    for pair in those {
      let isThere = having.contains { $0 === pair }
      let copy = Copy(mailbox: pair.mailbox, number: number)
      if isThere, pair.isOut(from: letter.begun, to: end) {
        throw Failure("\(copy) came, but the mailbox was not subscribed")
      }
      let isOwed =
        pair.isSubscribed(from: letter.begun, to: end) || pair.bringsBacklog(sorted: letter.ended)
      if mustBeThere, isOwed, !isThere {
        let how = letter.acceptance == .accepted ? "lost" : "half delivered"
        throw Failure("\(how): \(copy) is not there; having it: \(having.map(\.mailbox))")
      }
    }
  }

  /// All letters are settled: the next ones begin anew.
  func forget() {
    letters = [:]
    completions = [:]
    excuses = [:]
    for pair in pairs { pair.forget() }
  }
}
