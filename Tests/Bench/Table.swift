// What the bench prints: a title that describes the machine, and a table. Each figure of post has a line, and below it
// one line for each peer, the ratio first.

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
      Medians of some rounds, post and its peers in turn. RATIO: how many times as good as the peer post was in
      a round; the median and, in brackets, the least and the greatest. GOAL: the ratio that is hoped for.

      """
  }

  /// What this run leaves out.
  static func footer(_ yard: Yard) -> String {
    if yard.scale.isLarge { return "" }
    return "Without 1000000 letters waiting: LARGE=1 measures that too, and takes long.\n"
  }

  /// The processor's name.
  static var processor: String {
    let text = (try? File("/proc/cpuinfo", .readFollowing).readAll(limit: 1 << 20)) ?? []
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    return lines.first { $0.hasPrefix("model name") }?.split(separator: ": ").last.map(String.init)
      ?? "an unknown processor"
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

/// A line of the table about one peer, in words.
struct Comparison {
  let ratio: String
  /// The least and the greatest ratio of the rounds.
  let range: String
  let goal: String
  let peer: String
  /// The peer's name and durability; why there is no figure, if there is none.
  let against: String
}

/// One figure of post with all it is compared with, in words.
struct Section {
  let name: String
  let post: String
  /// The target, durability and what else must be known.
  let note: String
  let comparisons: [Comparison]

  /// The sections of a row, one for each figure.
  static func all(_ measured: Measured) -> [Section] {
    let row = measured.row
    if let trouble = measured.post.trouble {
      return [Section(name: row.name, post: "-", note: "not available: \(trouble)", comparisons: [])]
    }
    return row.figures.enumerated().map { index, figure in
      let post = measured.post.values(index)
      let notes = [index == 0 ? row.note : "", figure.goal.isEmpty ? "" : "goal \(figure.goal)"]
      return Section(
        name: figure.label.isEmpty ? row.name : "\(row.name), \(figure.label)", post: text(post, figure),
        note: notes.filter { !$0.isEmpty }.joined(separator: "; "),
        comparisons: zip(row.peers, measured.peers).compactMap { peer, side in
          comparison(figure, index, post, peer, side)
        })
    }
  }

  /// - Returns: nil if the peer has no such figure, and said so with the first one.
  private static func comparison(
    _ figure: Figure, _ index: Int, _ post: [Double], _ peer: Peer, _ side: Side
  ) -> Comparison? {
    let goal = index == 0 ? peer.goal.map { decimal($0, 2) } ?? "" : ""
    if let trouble = side.trouble {
      guard index == 0 else { return nil }
      return Comparison(ratio: "-", range: "", goal: goal, peer: "-", against: "\(peer.name): \(trouble)")
    }
    let values = side.values(index)
    if values.isEmpty { return nil }
    let ratios = zip(post, values).compactMap { figure.unit.ratio($0, to: $1) }
    let least = ratios.min().map { decimal($0, 2) } ?? ""
    let greatest = ratios.max().map { decimal($0, 2) } ?? ""
    return Comparison(
      ratio: ratios.isEmpty ? "-" : decimal(median(ratios), median(ratios) < 0.1 ? 3 : 2),
      range: ratios.count > 1 ? "(\(least)-\(greatest))" : "", goal: goal, peer: text(values, figure),
      against: peer.durability.isEmpty ? peer.name : "\(peer.name): \(peer.durability)")
  }

  private static func text(_ values: [Double], _ figure: Figure) -> String {
    if values.isEmpty { return "-" }
    return figure.unit.text(figure.isWorst ? values.max() ?? 0 : median(values))
  }
}

enum Table {
  private static let indent = "  "
  private static let gap = "  "

  static func text(_ sections: [Section]) -> String {
    let headings = ["RATIO", "(RANGE)", "GOAL", "PEER", "AGAINST: what of it survives a power cut"]
    let cells = sections.flatMap { $0.comparisons.map(\.cells) }
    // All but the last column are numbers, aligned to the right.
    let widths = headings.indices.dropLast().map { column in
      ([headings] + cells).map { $0[column].count }.max() ?? 0
    }
    func line(_ words: [String]) -> String {
      let numbers = zip(words, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }
      return indent + (numbers + [words[words.count - 1]]).joined(separator: gap) + "\n"
    }
    let parts = sections.map { section in
      let note = section.note.isEmpty ? "" : "  (\(section.note))"
      return "\n\(section.name): \(section.post)\(note)\n"
        + section.comparisons.map { line($0.cells) }.joined()
    }
    return "WHAT: POST\n" + line(headings) + parts.joined()
  }
}

extension Comparison {
  fileprivate var cells: [String] { [ratio, range, goal, peer, against] }
}
