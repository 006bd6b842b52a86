// The examples of the manual, as they are printed in post-handler(7): they must work.

import Linux

package enum ManPage {
  /// Where the page lies in the sources.
  package static let handler = house / "Sources/share/man/post-handler.7"
  /// The top of the repository: this file lies two folders below it.
  package static let house = Path(#filePath).parent.parent.parent

  /// The text of a file in the sources.
  package static func text(_ path: Path) throws -> String {
    String(decoding: try File(path, .readFollowing).readAll(limit: 1 << 20), as: UTF8.self)
  }

  /// An example as a reader sees it: the display that stands behind the comment `.\" Example: NAME`.
  /// - Parameter page: the page's source.
  package static func example(_ name: String, in page: Path = handler) throws -> String {
    let lines = try text(page).split(separator: "\n", omittingEmptySubsequences: false)
    guard let mark = lines.firstIndex(of: #".\" Example: \#(name)"#),
      let end = lines[mark...].firstIndex(of: ".Ed")
    else { throw Failure("\(page) has no example \(name)") }
    return lines[(mark + 2)..<end].map { unescaped($0) + "\n" }.joined()
  }

  /// What roff makes of a line of a display; see groff_char(7).
  private static func unescaped(_ line: Substring) -> String {
    String(line).replacing(#"\&"#, with: "").replacing(#"\-"#, with: "-").replacing(#"\(aq"#, with: "'")
      .replacing(#"\e"#, with: #"\"#)
  }
}
