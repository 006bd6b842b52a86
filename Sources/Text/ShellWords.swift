// Command lines as a shell reads them (POSIX XCU 2.2): which need no shell, and how words are quoted for one. A line
// that is split here gives exactly the words that sh would give; all other lines are left to sh.

package enum ShellWords {
  /// The words of a line that has only a program's path and its arguments, each of harmless characters or in single
  /// quotes. Starting a shell costs more than most handlers do.
  /// - Returns: nil if a shell must read the line, also for a program without a slash: it may be a builtin.
  package static func plain(_ line: String) -> [[UInt8]]? {
    var words = [[UInt8]]()
    var word: [UInt8]?
    var rest = Array(line.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\t"):
        if let whole = word.take() { words.append(whole) }
      case UInt8(ascii: "'"):
        guard let end = rest.firstIndex(of: byte) else { return nil }
        word = (word ?? []) + rest[..<end]
        rest = rest[(end + 1)...]
      case UInt8(ascii: "\\"):
        guard rest.popFirst() == UInt8(ascii: "'") else { return nil }
        word = (word ?? []) + [UInt8(ascii: "'")]
      case _ where isHarmless(byte): word = (word ?? []) + [byte]
      default: return nil
      }
    }
    if let word { words.append(word) }
    guard let program = words.first, program.contains(UInt8(ascii: "/")) else { return nil }
    return words
  }

  /// The line with `"$@"` at its end, for files as arguments, unless it has `$@` already.
  /// - Returns: nil if nothing can be added: the line ends in a comment or an operator.
  package static func adding(filesTo line: String) -> String? {
    if line.contains("$@") { return line }
    let bytes = Array(line.utf8)
    let isComment = bytes.indices.contains { index in
      let before = index == 0 ? UInt8(ascii: " ") : bytes[index - 1]
      return bytes[index] == UInt8(ascii: "#") && " \t;&|()".utf8.contains(before)
    }
    let last = bytes.last { !$0.isBlank }
    if isComment || last.map({ ";&|\\".utf8.contains($0) }) ?? true { return nil }
    return line + " \"$@\""
  }

  /// The word, in single quotes unless it is harmless, so that sh reads it back.
  package static func quoted(_ word: String) -> String {
    if !word.isEmpty, word.utf8.allSatisfy(isHarmless) { return word }
    // Byte by byte: a Swift Character may be a quote with an accent on it, and sh sees the quote.
    let quote = UInt8(ascii: "'")
    let inner = word.utf8.flatMap { $0 == quote ? Array("'\\''".utf8) : [$0] }
    return "'" + String(decoding: inner, as: UTF8.self) + "'"
  }

  private static func isHarmless(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || "%+,-./:@_".utf8.contains(byte)
  }
}
