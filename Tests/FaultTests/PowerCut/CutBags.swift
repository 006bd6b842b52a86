// Commands that seal directories, and take letters from bags, for the replay of power cuts.

import Linux
import TestKit
import Testing

/// An office of one mailbox with letters, arranged by a script.
private func office(_ letters: Int, _ script: String = "") -> CutScenario.Prepare {
  { box in
    try box.script(
      """
      \(Sandbox.bagFunction)
      post subscribe stock orders; conf=spool/mailboxes/stock/mailbox.conf
      seq \(letters) | post send orders --lines
      \(script)
      """)
  }
}

/// The oldest letter lies in a bag, another in the next, one in `new/`.
private let inBags = office(3, "bag mailboxes/stock/new 1 1; bag mailboxes/stock/new 2 1")

/// The oldest letter lies in a bag on a shelf, another in the next, one in `new/`.
private let onShelf = office(3, "bag mailboxes/stock/new 198 1; bag mailboxes/stock/new 199 1")

/// The next bag is the first on a shelf.
private let beforeShelf = office(3, "bag mailboxes/stock/new 99 1")

/// A letter is in hands, others wait in a bag.
private let leasedBesideBags = office(
  3, "post read stock --lease 1h > id; bag mailboxes/stock/new 1 1")

/// Two letters have failed, and lie in a bag; another waits in a bag.
private let failedInBags = office(
  3,
  """
  for n in 1 2; do post fail stock "$(post read stock --lease 1h)"; done
  bag mailboxes/stock/failed 1; bag mailboxes/stock/new 1
  """)

/// In a bag of later, opened in 2001: two letters are due, one is not for ten minutes.
private let dueInBags = office(
  3,
  """
  bag mailboxes/stock/new 1; cd spool/mailboxes/stock/bags; mv new.0000000001 later.1000000000
  set -- later.*/*; mv $1 $1,A=1,L=1000000000; mv $2 $2,A=1,L=1000000000; mv $3 $3,A=1,L=$(($(date +%s) + 600))
  """)

private let keptInBags = office(3, "bag topics/orders/cur 1 1; bag topics/orders/cur 2 1")

extension CutScenario {
  private static let new = "mailboxes/stock/new"
  private static let full = [new, "mailboxes/stock/done", "topics/orders/cur"]
  private static let emptied = [new, "mailboxes/stock/cur", "topics/orders/new"]

  static let bagging: [CutScenario] = [
    CutScenario("sweep seals", "sweep", swollen: full, prepare: office(2, "post read stock > /dev/null")),
    CutScenario(
      "sweep replaces what is empty", "sweep", swollen: emptied,
      prepare: office(2, "post read stock --all > /dev/null")),
    CutScenario("send beside bags", "send orders -m a", prepare: inBags),
    CutScenario("read from a bag", "read stock", prepare: inBags),
    CutScenario("read --all from bags", "read stock --all", prepare: inBags),
    CutScenario("sweep makes a shelf", "sweep", swollen: [new], prepare: beforeShelf),
    CutScenario("read --all from a shelf", "read stock --all", prepare: onShelf),
    CutScenario("release beside bags", "release stock 1", prepare: leasedBesideBags),
    CutScenario("retry from bags", "retry stock ALL", prepare: failedInBags),
    CutScenario(
      "read -- false seals later", "read stock -- false", codes: [1], swollen: ["mailboxes/stock/later"],
      prepare: office(2)),
    CutScenario("sweep puts back from a bag", "sweep", prepare: dueInBags),
    CutScenario("subscribe to what bags keep", "subscribe audit orders", prepare: keptInBags),
    CutScenario(
      "subscribe seals the new mailbox", "subscribe audit orders", swollen: ["mailboxes/audit/new"],
      prepare: office(2, "post subscribe audit other")),
  ]
}

extension CutSuccession {
  private static let new = "mailboxes/stock/new"
  private static let full = CutScenario(
    "", "sweep", swollen: ["mailboxes/stock/new", "topics/orders/cur"], prepare: office(2))
  private static let emptied = CutScenario(
    "", "sweep", swollen: ["mailboxes/stock/new", "topics/orders/cur"], prepare: office(0))

  static let bagging: [CutSuccession] = [
    CutSuccession("sweep seals, then send", full, then: CutScenario("", "send orders -m a")),
    CutSuccession("sweep seals, then read --all", full, then: CutScenario("", "read stock --all")),
    CutSuccession("sweep seals, then sweep", full),
    CutSuccession(
      "sweep makes a shelf, then read --all", CutScenario("", "sweep", swollen: [new], prepare: beforeShelf),
      then: CutScenario("", "read stock --all")),
    CutSuccession(
      "read from a shelf, then sweep", CutScenario("", "read stock --all", prepare: onShelf),
      then: CutScenario("", "sweep")),
    CutSuccession("sweep replaces, then send", emptied, then: CutScenario("", "send orders -m a")),
    CutSuccession(
      "send to a full mailbox, then sweep",
      CutScenario("", "send orders -m a", swollen: ["mailboxes/stock/new"], prepare: office(1)),
      then: CutScenario("", "sweep")),
    CutSuccession(
      "read from bags, then read", CutScenario("", "read stock --all", codes: [0, 1], prepare: inBags)),
    CutSuccession(
      "release beside bags, then retry",
      CutScenario("", "release stock 1", prepare: leasedBesideBags),
      then: CutScenario("", "release stock 1", codes: [0, 66])),
    CutSuccession(
      "lease from a bag, then done", CutScenario("", "read stock --lease 1h", prepare: inBags),
      then: CutScenario("", "done stock 1", codes: [0, 66])),
    CutSuccession(
      "lease from a bag, then release", CutScenario("", "read stock --lease 1h", prepare: inBags),
      then: CutScenario("", "release stock 1", codes: [0, 66])),
    CutSuccession("retry from bags, then retry", CutScenario("", "retry stock ALL", prepare: failedInBags)),
    CutSuccession("sweep puts back, then sweep", CutScenario("", "sweep", prepare: dueInBags)),
  ]
}
