// Bags: sealing, reading from them, putting letters back into them, removing them.

import TestKit

extension Scenario {
  /// Letters that are old enough for the topic to forget them.
  private static let oldOnes = """
    mkdir -p spool/topics/orders/bags/cur.0000000001
    for n in 1 2 3; do
      printf 'Subject: old\\n\\n1' > spool/topics/orders/bags/cur.0000000001/100000000$n.M1R1P1Q$n.host
    done
    """

  /// Each letter of a mailbox is tried again at a time of its own; ten of them are due.
  private static let manyLater = """
    seq 4 300 | post send orders --lines
    for mailbox in invoice dispatch; do post unsubscribe $mailbox orders; rm -r spool/mailboxes/$mailbox; done
    bag mailboxes/stock/new 1
    cd spool/mailboxes/stock/bags; mv new.0000000001 later.1000000000; cd later.1000000000
    now=$(date +%s); n=0
    for letter in *; do n=$((n + 1)); mv $letter $letter,A=1,L=$((n > 10 ? now + 600 + n * 8 : 1000000000 + n)); done
    cd ../../../../..; echo 'Retry: 2h..2h' >> $conf
    """

  /// In a bag of later, opened in 2001: two letters are due, one is not for ten minutes.
  static let dueInBag = """
    bag mailboxes/stock/new 1; cd spool/mailboxes/stock/bags; mv new.0000000001 later.1000000000
    set -- later.*/*; mv $1 $1,A=1,L=1000000000; mv $2 $2,A=1,L=1000000000
    mv $3 $3,A=1,L=$(($(date +%s) + 600)); cd ../../../..
    """

  static let bags: [Scenario] = [
    Scenario(
      name: "bags: sweep seals",
      before: "post read stock > /dev/null; post read stock -- sh -c 'exit 65' || true", command: ["sweep"],
      swollen: ["mailboxes/stock/new", "mailboxes/stock/done", "mailboxes/stock/failed", "topics/orders/cur"]),
    Scenario(
      name: "bags: sweep seals later", matrices: [.kills, .errors],
      before: "post read stock -- false || true", command: ["sweep"],
      swollen: ["mailboxes/stock/later"]),
    Scenario(
      name: "bags: sweep replaces what is empty", before: "post read stock --all > /dev/null",
      command: ["sweep"],
      swollen: [
        "mailboxes/stock/new", "mailboxes/stock/cur", "mailboxes/stock/tmp", "topics/orders/new",
        "topics/orders/tmp",
      ]),
    Scenario(
      name: "bags: sweep makes a shelf",
      before: "bag mailboxes/stock/new 99 1; bag topics/orders/cur 99 1", command: ["sweep"],
      swollen: ["mailboxes/stock/new", "topics/orders/cur"]),
    Scenario(
      name: "bags: read --all from shelves",
      before: "bag mailboxes/stock/new 199 1; bag mailboxes/stock/new 200 1",
      command: ["read", "stock", "--all"], hands: true),
    Scenario(
      name: "bags: send beside bags", before: "bag mailboxes/stock/new 1 1",
      command: ["send", "orders", "-m", "new"], sends: ["new"]),
    Scenario(
      name: "bags: read", before: "bag mailboxes/stock/new 1 1", command: ["read", "stock"], hands: true),
    Scenario(
      name: "bags: read --all", before: "bag mailboxes/stock/new 1 1; bag mailboxes/stock/new 2 1",
      command: ["read", "stock", "--all"], hands: true),
    Scenario(
      name: "bags: read --all with letters that came back", matrices: [.kills, .errors],
      before: """
        bag mailboxes/stock/new 1 1; cd spool/mailboxes/stock/bags; mv new.0000000001 again.0000000001
        mv again.*/* $(echo again.*/*),A=1; cd ../../../..; bag mailboxes/stock/new 2 1
        """, command: ["read", "stock", "--all"], hands: true),
    Scenario(
      name: "bags: watch", matrices: [.kills, .errors],
      before: """
        handler 'cat >> ../../../handled; echo >> ../../../handled'
        bag mailboxes/stock/new 1 1; bag mailboxes/stock/new 2 1
        """, command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "bags: a watched handler that fails, later is full", matrices: [.kills, .errors],
      before: "handler 'exit 1'; echo 'Retry: 1ms..1ms' >> $conf; bag mailboxes/stock/new 1 1",
      command: ["watch", "--until-empty"], swollen: ["mailboxes/stock/later", "mailboxes/stock/failed"]),
    Scenario(
      name: "bags: read -- false seals later", command: ["read", "stock", "--", "false"],
      swollen: ["mailboxes/stock/later"], success: 1),
    Scenario(
      name: "bags: release beside bags",
      before: "post read stock --lease 1h > id; bag mailboxes/stock/new 1 1",
      command: ["release", "stock", "ID"], leases: true),
    Scenario(
      name: "bags: sweep puts back what is due", before: dueInBag, command: ["sweep"]),
    Scenario(
      name: "bags: sweep puts back all of a bag", matrices: [.kills, .errors],
      before: """
        bag mailboxes/stock/new 1 2; cd spool/mailboxes/stock/bags; mv new.0000000001 later.1000000000
        for letter in later.*/*; do mv $letter $letter,A=1,L=1000000000; done; cd ../../../..
        bag mailboxes/stock/new 1
        """, command: ["sweep"]),
    Scenario(
      name: "bags: sweep spreads", matrices: [.kills, .errors], before: manyLater, command: ["sweep"],
      has: (1...300).map(String.init),
      subscribers: ["stock"]),
    Scenario(
      name: "bags: retry", matrices: [.kills, .errors],
      before: """
        for n in 1 2 3; do post fail stock $(post read stock --lease 1h); done; bag mailboxes/stock/failed 1 2
        """, command: ["retry", "stock", "ALL"]),
    Scenario(
      name: "bags: retry beside bags",
      before: """
        for n in 1 2; do post fail stock $(post read stock --lease 1h); done
        bag mailboxes/stock/failed 1; bag mailboxes/stock/new 1
        """, command: ["retry", "stock", "ALL"]),
    Scenario(
      name: "bags: replay", matrices: [.kills, .errors],
      before: """
        post read stock --all > /dev/null; bag topics/orders/cur 1 1; bag topics/orders/cur 2 1
        bag mailboxes/stock/done 1 2
        """, command: ["replay", "stock"]),
    Scenario(
      name: "bags: replay what was pruned", matrices: [.kills, .errors],
      before: "post read stock --all > /dev/null; rm spool/mailboxes/stock/done/*; bag topics/orders/cur 1 2",
      command: ["replay", "stock"], subscribers: ["invoice", "dispatch"], newcomer: "stock"),
    Scenario(
      name: "bags: subscribe --from start", before: "bag topics/orders/cur 1 1; bag topics/orders/cur 2 1",
      command: ["subscribe", "audit", "orders", "--from", "start"], newcomer: "audit"),
    Scenario(
      name: "bags: subscribe seals", before: "post subscribe audit other",
      command: ["subscribe", "audit", "orders", "--from", "start"], swollen: ["mailboxes/audit/new"],
      newcomer: "audit"),
    Scenario(name: "bags: sweep prunes", matrices: [.kills, .errors], before: oldOnes, command: ["sweep"]),
  ]
}
