// The log of a mailbox.

import Linux
import Text

extension Mailbox {
  /// Adds a line to today's log: time, event, ID, and what else is worth telling.
  func log(_ event: String, _ id: LetterID, _ detail: String) {
    let now = UTC(seconds: Clock.wall / 1_000_000_000)
    let date = now.date
    if date != unlogged.date || unlogged.lines.count > Mailbox.unloggedLimit { flushLog() }
    unlogged.date = date
    unlogged.lines += Array("\(now.timestamp) \(event) \(id)\(detail.isEmpty ? "" : " " + detail)\n".utf8)
    if !keepsLog { flushLog() }
  }

  /// Writes the lines of the log that were kept back.
  package func flushLog() {
    if unlogged.lines.isEmpty { return }
    do throws(Errno) {
      // Whoever reads letter after letter opens it once; a watcher, which has many mailboxes, each time.
      if openLog?.date == unlogged.date, let log = openLog {
        try log.file.write(unlogged.lines)
      } else {
        let file = try add(unlogged.lines, to: layout[.log] / unlogged.date)
        openLog = keepsLog ? nil : OpenLog(unlogged.date, file)
      }
    } catch {}
    unlogged.lines = []
  }

  /// So many bytes of the log are kept back at most.
  private static let unloggedLimit = 64 << 10
}

/// The log of a day, held open.
final class OpenLog {
  let date: String
  let file: File

  init(_ date: String, _ file: consuming File) {
    self.date = date
    self.file = file
  }
}
