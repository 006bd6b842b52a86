// Commands that are killed, and the commands that come next: for the replay of power cuts.

import TestKit

extension Succession {
  /// A command in an office.
  private static func play(
    _ command: String, _ office: String = Scenario.three, _ before: String = "", input: String = "",
    swollen: [String] = [], spool: String = "spool", mayEnd: Set<Int32> = []
  ) -> Scenario {
    Scenario(
      name: command, office: office, before: before,
      command: command.split(separator: " ").map(String.init), input: Array(input.utf8), swollen: swollen,
      spool: spool, mayEnd: mayEnd)
  }

  private static let send = play("send orders -m a")
  private static let sweep = play("sweep")
  private static let readAll = play("read stock --all")
  private static let firstSend = play("send orders -m a", Scenario.none, spool: "deep/in/spool")
  private static let sendWithoutInvoice = play("send orders -m a", Scenario.withoutInvoice)
  private static let subscribeToBacklog = play(
    "subscribe dispatch orders", Scenario.office("stock", letters: 2))

  /// Without links, and what comes next finds none either.
  private static func withoutLinks(_ scenario: Scenario) -> Scenario {
    var without = scenario
    without.interfering = Scenario.refuseLinks
    return without
  }

  static let all = ordinary + bags

  private static let ordinary: [Succession] = [
    Succession("first send, then send", firstSend),
    Succession(
      "first subscribe, then the same",
      play("subscribe stock orders --tries 3", Scenario.none, spool: "deep/in/spool")),
    Succession(
      "first send, then subscribe", firstSend, then: play("subscribe stock orders", spool: "deep/in/spool")),
    Succession("send, then sweep", send, then: sweep),
    Succession(
      "send --lines, then sweep", play("send orders --lines", input: "a\nb\n"), then: sweep),
    Succession(
      "send, then read", play("send orders -m a", Scenario.office("stock", "invoice", letters: 1)),
      then: readAll),
    Succession("send, then send", send),
    Succession(
      "send, then subscribe", play("send orders -m a", Scenario.office("stock", "invoice")),
      then: play("subscribe dispatch orders")),
    Succession("subscribe to a backlog, then sweep", subscribeToBacklog, then: sweep),
    Succession("subscribe to a backlog, then the same", subscribeToBacklog),
    Succession("send with a mailbox gone, then send", sendWithoutInvoice),
    Succession("send with a mailbox gone, then sweep", sendWithoutInvoice, then: sweep),
    Succession("send with no more links, then sweep", withoutLinks(send), then: withoutLinks(sweep)),
    Succession("sweep with a held letter, then sweep", play("sweep", Scenario.holdingForInvoice)),
    Succession(
      "sweep after a foreign delivery, then sweep",
      play(
        "sweep", Scenario.three, "echo 'the foreign letter [order.json]' > spool/topics/orders/new/order.json"
      )
    ),
    Succession(
      "read, then read",
      play("read stock --all", Scenario.office("stock", letters: 3), mayEnd: [1])),
    Succession(
      "read -- false, then read", play("read stock -- false", Scenario.office("stock", letters: 2)),
      then: play("read stock", mayEnd: [1])),
    Succession(
      "retry, then retry",
      play(
        "retry stock ALL", Scenario.office("stock", letters: 2),
        "post read stock --all -- sh -c 'exit 65' || true")),
  ]

  // MARK: Bags

  private static let new = "mailboxes/stock/new"
  private static let one = Scenario.office("stock", letters: 1)
  private static let two = Scenario.office("stock", letters: 2)
  private static let three = Scenario.office("stock", letters: 3)
  private static let sealing = play("sweep", two, swollen: [new, "topics/orders/cur"])
  private static let replacing = play(
    "sweep", Scenario.office("stock"), swollen: [new, "topics/orders/cur"])
  /// The oldest letter lies in a bag, another in the next, one in `new/`.
  private static let inBags = "bag mailboxes/stock/new 1 1; bag mailboxes/stock/new 2 1"

  private static let bags: [Succession] = [
    Succession("sweep seals, then send", sealing, then: send),
    Succession("sweep seals, then read --all", sealing, then: readAll),
    Succession("sweep seals, then sweep", sealing),
    Succession(
      "sweep makes a shelf, then read --all",
      play("sweep", three, "bag mailboxes/stock/new 99 1", swollen: [new]), then: readAll),
    Succession(
      "read from a shelf, then sweep",
      play("read stock --all", three, "bag mailboxes/stock/new 198 1; bag mailboxes/stock/new 199 1"),
      then: sweep),
    Succession("sweep replaces, then send", replacing, then: send),
    Succession(
      "send to a full mailbox, then sweep", play("send orders -m a", one, swollen: [new]), then: sweep),
    Succession("read from bags, then read", play("read stock --all", three, inBags, mayEnd: [1])),
    Succession(
      "release beside bags, then release",
      play("release stock 1", three, "post read stock --lease 1h > id; bag mailboxes/stock/new 1 1"),
      then: play("release stock 1", mayEnd: [66])),
    Succession(
      "lease from a bag, then done", play("read stock --lease 1h", three, inBags),
      then: play("done stock 1", mayEnd: [66])),
    Succession(
      "lease from a bag, then release", play("read stock --lease 1h", three, inBags),
      then: play("release stock 1", mayEnd: [66])),
    Succession(
      "retry from bags, then retry",
      play(
        "retry stock ALL", three,
        """
        for n in 1 2; do post fail stock "$(post read stock --lease 1h)"; done
        bag mailboxes/stock/failed 1; bag mailboxes/stock/new 1
        """)),
    Succession("sweep puts back, then sweep", play("sweep", three, Scenario.dueInBag)),
  ]
}
