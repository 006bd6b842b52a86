// Finishing interrupted work.

import TestKit

extension Scenario {
  private static let disorder = """
    # A letter whose sender died after its first link, another that it was writing, a dead claim, a retry
    # that is due, letters that are held, and one from a foreign program.
    strace -o /dev/null -e inject=linkat:signal=KILL:when=2 post send orders -m 4 || true
    strace -o /dev/null -e inject=fsync:signal=KILL:when=1 post send orders -m torn || true
    strace -o /dev/null -e inject=write:signal=KILL:when=1 post read stock > /dev/null || true
    post read invoice -- false || true
    mv spool/mailboxes/dispatch away; post send orders -m 5 2> /dev/null; mv away spool/mailboxes/dispatch
    printf 'Subject: foreign\\n\\n6' > spool/topics/orders/tmp/f; mv spool/topics/orders/tmp/f spool/topics/orders/new/f
    """

  private static let six = ["1", "2", "3", "4", "5", "6"]

  static let upkeep: [Scenario] = [
    Scenario(name: "sweep", matrices: [.kills, .errors], before: disorder, command: ["sweep"], has: six),
    Scenario(
      name: "check --repair", matrices: [.kills, .errors], before: disorder, command: ["check", "--repair"],
      success: 1, has: six),
    Scenario(
      name: "sweep after foreign deliveries", matrices: [.cuts], command: ["sweep"],
      foreign: ["order.json", "1795766001.two"]),
    Scenario(
      name: "sweep with a held letter", matrices: [.cuts], office: holdingForInvoice, command: ["sweep"]),
    Scenario(
      name: "sweep with a held letter, no more links", matrices: [.cuts], office: holdingForInvoice,
      command: ["sweep"], interfering: refuseLinks),
    Scenario(
      name: "sweep after a dead reader", matrices: [.cuts], office: office("stock", letters: 2),
      before: "cd spool/mailboxes/stock; for name in new/*; do mv $name cur/${name#new/},A=1; done",
      command: ["sweep"]),
  ]
}
