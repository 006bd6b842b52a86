// The command line as bytes: `CommandLine.arguments` would repair what is not UTF-8.

import Glibc

package enum Arguments {
  /// All words after the program's own name.
  package static var words: [[UInt8]] {
    var words = [[UInt8]]()
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let word = CommandLine.unsafeArgv[index] else { break }
      words.append(Array(UnsafeRawBufferPointer(start: word, count: strlen(word))))
    }
    return words
  }

  /// Whether the command line is just this word. Needs nothing to be set up.
  package static func are(_ word: StaticString) -> Bool {
    guard CommandLine.argc == 2, let given = CommandLine.unsafeArgv[1] else { return false }
    return strlen(given) == word.utf8CodeUnitCount
      && memcmp(given, word.utf8Start, word.utf8CodeUnitCount) == 0
  }
}
