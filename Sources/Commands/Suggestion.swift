// "Did you mean --lines?": the declared names nearest to what was typed. Pure, and bounded: a long word
// is no typing mistake and gets no suggestion.

enum Suggestion {
  /// StderrCapture longer than this are not compared; the work is quadratic in the length.
  static let longestWord = 40
  /// Equally near names shown at most.
  static let mostNames = 3

  /// The names nearest to the typed word, in table order: equally near ones together, none when all
  /// are far. A beginning of two letters or more counts as near, for some tools accept those.
  static func names(near typed: some Collection<UInt8>, among names: [String]) -> [String] {
    guard !typed.isEmpty, typed.count <= longestWord else { return [] }
    let typed = typed.map(lowercased)
    var best: [String] = []
    var bestScore = Int.max
    for name in names {
      guard let score = score(typed, Bytes(name.utf8)), score <= bestScore else { continue }
      if score < bestScore { best = [] }
      bestScore = score
      if !best.contains(name) { best.append(name) }
    }
    return Array(best.prefix(mostNames))
  }

  private static func score(_ typed: Bytes, _ name: Bytes) -> Int? {
    let distance = distance(typed, name)
    if typed.count >= 2, name.starts(with: typed) { return min(distance, 1) }
    let allowed = max(1, max(typed.count, name.count) / 3)
    // A distance of the whole name means that nothing of it was typed.
    return distance <= allowed && distance < name.count ? distance : nil
  }

  /// Edits between two words: insert, delete, replace, or swap two neighbours (optimal string alignment).
  static func distance(_ first: Bytes, _ second: Bytes) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for row in 0..<first.count {
      var current = [row + 1]
      for column in 0..<second.count {
        let same = first[row] == second[column]
        var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (same ? 0 : 1))
        if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      (beforeLast, last) = (last, current)
    }
    return last[second.count]
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}
