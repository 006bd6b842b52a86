// What the tests of faults let happen: a command in a prepared office, and what must be true of the
// office afterwards, whatever became of the command.

import Glibc
import Linux
import TestKit
import Testing

struct Scenario: Sendable, CustomTestStringConvertible {
  let name: String
  /// Prepares the office; each run gets a copy of it. `letters 1 2` sends letters to `orders`, whose
  /// subscribers are stock, invoice and dispatch.
  var before = ""
  /// The words behind `post`; ID stands for the ID that `before` wrote into the file `id`.
  let command: [String]
  var input: [UInt8] = []
  /// Bodies that the command sends.
  var sends: [String] = []
  /// Bodies that every subscriber has before.
  var has: [String] = ["1", "2", "3"]
  /// Directories of the spool that are large, as if they were full.
  var swollen: [String] = []
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
  /// The exit code when nothing goes wrong.
  var success: Int32 = 0

  /// How often a call fails when it goes on failing. A watcher does not give up: its trouble ends some time.
  var endurance: Int { command[0] == "watch" ? 12 : .max }

  var testDescription: String { name }

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

  /// A handler that gets whole letters as files; each has its body in its last line.
  private static let batches = """
    echo 'for letter; do tail -n 1 "$letter"; echo; done >> "${POST_SPOOL:-$PWD/spool}/../handled"' > book
    handler 'sh ../../../book'; echo 'Batch: 2' >> $conf
    """

  /// A handler that is told of letter after letter.
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

  /// Those whose names contain what `POST_SCENARIO` says, if it says anything.
  static let all = (every + bags).filter { scenario in
    (scenario.swollen.isEmpty || Machine.canSwell)
      && Host.environment("POST_SCENARIO").map { scenario.name.contains($0.description) } ?? true
  }

  private static let every: [Scenario] = [
    Scenario(name: "send", command: ["send", "orders", "-m", "new"], sends: ["new"]),
    Scenario(
      name: "first send of all", before: "rm -r spool", command: ["send", "orders", "-m", "new"],
      sends: ["new"],
      has: [], subscribers: []),
    Scenario(
      name: "send --lines", command: ["send", "orders", "--lines"], input: Array("a\nb\nc\n".utf8),
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
      name: "send --lines without durability",
      command: ["send", "orders", "--lines", "--durability", "none"],
      input: Array("a\nb\nc\n".utf8), sends: ["a", "b", "c"]),
    Scenario(
      name: "send a long letter", command: ["send", "orders"], input: Scenario.long,
      sends: [Census.name(of: Scenario.long)]),
    Scenario(
      name: "subscribe --from start", command: ["subscribe", "audit", "orders", "--from", "start"],
      newcomer: "audit"),
    Scenario(name: "read", command: ["read", "stock"], hands: true),
    Scenario(name: "read --all", command: ["read", "stock", "--all"], hands: true),
    Scenario(
      name: "read -- COMMAND",
      command: ["read", "stock", "--all", "--", "sh", "-c", "cat >> handled; echo >> handled"],
      hands: true),
    Scenario(name: "read --lease", command: ["read", "stock", "--lease", "1h"], leases: true),
    Scenario(
      name: "done", before: "post read stock --lease 1h > id", command: ["done", "stock", "ID"], leases: true),
    Scenario(
      name: "fail", before: "post read stock --lease 1h > id", command: ["fail", "stock", "ID"], leases: true),
    Scenario(
      name: "release", before: "post read stock --lease 1h > id", command: ["release", "stock", "ID"],
      leases: true),
    Scenario(
      name: "watch", before: "handler 'cat >> ../../../handled; echo >> ../../../handled'",
      command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "watch with a handler that fails", before: "handler 'exit 1'; echo 'Retry: 1ms..1ms' >> $conf",
      command: ["watch", "--until-empty"]),
    Scenario(
      name: "watch with batches", before: batches, command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "watch with a batch that fails", before: "\(batches); sed -i '1i test $# = 1 || exit 1' book",
      command: ["watch", "--until-empty"], hands: true),
    Scenario(name: "watch with a stream", before: stream, command: ["watch", "--until-empty"], hands: true),
    Scenario(
      name: "read --batch -- COMMAND", before: batches,
      command: ["read", "stock", "--all", "--batch", "2", "--", "sh", "book"], hands: true),
    Scenario(name: "pause", command: ["pause", "stock"]),
    Scenario(name: "resume", before: "post pause stock", command: ["resume", "stock"]),
    Scenario(name: "sweep", before: disorder, command: ["sweep"], has: ["1", "2", "3", "4", "5", "6"]),
    Scenario(
      name: "check --repair", before: disorder, command: ["check", "--repair"],
      has: ["1", "2", "3", "4", "5", "6"], success: 1),
    Scenario(
      name: "replay", before: "post read stock --all > /dev/null", command: ["replay", "stock"]),
    Scenario(
      name: "replay what was pruned",
      before: "post read stock --all > /dev/null; rm spool/mailboxes/stock/done/*",
      command: ["replay", "stock"], subscribers: ["invoice", "dispatch"], newcomer: "stock"),
    Scenario(
      name: "retry",
      before: "for n in 1 2 3; do post fail stock $(post read stock --lease 1h); done",
      command: ["retry", "stock", "ALL"]),
    Scenario(
      name: "unsubscribe", command: ["unsubscribe", "dispatch", "orders"], subscribers: ["stock", "invoice"]),
  ]

