// Command lines that need no shell, and words as a shell reads them (POSIX XCU 2.2).

/// StderrCapture of a command line.
package enum ShellWords {
  /// The words of a line, if it says no more than a program's path and its words: bare ones of harmless
  /// characters, or in single quotes. Starting a shell would cost more than most handlers.
  /// - Returns: nil if a shell must read it. So must a program without a slash: it may be a builtin.
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

  /// A line with files behind its words, as the shell's `$@`, unless it says itself where they belong.
  /// - Returns: nil if nothing can be added: the line ends in a comment or in an operator.
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

  /// A word as sh reads it back: bare if it is harmless, else in single quotes.
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
