// How much is measured: each number can be set in the environment, or on the command line of make.

import Linux

struct Scale {
  /// ROUNDS: how often each row is measured.
  let rounds: Int
  /// LETTERS: how many wait for a handler that is run for each.
  let letters: Int
  /// MAILBOXES: of how many a watcher takes care, where it is many.
  let mailboxes: Int
  /// SENDS: how many letters are sent one by one, where each one's latency counts.
  let sends: Int

  /// Letters where no process is run for each.
  var manyLetters: Int { letters * 10 }

  var text: String { "ROUNDS=\(rounds) LETTERS=\(letters) MAILBOXES=\(mailboxes) SENDS=\(sends)" }

  init() {
    rounds = Scale.number("ROUNDS", 5)
    letters = Scale.number("LETTERS", 2000)
    mailboxes = Scale.number("MAILBOXES", 1000)
    sends = Scale.number("SENDS", 50)
  }

  private static func number(_ name: String, _ usual: Int) -> Int {
    guard let text = Host.environment(name)?.description, let number = Int(text), number > 0 else {
      return usual
    }
    return number
  }
}
