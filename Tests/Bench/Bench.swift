// The benchmark: `make bench` prints one table on standard output, and its progress on standard error.
//
// Each row and its peers are measured for several rounds in turn (A B C A B C ...), so that all run under the same
// conditions; the table shows the medians. Nothing is asserted: the operator judges the figures. A row that
// cannot be measured says why, and the others go on.
//
// ROWS="word ..." chooses rows by words in their names; `Scale` lists the other settings.
//
// Exit codes: 0 the table is printed; 64 no row has such a name; 70 the bench itself failed; 130 interrupted.

import Linux
import TestKit

/// All rows, those with a peer first: absolute figures say more about the machine than about the post office.
/// Another row is another value in one of these lists.
private let allRows =
  SendRows.all + BatchRows.all + FanOutRows.all + ReadRows.all + BacklogRows.all + LatencyRows.all
  + ThroughputRows.all + StreamRows.all + MailboxRows.all

/// - Returns: the exit code.
func runBench() -> Int32 {
  do {
    let rows = try chosen()
    if Host.environment("POST_BINARY") == nil {
      Streams.error("bench: no POST_BINARY: \(Sandbox.binary) it is\n")
    }
    let yard = try Yard()
    var sections = [Section]()
    for row in rows { sections += Section.all(try Measured(row, in: yard)) }
    let title = try Title.text(yard)
    try Streams.output(title + "\n" + Table.text(sections) + "\n" + Title.footer(yard))
    if Host.environment("RECORD") == "1" { try Record.write(title, sections, Title.footer(yard)) }
    return 0
  } catch is Interrupted {
    return 130
  } catch let error as NoSuchRow {
    Streams.error("bench: \(error.description)\n")
    return 64
  } catch {
    Streams.error("bench: \(error)\n")
    return 70
  }
}

private struct NoSuchRow: Error {
  let description: String
}

/// The rows whose names have one of the words in $ROWS; all, if it is not set.
private func chosen() throws -> [Row] {
  let words = (Host.environment("ROWS")?.description ?? "").lowercased()
    .split { $0.isWhitespace || $0 == "," }
  if words.isEmpty { return allRows }
  let rows = allRows.filter { row in words.contains { row.name.lowercased().contains($0) } }
  guard rows.isEmpty else { return rows }
  let names = allRows.map(\.name).joined(separator: "; ")
  throw NoSuchRow(description: "no row has a word of ROWS in its name; there are: \(names)")
}
