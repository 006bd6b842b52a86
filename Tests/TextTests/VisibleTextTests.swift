import Testing
import Text

@Suite struct VisibleTextTests {
  @Test(arguments: [
    (Array("plain".utf8), "plain"),
    (Array("Zoë 日本 🦉".utf8), "Zoë 日本 🦉"),
    (Array("a\tb\nc\rd\\".utf8), "a\\tb\\nc\\rd\\"),
    ([0x00, 0x1b, 0x7f], "\\x00\\x1b\\x7f"),
    ([0xff, 0x41, 0xc3], "\\xffA\\xc3"),
    (Array("é🦉".utf8) + [0xff], "é🦉\\xff"),
    ([0xe2, 0x82, 0x41], "\\xe2\\x82A"),
    ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"),
    (Array("\u{9b}31m".utf8), "\\u{9b}31m"),
    (Array("\u{202e}\u{200b}\u{2028}\u{a0}".utf8), "\\u{202e}\\u{200b}\\u{2028}\u{a0}"),
  ])
  func text(bytes: [UInt8], expected: String) {
    #expect(visible(bytes) == expected)
  }

  @Test func longTextsAreCut() {
    #expect(visible([UInt8](repeating: 0x61, count: 9), limit: 9) == String(repeating: "a", count: 9))
    #expect(visible(Array("äöü".utf8), limit: 2) == "äö...")
  }

  @Test(arguments: [("a", "a"), ("", "''"), ("a b", "'a b'")])
  func word(text: String, expected: String) {
    #expect(visibleWord(Array(text.utf8)) == expected)
  }

  @Test func whatSteersATerminalIsShown() {
    #expect(visible("a\u{1b}[31mb\n\u{9b}") == "a\\x1b[31mb\\n\\u{9b}")
    #expect(visible("Grüße") == "Grüße")
  }
}