  static let long = (0..<200_000).map { UInt8(ascii: "a") + UInt8($0 % 26) }

  var known: Set<String> { Set(has + sends) }
}

/// An office that a scenario can be played in again and again.
struct Stage {
  let box: Sandbox
  let scenario: Scenario
  let toll = Toll()

  init(_ scenario: Scenario) throws {
    self.scenario = scenario
    // In memory directories get small again.
    box = try scenario.swollen.isEmpty ? Sandbox(in: Sandbox.memory) : Sandbox()
    try box.script(
      """
      \(Sandbox.bagFunction)
      for mailbox in stock invoice dispatch; do post subscribe $mailbox orders; done
      printf '1\\n2\\n3\\n' | post send orders --lines
      conf=spool/mailboxes/stock/mailbox.conf
      handler() { printf 'Handler: %s\\nTries: 2\\n' "$1" > $conf; }
      \(scenario.before)
      touch id; mv id template-id
      if test -d spool; then mv spool template; else mkdir empty; fi
      """)
  }

  /// Sets the scene anew.
  func reset() throws {
    let copy = box.exists("template") ? "cp -a template spool" : ":"
    _ = try box.shell("rm -rf spool handled; cp template-id id; \(copy)")
    try box.swell(scenario.swollen.map { "spool/\($0)" })
  }

  /// Starts the scenario's command and lets it run until its own first call: what the language's runtime
  /// does before main is not ours.
  func start() throws -> Traced {
    let id = try box.read("id").filter { !$0.isNewline }
    let words = scenario.command.map { Path($0 == "ID" ? id : $0) }
    let traced = try Traced(box, [Sandbox.binary] + words, input: scenario.input, clockOffset: 0)
    while let call = try traced.next() {
      if call.name == "rt_sigaction", call.int(0) == SIGPIPE { return traced }
    }
    throw Failure("the program never came to its main")
  }

  /// Whether all faults shall be tried, as `make faults` does; else a part of each kind.
  static let isThorough = Host.environment("POST_FAULTS") == "all"

  /// The calls of the command, unharmed.
  func calls() throws -> [Call] {
    try reset()
    var calls = [Call]()
    let ended = try finish(try start()) { call in
      calls.append(call)
      return nil
    }
    #expect(ended.code == scenario.success, "unharmed: \(ended.errors)")
    return calls
  }

  /// Of a long row of renames only every so many is tried, unless all faults are asked for.
  private static let stride = 16

  /// Numbers and calls that shall meet a fault.
  func calls(where isOfInterest: (Call) -> Bool) throws -> [(index: Int, call: Call)] {
    let calls = try calls()
    let isLong = calls.count { $0.name == "renameat2" } > 100
    var renames = 0
    return calls.enumerated().filter { _, call in
      if Stage.isThorough { return true }
      if isLong, ["renameat2", "newfstatat"].contains(call.name) {
        renames += 1
        if renames % Stage.stride != 1 { return false }
      }
      return isOfInterest(call)
    }.map { ($0.offset, $0.element) }
  }

  /// No command here makes so many calls.
  static let callLimit = 20_000

  /// Lets a command go on until its next call. It does not really sleep while nothing is at work for it: time
  /// passes for it alone.
  func next(_ traced: Traced) throws -> Call? {
    while let call = try traced.next() {
      guard try isNap(call, of: traced) else { return call }
      try traced.sleep(through: call)
    }
    return nil
  }

