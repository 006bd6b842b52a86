// RECORD=1: the table goes into the documentation too, between two markers; the rest of the page stays.

import Linux
import TestKit

enum Record {
  private static let page = Path(#filePath).parent.parent.parent / "Sources/PostOffice/PostOffice.docc"
  private static let name: Path = "Performance.md"
  private static let begin = "<!-- make bench RECORD=1 writes from here -->\n"
  private static let end = "<!-- to here -->"

  /// - Parameters:
  ///   - title: the machine and how much was measured.
  ///   - footer: what was left out.
  static func write(_ title: String, _ sections: [Section], _ footer: String) throws {
    let text = String(
      decoding: try File(page / name.description, .read).readAll(limit: 1 << 20), as: UTF8.self)
    guard let first = text.firstRange(of: begin), let last = text.firstRange(of: end),
      first.upperBound <= last.lowerBound
    else { throw Failure("\(name) has lost its markers") }
    let machine = "```\n\(Title.processor), \(date)\n\(title)\(footer)```\n"
    let table = begin + "\n" + machine + "\n" + markdown(sections) + "\n"
    let folder = try Directory(page)
    let new = Path("\(name).new")
    let whole = text[..<first.lowerBound] + table + text[last.lowerBound...]
    try folder.open(new, .create(permissions: 0o644)).write(String(whole))
    try folder.replace(name, with: new)
  }

  private static func markdown(_ sections: [Section]) -> String {
    let lines = sections.flatMap { section -> [[String]] in
      let note = section.note.isEmpty ? "" : " (\(section.note))"
      let head = ["", "", "**\(section.name)**\(note)", "**\(section.post)**"]
      return [head] + section.comparisons.map { ["\($0.ratio) \($0.range)", $0.goal, $0.against, $0.peer] }
    }
    let headings = [["ratio", "goal", "post, and against what", "figure"], ["---", "---", "---", "---"]]
    // A pipe in a cell would end it.
    let rows = (headings + lines).map { cells in cells.map { $0.replacing("|", with: "\\|") } }
    return rows.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }

  /// The day in UTC: 2026-11-26.
  private static var date: String {
    ((try? Child.output(of: ["date", "-u", "+%F"])) ?? "").filter { !$0.isWhitespace }
  }
}
