// How much is measured: each number can be set in the environment, or on the command line of make.

import Linux

struct Scale {
  /// ROUNDS: how often each row is measured.
  let rounds: Int
  /// LETTERS: how many wait for a handler that is run for each.
  let letters: Int
  /// MAILBOXES: how many mailboxes a watcher serves in the rows with many.
  let mailboxes: Int
  /// SENDS: how many letters are sent one by one, where each one's latency counts.
  let sends: Int

  /// RUNS: how often a short program is run in a round.
  let runs: Int
  /// LINES: how many letters one process sends.
  let lines: Int
  /// BACKLOG, and a million with LARGE=1: how many wait in the rows with very many.
  let backlogs: [Int]

  /// Letters where no process is run for each.
  var manyLetters: Int { letters * 10 }

  var text: String {
    "ROUNDS=\(rounds) LETTERS=\(letters) MAILBOXES=\(mailboxes) SENDS=\(sends)"
      + " RUNS=\(runs) LINES=\(lines) BACKLOG=\(backlogs[0])"
  }
  /// What all of this leaves out.
  var isLarge: Bool { backlogs.count > 1 }

  init() {
    rounds = Scale.number("ROUNDS", 3)
    letters = Scale.number("LETTERS", 2000)
    mailboxes = Scale.number("MAILBOXES", 1000)
    sends = Scale.number("SENDS", 50)
    runs = Scale.number("RUNS", 40)
    lines = Scale.number("LINES", 100_000)
    let large = Host.environment("LARGE") == "1" ? [1_000_000] : []
    backlogs = [Scale.number("BACKLOG", 100_000)] + large
  }

  private static func number(_ name: String, _ usual: Int) -> Int {
    guard let text = Host.environment(name)?.description, let number = Int(text), number > 0 else {
      return usual
    }
    return number
  }
}
