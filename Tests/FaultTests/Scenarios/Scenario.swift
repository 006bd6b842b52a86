// The catalogue of scenarios: a command in a prepared office. One list serves the tests that kill the command, let its
// system calls fail, or cut the power; each entry says which of them.
//
// A scenario says what is in the office, never how post keeps it: other code judges what must be true afterwards, from
// the directories alone.

import Glibc
import Linux
import TestKit
import Testing

struct Scenario: Sendable, CustomTestStringConvertible {
  enum Matrix: CaseIterable { case kills, errors, cuts }

  let name: String
  /// The tests that play it.
  var matrices = Matrix.allCases
  /// A script that opens the office.
  var office = Scenario.three
  /// Prepares the office further.
  var before = ""
  /// The words behind `post`; ID stands for the ID that `before` wrote into the file `id`.
  let command: [String]
  var input: [UInt8] = []
  /// Directories of the spool that are large, as if they were full.
  var swollen: [String] = []
  /// The exit code when nothing goes wrong.
  var success: Int32 = 0

  // MARK: What the judge of kills and errors needs

  /// Bodies that the command sends.
  var sends: [String] = []
  /// Bodies that every subscriber has before.
  var has: [String] = ["1", "2", "3"]
  /// The mailbox that the command works on.
  var mailbox = "stock"
  /// Whether the command prints, or hands out, bodies: a letter that is done was handed out.
  var hands = false
  /// Letters may be in hands afterwards.
  var leases = false
  /// Mailboxes that get every letter in any case.
  var subscribers = ["stock", "invoice", "dispatch"]
  /// A mailbox that is only just getting its letters: when the command has succeeded it has all.
  var newcomer: String?

  // MARK: Power cuts

  typealias Interfering = @Sendable (Call, Traced) throws -> CallRecorder.Interference

  /// The spool, in the sandbox.
  var spool = "spool"
  /// A second sandbox, on another file system, is there as `away`.
  var hasAway = false
  /// It relies on fsync of a letter to keep the letter's names.
  var fileSyncKeepsNames = false
  /// It is played where the file system has a journal, if there is such a one.
  var needsDisk = false
  /// Letters that a foreign program delivers before it, and does not sync.
  var foreign: [String] = []
  /// Other exit codes that it may have as the heir of a killed command. With them, too, its report must be true.
  var mayEnd: Set<Int32> = []
  var interfering: Interfering = { _, _ in .none }

  var testDescription: String { name }
  var known: Set<String> { Set(has + sends) }
  var codes: Set<Int32> { mayEnd.union([success]) }

  /// How often a call fails when it goes on failing. A watcher does not give up: its trouble ends some time.
  var endurance: Int { command[0] == "watch" ? 12 : .max }

  /// All of a matrix that this machine can play.
  static func all(for matrix: Matrix) -> [Scenario] {
    (sending + subscribing + reading + watching + upkeep + bags).filter {
      $0.matrices.contains(matrix) && $0.isPossible
    }
  }

  /// Those whose names contain `POST_SCENARIO`, if it is set.
  static func chosen(for matrix: Matrix) -> [Scenario] {
    guard let word = Host.environment("POST_SCENARIO")?.description else { return all(for: matrix) }
    return all(for: matrix).filter { $0.name.contains(word) }
  }

  /// Whether this machine can play it.
  var isPossible: Bool {
    (swollen.isEmpty || Machine.canSwell) && (!hasAway || Machine.hasOtherFileSystem)
  }

  /// Where it can be played: in memory directories get small again.
  func makeBox() throws -> Sandbox {
    try needsDisk || !swollen.isEmpty ? Sandbox() : Sandbox(in: Sandbox.memory)
  }

  /// Makes the directories large.
  func swell(_ box: Sandbox) throws { try box.swell(swollen.map { "\(spool)/\($0)" }) }

  /// The script that prepares the office. In it, `bag` makes bags, `handler LINE` gives stock a handler, and $conf is
  /// the file of its settings.
  var preparation: String {
    """
    \(Sandbox.bagFunction)
    conf=spool/mailboxes/stock/mailbox.conf
    handler() { printf 'Handler: %s\\nTries: 2\\n' "$1" > $conf; }
    \(office)
    \(before)
    """
  }
}

// MARK: Offices

extension Scenario {
  /// Three mailboxes with three letters each.
  static let three = office("stock", "invoice", "dispatch", letters: 3)

  /// Nothing is there yet.
  static let none = ""

  /// These mailboxes, subscribed to `orders`, with the letters 1, 2 and so on.
  static func office(_ mailboxes: String..., letters: Int = 0) -> String {
    var script = ""
    if mailboxes.isEmpty { script += "post send orders -m first; rm spool/topics/orders/cur/*\n" }
    for mailbox in mailboxes { script += "post subscribe \(mailbox) orders\n" }
    if letters > 0 { script += "seq \(letters) | post send orders --lines\n" }
    return script
  }

  static let twenty = "for n in $(seq 20); do post subscribe box$n orders; done"

  private static let threeEmpty = office("stock", "invoice", "dispatch")

  /// The mailbox `invoice` is gone although it is subscribed.
  static let withoutInvoice = threeEmpty + "mv spool/mailboxes/invoice gone"

  /// The same, with a letter held for it; now it is back.
  static let holdingForInvoice =
    withoutInvoice + "\npost send orders -m held 2> /dev/null; mv gone spool/mailboxes/invoice"

  /// The mailbox `invoice` lies on another file system.
  static let invoiceAway =
    threeEmpty + """
      mv spool/mailboxes/invoice/* $(readlink away)
      rmdir spool/mailboxes/invoice
      ln -sfn $(readlink away) spool/topics/orders/subscribers/invoice
      """
}

// MARK: Interference

extension Scenario {
  /// No links into the mailbox `invoice`: letters are copied there.
  static let refuseLinks: Interfering = { call, traced in
    guard call.name == "linkat", try "\(traced.path(at: call.arguments[3]))".contains("/invoice/") else {
      return .none
    }
    return .fail(.tooManyLinks)
  }

  /// No new/ can be opened: letters may be put there, but not looked for.
  static let refuseOpening: Interfering = { call, traced in
    guard call.name == "openat", call.int(2) & O_DIRECTORY != 0,
      try "\(traced.path(at: call.arguments[1]))".hasSuffix("/new")
    else { return .none }
    return .fail(.denied)
  }
}
