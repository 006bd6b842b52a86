// Tables with aligned columns, one line per row: for people, and for grep and awk.

/// Rows under a heading.
struct Table {
  private var rows: [[String]]

  init(_ heading: [String]) { rows = [heading] }

  var isEmpty: Bool { rows.count == 1 }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// The rows with aligned columns: numbers to the right, the last column unpadded.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.indices.map { column in
        let cell = row[column]
        if column == row.count - 1 { return cell }
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return cell.allSatisfy(\.isNumber) ? padding + cell : cell + padding
      }
      let filled = cells.last == "" ? cells.dropLast() : cells[...]
      return filled.joined(separator: "  ") + "\n"
    }.joined()
  }
}