  /// Whether a command only lets time pass: it waits for nothing, or is a watcher without a handler at work.
  private func isNap(_ call: Call, of traced: Traced) throws -> Bool {
    guard call.name == "ppoll" else { return false }
    let isAlone = call.arguments[1] == 0 || (scenario.command[0] == "watch" && call.arguments[1] == 2)
    return try isAlone && traced.patience(of: call) ?? 0 > 0
  }

  /// Lets a command run to its end.
  /// - Parameter fault: what a call shall fail with.
  func finish(_ traced: Traced, _ fault: (Call) throws -> Errno?) throws -> Sandbox.Run {
    for _ in 0..<Stage.callLimit {
      guard let call = try next(traced) else { return try traced.wait() }
      if let errno = try fault(call) { try traced.fail(errno) }
    }
    traced.kill()
    let ended = try traced.wait()
    throw Failure("it turned in circles: \(ended.errors.suffix(300))")
  }

  /// What the command has handed out so far: printed, or given to its handler.
  func handedOut(_ run: Sandbox.Run) -> [String: Int] {
    let handled = (try? box.read("handled")) ?? ""
    var counts = [String: Int]()
    // `post read` prints bodies with nothing between them; here each has one character.
    let isHandled = scenario.command.contains("--") || scenario.command[0] == "watch"
    let bodies =
      isHandled
      ? handled.split(separator: "\n").map(String.init) : run.text.map { String($0) }
    for body in bodies { counts[body, default: 0] += 1 }
    return counts
  }
}

extension Stage {
  /// One of the ordinary commands that put an office in order in passing.
  func passBy(_ number: Int) throws {
    guard box.exists("spool") else { return }
    waitForHandlers()
    let isRead = number % 2 == 1 && scenario.mailbox == "stock" && box.exists("spool/mailboxes/stock")
    if isRead { _ = try box.post("read", "stock", "--peek") } else { try box.must("sweep") }
  }

  /// A handler that outlives its watcher for a moment is no leftover.
  func waitForHandlers() {
    _ = eventually {
      box.entries("cur", of: scenario.mailbox).allSatisfy {
        (try? box.shines($0, of: scenario.mailbox)) != true
      }
    }
  }

  /// The census of an office after somebody has passed by. Readers may leave an empty bag; the next sweep does not.
  func census() throws -> Census {
    func take() -> Census { Census(of: box, known: scenario.known, leased: scenario.leases) }
    let census = take()
    if census.emptyBags.isEmpty { return census }
    try box.must("sweep")
    return take()
  }

  /// What is true of every office at rest.
  func expectOrder(_ census: Census, _ place: Comment) {
    toll.expect(census.torn == [], or: .torn, "\(census.torn), \(place)")
    let leftovers = census.leftovers + census.emptyBags
    toll.expect(leftovers == [], or: .stuck, "\(leftovers), \(place)")
    for mailbox in scenario.subscribers {
      for body in scenario.has {
        let count = census.count(of: body, in: mailbox)
        toll.expect(count == 1, or: .lost, "\(body) is \(count) times in \(mailbox), \(place)")
      }
    }
  }

  /// A letter is in every mailbox, or in none.
  func expectAllOrNone(_ census: Census, _ body: String, isAccepted: Bool = false, _ place: Comment) {
    let counts = scenario.subscribers.map { census.count(of: body, in: $0) }
    let kept = census.topics["orders"]?["cur"]?.count { $0 == body } ?? 0
    toll.expect(
      Set(counts + [kept]).count == 1 && kept <= 1, or: .half, "\(body) in \(counts), kept \(kept), \(place)")
    if isAccepted { toll.expect(kept == 1, or: .lost, "\(body) was accepted, \(place)") }
  }

  /// Reads what is left: each letter was handed out once, before or now.
  /// - Parameter mayComeTwice: had been handed out, and could not be settled any more.
  func expectEachOnce(_ ended: Sandbox.Run, _ place: Comment, mayComeTwice: (String) -> Bool) throws {
    let first = handedOut(ended)
    let rest = try box.post("read", scenario.mailbox, "--all").text
    for body in scenario.has {
      let count = (first[body] ?? 0) + rest.count { String($0) == body }
      toll.expect(count > 0, or: .lost, "\(body) never came, \(place)")
      if count > 1 {
        toll.twice += 1
        #expect(count == 2 && mayComeTwice(body), "\(body) came \(count) times, \(place)")
      }
    }
  }
}
