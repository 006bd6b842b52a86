// What a mailbox writes down: notes about letters in trouble, and a log of what happened. Neither is
// the truth about a letter (its directory is), so a note that cannot be written stops nothing.

import Linux
import Text

extension Mailbox {
  /// How much of a handler's words goes into a note, from the end. Bytes.
  package static let wordsLimit = 64 << 10
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

  /// Adds to a file. One that was just made, and could not be written because the disk is full, goes again.
  @discardableResult
  package func add(_ text: [UInt8], to path: Path) throws(Errno) -> File {
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
