// What a mailbox writes down: notes about letters in trouble, and a log of what happened. Neither is
// the truth about a letter (its directory is), so a note that cannot be written stops nothing.

import Linux

extension Mailbox {
  /// How much of a handler's words goes into a note, from the end. Bytes.
  static let wordsLimit = 64 << 10
  /// A note that is longer is cut, bytes: a letter may be tried a million times.
  private static let noteLimit = 256 << 10

  /// Adds to the note about a letter: a line with the time, and the handler's words, indented.
  func note(_ id: LetterID, _ line: String, _ words: [UInt8] = []) {
    var text = Array("\(UTC(seconds: Clock.wall / 1_000_000_000).timestamp) \(line)\n".utf8)
    for said in words.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    where !said.isEmpty {
      text += Array("    ".utf8) + said + [UInt8(ascii: "\n")]
    }
    do throws(Errno) {
      let path = layout[.notes] / id.path
      let size = try add(text, to: path).status().size
      if size > Mailbox.noteLimit { try cut(path) }
    } catch {
      office.warn(office.trouble(error, "cannot write \(layout[.notes] / id.path)", in: layout.root).message)
    }
  }

  /// Leaves of a note the second half: its words, and before them the lines that tell of earlier attempts.
  private func cut(_ path: Path) throws(Errno) {
    let lines = try office.root.open(path, .read).readAll(limit: 2 * Mailbox.noteLimit)
      .split(separator: UInt8(ascii: "\n"))
    var (kept, length) = ([ArraySlice<UInt8>](), 0)
    for line in lines.reversed() where line.first != UInt8(ascii: "(") {
      let isWord = line.first == UInt8(ascii: " ")
      if isWord, length > Mailbox.noteLimit / 4 { continue }
      length += line.count + 1
      if length > Mailbox.noteLimit / 2 { break }
      kept.append(line)
    }
    let text = kept.reversed().map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()
    try office.replace(path, with: "(what was said before is left out)\n" + text, through: layout[.tmp])
  }

  /// The note about a letter; nil if there is none.
  package func note(about id: LetterID) -> String? {
    guard let bytes = try? office.root.open(layout[.notes] / id.path, .read).readAll(limit: 1 << 20) else {
      return nil
    }
    return String(decoding: bytes, as: UTF8.self)
  }

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
  func flushLog() {
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

  /// Adds to a file. One that was just made, and could not be written because the disk is full, goes again.
  @discardableResult
  private func add(_ text: [UInt8], to path: Path) throws(Errno) -> File {
    let file = try office.root.open(path, .append(permissions: 0o666))
    do throws(Errno) {
      try file.write(text)
      return file
    } catch {
      if (try? file.status().size) == 0 { try? office.root.remove(path) }
      throw error
    }
  }
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
