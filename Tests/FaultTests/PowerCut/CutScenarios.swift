// The commands whose traces are replayed.

import Glibc
import Linux
import TestKit
import Testing

/// An office with these mailboxes subscribed to `orders`, and with these letters.
private func office(_ mailboxes: String..., letters: Int = 0) -> CutScenario.Prepare {
  { box in
    var script = "post send orders -m 'before anybody subscribed'; rm spool/topics/orders/cur/*\n"
    for mailbox in mailboxes { script += "post subscribe \(mailbox) orders\n" }
    for number in 0..<letters { script += "post send orders -m 'letter \(number)'\n" }
    try box.script(script)
  }
}

private let twenty: CutScenario.Prepare = { box in
  try box.script("for n in $(seq 20); do post subscribe box$n orders; done")
}

private let three = office("dispatch", "invoice", "stock")

/// An office whose mailbox `invoice` is gone although it is subscribed.
@Sendable private func officeWithoutInvoice(_ box: Sandbox) throws {
  try three(box)
  try box.script("mv spool/mailboxes/invoice gone")
}

/// The same, with a letter held for it; now it is back.
@Sendable private func officeHoldingForInvoice(_ box: Sandbox) throws {
  try officeWithoutInvoice(box)
  try box.script("post send orders -m held 2> /dev/null; mv gone spool/mailboxes/invoice")
}

/// The mailbox `invoice` lies on another file system.
@Sendable private func officeWithInvoiceAway(_ box: Sandbox) throws {
  try three(box)
  try box.script(
    """
    mv spool/mailboxes/invoice/* $(readlink away)
    rmdir spool/mailboxes/invoice
    ln -sfn $(readlink away) spool/topics/orders/subscribers/invoice
    """)
}

/// A letter is leased.
@Sendable private func officeWithALease(_ box: Sandbox) throws {
  try office("stock", letters: 2)(box)
  try box.must("read", "stock", "--lease", "1h")
}

/// All letters have failed.
@Sendable private func officeWithFailures(_ box: Sandbox) throws {
  try office("stock", letters: 2)(box)
  _ = try box.post("read", "stock", "--all", "--", "/bin/sh", "-c", "exit 65")
}

/// A handler that succeeds, and one that never does.
@Sendable private func officeWithHandlers(_ box: Sandbox) throws {
  try office("stock", "invoice", letters: 2)(box)
  try box.script(
    """
    post subscribe stock orders -- true
    post subscribe invoice orders --tries 2 --retry 10ms..10ms -- false
    """)
}

/// A foreign program has delivered a letter, and synced it.
@Sendable private func officeWithAForeignLetter(_ box: Sandbox) throws {
  try three(box)
  try box.script("echo 'the foreign letter [order.json]' > spool/topics/orders/new/order.json")
}

/// A reader of two letters has died.
@Sendable private func officeWithDeadClaims(_ box: Sandbox) throws {
  try office("stock", letters: 2)(box)
  try box.script("cd spool/mailboxes/stock; for name in new/*; do mv $name cur/${name#new/},A=1; done")
}

/// No links into the mailbox `invoice`: letters are copied there.
@Sendable private func refuseLinks(_ call: Call, _ traced: Traced) throws -> CallRecorder.Interference {
  guard call.name == "linkat", try "\(traced.path(at: call.arguments[3]))".contains("/invoice/") else {
    return .none
  }
  return .fail(.tooManyLinks)
}

/// No new/ can be opened: letters may be put there, but not looked for.
@Sendable private func refuseOpening(_ call: Call, _ traced: Traced) throws -> CallRecorder.Interference {
  guard call.name == "openat", call.int(2) & O_DIRECTORY != 0,
    try "\(traced.path(at: call.arguments[1]))".hasSuffix("/new")
  else { return .none }
  return .fail(.denied)
}

extension CutScenario {
  static let sending: [CutScenario] = [
    CutScenario("first send, no spool yet", "send orders -m a", spool: "deep/in/spool"),
    CutScenario(
      "first send to a topic", "send orders -m a", prepare: { try $0.must("send", "x", "-m", "x") }),
    CutScenario("send, no mailbox", "send orders -m a", prepare: office()),
    CutScenario("send, 1 mailbox", "send orders -m a", prepare: office("stock")),
    CutScenario("send, 3 mailboxes", "send orders -m a --id", prepare: three),
    CutScenario("send, 20 mailboxes", "send orders -m a", prepare: twenty),
    CutScenario(
      "send, 20 mailboxes, on a disk", "send orders -m a", fileSyncKeepsNames: true, isOnDisk: true,
      prepare: twenty),
    CutScenario("send --lines", "send orders --lines --id", input: "a\nb\nc\n", prepare: three),
    CutScenario(
      "send --lines, many", "send orders --lines --id", input: "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n",
      prepare: three),
    CutScenario(
      "send, several files", "send orders one two three --id",
      prepare: { box in
        try three(box)
        for name in ["one", "two", "three"] { try box.write(name, name) }
      }),
    CutScenario(
      "send, a mailbox is gone, --lines", "send orders --lines", input: "a\nb\nc\n",
      prepare: officeWithoutInvoice),
    CutScenario(
      "send, 200 KiB", "send orders", input: String(repeating: "0123456789abcdef", count: 12800),
      prepare: office("stock", "invoice")),
    CutScenario("send, a mailbox is gone", "send orders -m a", prepare: officeWithoutInvoice),
    CutScenario("send, no more links", "send orders -m a", interfering: refuseLinks, prepare: three),
    CutScenario(
      "send, another file system", "send orders -m a", hasAway: true, prepare: officeWithInvoiceAway),
    CutScenario(
      "send, drop boxes", "send orders -m a", fileSyncKeepsNames: true, interfering: refuseOpening,
      prepare: three),
  ]

