// Plain text in columns for a terminal of 80 columns. Every character counts as one column wide, so help is written in narrow
// ones.

enum Columns {
  /// No line is longer, unless a single word is.
  static let width = 79
  /// Behind a left side that is longer than this, the right side begins on the next line.
  static let widestLeft = 24
  static let indent = 2
  static let gap = 2

  /// One row, already indented by `indent` on the left.
  typealias Row = (left: String, right: String)

  /// The rows as lines, right sides aligned and wrapped.
  static func lines(_ rows: [Row]) -> [String] {
    let fitting = rows.map(\.left.count).filter { $0 <= widestLeft }
    let column = indent + (fitting.max() ?? widestLeft) + gap
    return rows.flatMap { row -> [String] in
      let left = spaces(indent) + row.left
      let right = wrapped(row.right, width: width - column)
      if right.isEmpty { return [left] }
      let indented = right.map { spaces(column) + $0 }
      if row.left.count > widestLeft { return [left] + indented }
      return [left + spaces(column - left.count) + right[0]] + indented.dropFirst()
    }
  }

  /// The lines of a text; one that is too long is broken between words, and its rest gets the same indent.
  static func wrapped(_ text: String, width: Int = width) -> [String] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return text.isEmpty ? [] : lines.flatMap { broken($0, width: width) }
  }

  private static func broken(_ line: Substring, width: Int) -> [String] {
    if line.count <= width { return [String(line)] }
    let margin = String(line.prefix { $0 == " " })
    var lines: [String] = []
    var current = ""
    for word in line.split(separator: " ") {
      if current.isEmpty {
        current = margin + word
      } else if current.count + 1 + word.count <= width {
        current += " " + word
      } else {
        lines.append(current)
        current = margin + word
      }
    }
    return lines + [current]
  }

  static func spaces(_ count: Int) -> String {
    String(repeating: " ", count: count)
  }
}
