// post sweep: the chores, from cron.

import Commands
import Linux
import PostOffice

/// A line on a terminal that says how far it is, now and then.
private final class Progress {
  private static let interval: Int64 = 100_000_000
  private var shownAt: Int64 = 0
  private var isShown = false

  func show(_ place: String, _ count: Int) {
    let now = Clock.monotonic
    if now - shownAt < Progress.interval { return }
    clear()
    Streams.error("post sweep: \(count) old letters removed from \(place)")
    (shownAt, isShown) = (now, true)
  }

  /// Takes the line away.
  func clear() {
    if isShown { Streams.error("\r\u{1b}[K") }
    isShown = false
  }
}

enum Sweep: Verb {
  static let name = "sweep"
  static let command = Command(
    name, summary: "finish what others left, and remove what was kept long enough",
    discussion: """
      Sorts letters whose sender died, delivers held letters, takes letters back from dead
      holders, puts due retries back, and removes letters past Keep and Keep-Done.
      Meant for cron where no watcher runs; harmless at any time, and may be interrupted
      at any time. On a terminal it shows how many old letters it has removed. If the clock
      has jumped ahead, it deletes nothing on that account before it has been so for a
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