  static let finishing: [CutScenario] = [
    CutScenario("first subscribe, no spool yet", "subscribe stock orders --tries 3", spool: "deep/in/spool"),
    CutScenario(
      "subscribe to a backlog", "subscribe dispatch orders --from start -- true",
      prepare: office("stock", letters: 3)),
    CutScenario(
      "subscribe to a backlog, no more links", "subscribe invoice orders", interfering: refuseLinks,
      prepare: office("stock", letters: 2)),
    CutScenario(
      "sweep after foreign deliveries", "sweep", foreign: ["order.json", "1795766001.two"], prepare: three
    ),
    CutScenario(
      "send after a foreign delivery", "send orders -m a", foreign: ["order.json"],
      prepare: office("stock", "invoice")),
    CutScenario("sweep with a held letter", "sweep", prepare: officeHoldingForInvoice),
    CutScenario(
      "sweep with a held letter, no more links", "sweep", interfering: refuseLinks,
      prepare: officeHoldingForInvoice),
    CutScenario("unsubscribe", "unsubscribe invoice orders", prepare: officeHoldingForInvoice),
  ]

  static let settling: [CutScenario] = [
    CutScenario("read", "read stock", prepare: office("stock", "invoice", letters: 2)),
    CutScenario("read --all", "read stock --all", prepare: office("stock", letters: 4)),
    CutScenario("read -- true", "read stock -- true", prepare: office("stock", letters: 2)),
    CutScenario("read -- false", "read stock -- false", codes: [1], prepare: office("stock", letters: 2)),
    CutScenario("read --lease", "read stock --lease 1h", prepare: office("stock", letters: 2)),
    CutScenario("done", "done stock 1", prepare: officeWithALease),
    CutScenario("fail", "fail stock 1", prepare: officeWithALease),
    CutScenario("release", "release stock 1", prepare: officeWithALease),
    CutScenario("retry", "retry stock ALL", prepare: officeWithFailures),
    CutScenario("watch", "watch --until-empty", prepare: officeWithHandlers),
    CutScenario("sweep after a dead reader", "sweep", prepare: officeWithDeadClaims),
  ]
}

extension CutSuccession {
  static let all: [CutSuccession] = [
    CutSuccession("first send, then send", CutScenario("", "send orders -m a", spool: "deep/in/spool")),
    CutSuccession(
      "first subscribe, then the same",
      CutScenario("", "subscribe stock orders --tries 3", spool: "deep/in/spool")),
    CutSuccession(
      "first send, then subscribe", CutScenario("", "send orders -m a", spool: "deep/in/spool"),
      then: CutScenario("", "subscribe stock orders", spool: "deep/in/spool")),
    CutSuccession(
      "send, then sweep", CutScenario("", "send orders -m a", prepare: three), then: CutScenario("", "sweep")),
    CutSuccession(
      "send --lines, then sweep", CutScenario("", "send orders --lines", input: "a\nb\n", prepare: three),
      then: CutScenario("", "sweep")),
    CutSuccession(
      "send, then read",
      CutScenario("", "send orders -m a", prepare: office("stock", "invoice", letters: 1)),
      then: CutScenario("", "read stock --all")),
    CutSuccession("send, then send", CutScenario("", "send orders -m a", prepare: three)),
    CutSuccession(
      "send, then subscribe", CutScenario("", "send orders -m a", prepare: office("stock", "invoice")),
      then: CutScenario("", "subscribe dispatch orders")),
    CutSuccession(
      "subscribe to a backlog, then sweep",
      CutScenario("", "subscribe dispatch orders", prepare: office("stock", letters: 2)),
      then: CutScenario("", "sweep")),
    CutSuccession(
      "subscribe to a backlog, then the same",
      CutScenario("", "subscribe dispatch orders", prepare: office("stock", letters: 2))),
    CutSuccession(
      "send with a mailbox gone, then send",
      CutScenario("", "send orders -m a", prepare: officeWithoutInvoice)
    ),
    CutSuccession(
      "send with a mailbox gone, then sweep",
      CutScenario("", "send orders -m a", prepare: officeWithoutInvoice), then: CutScenario("", "sweep")),
    CutSuccession(
      "send with no more links, then sweep",
      CutScenario("", "send orders -m a", interfering: refuseLinks, prepare: three),
      then: CutScenario("", "sweep", interfering: refuseLinks)),
    CutSuccession(
      "sweep with a held letter, then sweep", CutScenario("", "sweep", prepare: officeHoldingForInvoice)),
    CutSuccession(
      "sweep after a foreign delivery, then sweep",
      CutScenario("", "sweep", prepare: officeWithAForeignLetter)),
    CutSuccession(
      "read, then read",
      CutScenario("", "read stock --all", codes: [0, 1], prepare: office("stock", letters: 3))),
    CutSuccession(
      "read -- false, then read",
      CutScenario("", "read stock -- false", prepare: office("stock", letters: 2)),
      then: CutScenario("", "read stock", codes: [0, 1])),
    CutSuccession(
      "retry, then retry", CutScenario("", "retry stock ALL", prepare: officeWithFailures)),
  ]
}
