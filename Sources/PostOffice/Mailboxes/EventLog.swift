// The log of a mailbox: a file per UTC day, a line per event. It is no record of a letter, whose directory is: a line
// that cannot be written is left out, and stops nothing. A reader writes each line at once, for it may be killed at any
// moment; a watcher keeps lines back and writes those of one round together.

import Linux
import Text

final class EventLog {
  private let office: Office
  private let folder: Path
  private let keepsLinesBack: Bool
  /// Lines that are not written yet, and their day.
  private var unwritten: (date: String, lines: [UInt8]) = ("", [])
  /// The day's file, and the day. A watcher, which serves many mailboxes, leaves none open.
  private var file: File?
  private var fileDate = ""

  /// At most this much is kept back. Bytes.
  private static let unwrittenLimit = 64 << 10

  init(_ office: Office, _ folder: Path, keepsLinesBack: Bool) {
    (self.office, self.folder, self.keepsLinesBack) = (office, folder, keepsLinesBack)
  }

  /// Adds a line to today's log: time, event, ID, details.
  func write(_ event: String, _ id: LetterID, _ detail: String = "") {
    let now = UTC(seconds: Clock.wall / 1_000_000_000)
    let date = now.date
    if date != unwritten.date || unwritten.lines.count > EventLog.unwrittenLimit { flush() }
    unwritten.date = date
    unwritten.lines += Array("\(now.timestamp) \(event) \(id)\(detail.isEmpty ? "" : " " + detail)\n".utf8)
    if !keepsLinesBack { flush() }
  }

  /// Writes the lines that were kept back.
  func flush() {
    if unwritten.lines.isEmpty { return }
    do throws(Errno) {
      if fileDate == unwritten.date {
        try file?.write(unwritten.lines)
      } else {
        file = try office.append(unwritten.lines, to: folder / unwritten.date)
        fileDate = unwritten.date
      }
    } catch {}
    unwritten.lines = []
    guard keepsLinesBack else { return }
    file = nil
    fileDate = ""
  }
}

extension Office {
  /// Adds to a file. A new file that cannot be written, because the disk is full, is removed again.
  @discardableResult
  func append(_ text: [UInt8], to path: Path) throws(Errno) -> File {
    let file = try root.open(path, .append(permissions: 0o666))
    do throws(Errno) {
      try file.write(text)
      return file
    } catch {
      if (try? file.status().size) == 0 { try? root.remove(path) }
      throw error
    }
  }
}
