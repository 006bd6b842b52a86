// What is printed: a title that says what machine that was, and a table of aligned columns.

import Glibc
import Linux
import TestKit

enum Title {
  static func text(_ yard: Yard) throws -> String {
    let binary = try yard.shed.post("--version").lines.first ?? "post"
    let cores = processors == 1 ? "1 core" : "\(processors) cores"
    let kernel = word(of: "/proc/sys/kernel/osrelease") ?? "?"
    let ground =
      try Directory(yard.shed.root).mountID().flatMap(Mount.numbered)?.type ?? "an unknown file system"
    let load = yard.load.map { ", load \($0) at the start" } ?? ""
    return """
      \(binary) on \(cores), Linux \(kernel), \(ground)\(load)
      \(yard.scale.text)
      Medians of some rounds, post and its peer in turn. RATIO: how many times as good as its peer post was in
      a round; the median and, in brackets, the least and the greatest.

      """
  }

  /// How many processors we may use.
  static let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// The first word of a file of /proc.
  static func word(of path: Path) -> String? {
    guard let file = try? File(path, .readFollowing), let bytes = try? file.readAll(limit: 4096) else {
      return nil
    }
    return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init)
  }
}

enum Table {
  static let heading = ["WHAT", "POST", "PEER", "RATIO", "GOAL", "NOTE"]
  /// Columns of numbers, aligned to the right.
  private static let numbers = 1...3

  /// The lines of a row, one for each figure.
  static func lines(_ measured: Measured) -> [[String]] {
    let row = measured.row
    if let trouble = measured.postTrouble {
      return [[row.name, "-", "-", "-", row.figures[0].goal, "not available: \(trouble)"]]
    }
    let peer = measured.peerTrouble.map { "no peer: \($0)" } ?? "peer: \(row.peer.name)"
    let notes =
      row.figures.count > 1 ? [peer, row.note] : [row.note.isEmpty ? peer : "\(peer); \(row.note)"]
    return row.figures.enumerated().map { index, figure in
      let post = measured.post.map { $0[index] }
      let peer = measured.peer.compactMap { index < $0.count ? $0[index] : nil }
      let ratios = zip(post, peer).compactMap { figure.unit.ratio($0, to: $1) }
      return [
        index == 0 || figure.label.isEmpty ? name(row, figure) : "  " + figure.label,
        text(post, figure), text(peer, figure), text(ratios), figure.goal,
        index < notes.count ? notes[index] : "",
      ]
    }
  }

  private static func name(_ row: Row, _ figure: Figure) -> String {
    figure.label.isEmpty ? row.name : "\(row.name), \(figure.label)"
  }

  private static func text(_ values: [Double], _ figure: Figure) -> String {
    if values.isEmpty { return "-" }
    return figure.unit.text(figure.isWorst ? values.max() ?? 0 : median(values))
  }

  private static func text(_ ratios: [Double]) -> String {
    guard let least = ratios.min(), let greatest = ratios.max() else { return "-" }
    let middle = decimal(median(ratios), 2)
    return ratios.count == 1 ? middle : "\(middle) (\(decimal(least, 2))-\(decimal(greatest, 2)))"
  }

  static func text(_ lines: [[String]]) -> String {
    let widths = heading.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      let cells = line.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - line[column].count)
        return numbers.contains(column) ? padding + line[column] : line[column] + padding
      }
      let text = cells.joined(separator: "  ")
      return String(text.prefix(text.count - text.reversed().prefix { $0 == " " }.count)) + "\n"
    }.joined()
  }
}
