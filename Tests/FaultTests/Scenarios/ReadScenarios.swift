// Reading, settling and watching.

import TestKit

extension Scenario {
  /// A handler that gets whole letters as files; each has its body in its last line.
  private static let batches = """
    echo 'for letter; do tail -n 1 "$letter"; echo; done >> "${POST_SPOOL:-$PWD/spool}/../handled"' > book
    handler 'sh ../../../book'; echo 'Batch: 2' >> $conf
    """

  /// A handler that gets letter after letter as lines.
  private static let stream = """
    cat > book <<'END'
    while IFS= read -r letter; do
      id=${letter#*\\"id\\":\\"} id=${id%%\\"*}
      file=${letter#*\\"file\\":\\"} file=${file%%\\"*}
      # It may be ended at any time: a line is written whole, or not at all, and done is only what was written.
      body=$(tail -n 1 "$file") && echo "$body" >> ../../../handled && echo "done $id"
    done
    END
    handler 'sh ../../../book'; echo 'Handler-Mode: stream' >> $conf
    """

  private static let leased = "post read stock --lease 1h > id"
  private static let failed = "for n in 1 2 3; do post fail stock $(post read stock --lease 1h); done"
  private static let calls: [Matrix] = [.kills, .errors]

  static let reading: [Scenario] = [
    Scenario(name: "read", command: ["read", "stock"], hands: true),
    Scenario(name: "read --all", command: ["read", "stock", "--all"], hands: true),
    Scenario(
      name: "read -- COMMAND", matrices: calls,
      command: ["read", "stock", "--all", "--", "sh", "-c", "cat >> handled; echo >> handled"],
      hands: true),
    Scenario(name: "read -- true", matrices: [.cuts], command: ["read", "stock", "--", "true"]),
    Scenario(name: "read -- false", command: ["read", "stock", "--", "false"], success: 1),
    Scenario(name: "read --lease", command: ["read", "stock", "--lease", "1h"], leases: true),
    Scenario(
      name: "read --batch -- COMMAND", matrices: calls, before: batches,
      command: ["read", "stock", "--all", "--batch", "2", "--", "sh", "book"], hands: true),
    Scenario(name: "done", before: leased, command: ["done", "stock", "ID"], leases: true),
    Scenario(name: "fail", before: leased, command: ["fail", "stock", "ID"], leases: true),
    Scenario(name: "release", before: leased, command: ["release", "stock", "ID"], leases: true),
    Scenario(name: "retry", before: failed, command: ["retry", "stock", "ALL"]),
    Scenario(
      name: "replay", matrices: calls, before: "post read stock --all > /dev/null",
      command: ["replay", "stock"]),
    Scenario(
      name: "replay what was pruned", matrices: calls,
      before: "post read stock --all > /dev/null; rm spool/mailboxes/stock/done/*",
      command: ["replay", "stock"], subscribers: ["invoice", "dispatch"], newcomer: "stock"),
  ]

  static let watching: [Scenario] = [
    Scenario(
      name: "watch", matrices: calls, before: "handler 'cat >> ../../../handled; echo >> ../../../handled'",
      command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "watch, one handler succeeds and one fails", matrices: [.cuts],
      office: office("stock", "invoice", letters: 2),
      before: """
        post subscribe stock orders -- true
        post subscribe invoice orders --tries 2 --retry 10ms..10ms -- false
        """,
      command: ["watch", "--until-empty"]),
    Scenario(
      name: "watch with a handler that fails", matrices: calls,
      before: "handler 'exit 1'; echo 'Retry: 1ms..1ms' >> $conf", command: ["watch", "--until-empty"]),
    Scenario(
      name: "watch with batches", matrices: calls, before: batches, command: ["watch", "--until-empty"],
      hands: true),
    Scenario(
      name: "watch with a batch that fails", matrices: calls,
      before: "\(batches); sed -i '1i test $# = 1 || exit 1' book",
      command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "watch with a stream", matrices: calls, before: stream, command: ["watch", "--until-empty"],
      hands: true),
    Scenario(name: "pause", matrices: calls, command: ["pause", "stock"]),
    Scenario(name: "resume", matrices: calls, before: "post pause stock", command: ["resume", "stock"]),
  ]
}
