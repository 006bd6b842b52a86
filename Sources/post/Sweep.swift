// post sweep: the chores, from cron.

import Commands
import Linux
import PostOffice

enum Sweep: Verb {
  static let name = "sweep"
  static let command = Command(
    name, summary: "finish what others left, and remove what was kept long enough",
    discussion: """
      Sorts letters whose sender died, delivers held letters, takes letters back from dead
      holders, puts due retries back, and removes letters past Keep and Keep-Done.
      Meant for cron where no watcher runs; harmless at any time.
      """,
    examples: [Example("17 * * * *  post sweep", "in a crontab")])

  static func run(_ call: Call) throws(PostError) -> Int32 {
    try call.office().sweep()
    return 0
  }
}
