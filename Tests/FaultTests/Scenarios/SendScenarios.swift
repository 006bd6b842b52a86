// Sending and subscribing.

import TestKit

extension Scenario {
  /// More than one write.
  private static let long = (0..<200_000).map { UInt8(ascii: "a") + UInt8($0 % 26) }

  static let sending: [Scenario] = [
    Scenario(name: "send", command: ["send", "orders", "-m", "new", "--id"], sends: ["new"]),
    Scenario(
      name: "first send of all", office: none, command: ["send", "orders", "-m", "new"], sends: ["new"],
      has: [], subscribers: []),
    Scenario(
      name: "first send, no directory yet", matrices: [.cuts], office: none,
      command: ["send", "orders", "-m", "a"], spool: "deep/in/spool"),
    Scenario(
      name: "first send to a topic", matrices: [.cuts], office: "post send x -m x",
      command: ["send", "orders", "-m", "a"]),
    Scenario(
      name: "send, no mailbox", matrices: [.cuts], office: office(), command: ["send", "orders", "-m", "a"]),
    Scenario(
      name: "send, 1 mailbox", matrices: [.cuts], office: office("stock"),
      command: ["send", "orders", "-m", "a"]),
    Scenario(
      name: "send, 20 mailboxes", matrices: [.cuts], office: twenty, command: ["send", "orders", "-m", "a"]),
    Scenario(
      name: "send, 20 mailboxes, on a disk", matrices: [.cuts], office: twenty,
      command: ["send", "orders", "-m", "a"], fileSyncKeepsNames: true, needsDisk: true),
    Scenario(
      name: "send --lines", command: ["send", "orders", "--lines", "--id"], input: Array("a\nb\nc\n".utf8),
      sends: ["a", "b", "c"]),
    // More than are synced one by one.
    Scenario(
      name: "send many --lines", command: ["send", "orders", "--lines", "--id"],
      input: Array("abcdefghijkl".map { "\($0)\n" }.joined().utf8), sends: "abcdefghijkl".map { "\($0)" }),
    Scenario(
      name: "send several files, as --lines", before: "for n in a b c d; do printf $n > file-$n; done",
      command: ["send", "orders", "--id", "file-a", "file-b", "file-c", "file-d"],
      sends: ["a", "b", "c", "d"]),
    Scenario(
      name: "send --lines without durability", matrices: [.kills, .errors],
      command: ["send", "orders", "--lines", "--durability", "none"],
      input: Array("a\nb\nc\n".utf8), sends: ["a", "b", "c"]),
    Scenario(
      name: "send a long letter", command: ["send", "orders"], input: long, sends: [Census.name(of: long)]),
    Scenario(
      name: "send, a mailbox is gone", matrices: [.cuts], office: withoutInvoice,
      command: ["send", "orders", "-m", "a"]),
    Scenario(
      name: "send --lines, a mailbox is gone", matrices: [.cuts], office: withoutInvoice,
      command: ["send", "orders", "--lines"], input: Array("a\nb\nc\n".utf8)),
    Scenario(
      name: "send, no more links", matrices: [.cuts], command: ["send", "orders", "-m", "a"],
      interfering: refuseLinks),
    Scenario(
      name: "send, another file system", matrices: [.cuts], office: invoiceAway,
      command: ["send", "orders", "-m", "a"], hasAway: true),
    Scenario(
      name: "send, drop boxes", matrices: [.cuts], command: ["send", "orders", "-m", "a"],
      fileSyncKeepsNames: true, interfering: refuseOpening),
    Scenario(
      name: "send after a foreign delivery", matrices: [.cuts], office: office("stock", "invoice"),
      command: ["send", "orders", "-m", "a"], foreign: ["order.json"]),
  ]

  static let subscribing: [Scenario] = [
    Scenario(
      name: "subscribe --from start", command: ["subscribe", "audit", "orders", "--from", "start"],
      newcomer: "audit"),
    Scenario(
      name: "subscribe --from start with a handler", matrices: [.cuts],
      command: ["subscribe", "audit", "orders", "--from", "start", "--", "true"]),
    Scenario(
      name: "first subscribe, no directory yet", matrices: [.cuts], office: none,
      command: ["subscribe", "stock", "orders", "--tries", "3"], spool: "deep/in/spool"),
    Scenario(
      name: "subscribe to a backlog, no more links", matrices: [.cuts], office: office("stock", letters: 2),
      command: ["subscribe", "invoice", "orders"], interfering: refuseLinks),
    Scenario(
      name: "unsubscribe", command: ["unsubscribe", "dispatch", "orders"], subscribers: ["stock", "invoice"]),
    Scenario(
      name: "unsubscribe with a held letter", matrices: [.cuts], office: holdingForInvoice,
      command: ["unsubscribe", "invoice", "orders"]),
  ]
}
