// The notes of a mailbox: a text file for each letter in trouble, with a line for each attempt and below it the end of
// the handler's standard error. A note is no record of a letter, whose directory is: one that cannot be written is
// reported, and stops nothing.

import Linux
import Text

package struct Notes {
  let office: Office
  let layout: MailboxLayout

  /// How much of a handler's standard error goes into a note, from the end. Bytes.
  package static let stderrLimit = 64 << 10
  /// A longer note is cut, for a letter may be tried a million times. Bytes.
  private static let limit = 256 << 10

  private func path(_ id: LetterID) -> Path { layout[.notes] / id.path }

  /// Adds a line with the time, and the handler's standard error, indented.
  func add(_ line: String, about id: LetterID, stderr: [UInt8] = []) {
    var text = Array("\(UTC(seconds: Clock.wall / 1_000_000_000).timestamp) \(line)\n".utf8)
    for said in stderr.split(separator: UInt8(ascii: "\n")) {
      text += Array("    ".utf8) + said + [UInt8(ascii: "\n")]
    }
    do throws(Errno) {
      let size = try office.append(text, to: path(id)).status().size
      if size > Notes.limit { try cut(path(id)) }
    } catch {
      office.warn(office.trouble(error, "cannot write", "\(path(id))", in: layout.root).message)
    }
  }

  /// Leaves the second half: the last attempt's standard error, and before it only the lines about attempts.
  private func cut(_ path: Path) throws(Errno) {
    let lines = try office.root.open(path, .read).readAll(limit: 2 * Notes.limit)
      .split(separator: UInt8(ascii: "\n"))
    var (kept, length) = ([ArraySlice<UInt8>](), 0)
    for line in lines.reversed() where line.first != UInt8(ascii: "(") {
      let isStderr = line.first == UInt8(ascii: " ")
      if isStderr, length > Notes.limit / 4 { continue }
      length += line.count + 1
      if length > Notes.limit / 2 { break }
      kept.append(line)
    }
    let text = kept.reversed().map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()
    try office.replace(path, with: "(earlier output is left out)\n" + text, through: layout[.tmp])
  }

  /// The note about a letter; nil: there is none.
  package func read(about id: LetterID) -> String? {
    guard let bytes = try? office.root.open(path(id), .read).readAll(limit: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
