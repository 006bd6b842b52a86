// post sweep: the chores of a watcher, run by cron where there is none.

import Commands
import Linux
import PostOffice

/// A line on a terminal that shows how far the sweep is.
private final class Progress {
  private static let interval: Int64 = 100_000_000
  private var shownAt: Int64 = 0
  private var isShown = false

  func show(_ place: String, _ count: Int) {
    let now = Clock.monotonic
    if now - shownAt < Progress.interval { return }
    clear()
    Streams.error("post sweep: \(count) expired letters deleted from \(place)")
    (shownAt, isShown) = (now, true)
  }

  /// Erases the line.
  func clear() {
    if isShown { Streams.error("\r\u{1b}[K") }
    isShown = false
  }
}

enum Sweep: Verb {
  static let name = "sweep"
  static let command = Command(
    name, summary: "finish interrupted work and delete expired letters",
    discussion: """
      Delivers letters whose sender died, delivers held letters, takes letters back from
      dead holders, puts due retries back, and deletes letters older than Keep and
      Keep-Done. Run it from cron where no watcher runs; it is safe to run or interrupt
      at any time. On a terminal it shows how many letters it has deleted. When the clock
      jumps ahead, it deletes nothing on that account until the jump has lasted for a
      day; -v says so.
      """,
    examples: [Example("17 * * * *  post sweep", "in a crontab")])

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    defer { if call.isVerbose, let words = office.waitingForClock { Streams.error("post: \(words)\n") } }
    let progress = Progress()
    defer { progress.clear() }
    if Streams.isErrorTerminal, !call.isQuiet {
      let warn = office.warn
      office.progress = progress.show
      office.warn = { line in
        progress.clear()
        warn(line)
      }
    }
    try office.sweep()
    return 0
  }
}
