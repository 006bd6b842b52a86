import Linux
import Testing

@Suite struct PathTests {
  @Test(arguments: [
    ("/var/spool/post", "/var/spool", "post"), ("post", ".", "post"), ("/post", "/", "post"),
    ("a/b", "a", "b"), ("/", "/", ""),
  ])
  func parentAndName(path: String, parent: String, name: String) {
    #expect(Path(path).parent == Path(parent))
    #expect(Path(path).name == Path(name))
  }

  @Test func bytesThatAreNoTextStayAsTheyAre() {
    let bytes: [UInt8] = [0x66, 0xff, 0x2f, 0x80]
    #expect(Array(Path(bytes).bytes) == bytes)
    #expect(Path(bytes).description == "f\\xff/\\x80")
  }

  @Test func aNulEndsAPath() { #expect(Path([0x61, 0, 0x62]) == "a") }

  @Test func joining() {
    #expect(Path("a") / "b" / "c" == "a/b/c")
    #expect((Path("a") / "b").parent == "a")
  }

  @Test(arguments: ["", "a", "ab", "b", "a.", "\u{e9}", "aa", "a/b"])
  func theOrderIsThatOfBytes(text: String) {
    for other in ["", "a", "ab", "b", "a.", "\u{e9}", "aa", "a/b"] {
      let (one, two) = (Array(text.utf8), Array(other.utf8))
      #expect((Path(text) < Path(other)) == one.lexicographicallyPrecedes(two))
      one.withUnsafeBytes { one in
        two.withUnsafeBytes { two in
          #expect(one.precedes(two) == one.lexicographicallyPrecedes(two))
          #expect(one.begins(with: two) == text.utf8.starts(with: other.utf8))
          #expect(one.has(UInt8(ascii: "b")) == text.contains("b"))
        }
      }
    }
  }
}
