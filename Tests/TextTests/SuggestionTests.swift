// The known names that are nearest to a mistyped one.

import Testing

@testable import Text

struct SuggestionTests {
  @Test(arguments: [
    ("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("", "abc", 3),
    ("abc", "abd", 1), ("abc", "ab", 1), ("abc", "xabc", 1), ("abc", "acb", 1),
    ("kitten", "sitting", 3), ("ca", "abc", 3),
  ])
  func distances(first: String, second: String, expected: Int) {
    #expect(Suggestion.distance(Array(first.utf8), Array(second.utf8)) == expected)
    #expect(Suggestion.distance(Array(second.utf8), Array(first.utf8)) == expected)
  }

  @Test(arguments: [
    ("lnies", ["lines"]),
    ("line", ["lines"]),
    ("LINES", ["lines"]),
    ("supscribe", ["subscribe"]),
    ("re", ["retry", "replay", "repair"]),
    ("rety", ["retry"]),
    ("subscribr", ["subscribe"]),
    ("r", []),
    ("x", []),
    ("xx", []),
    ("", []),
    (String(repeating: "x", count: 10_000), []),
  ])
  func nearNames(typed: String, expected: [String]) {
    let names = ["lines", "unsubscribe", "subscribe", "retry", "replay", "repair", "release", "id", "m"]
    #expect(Suggestion.names(near: typed.utf8, among: names) == expected)
  }
}
