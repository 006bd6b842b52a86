// "Did you mean --lines?": the known names that are nearest to what was typed. Bounded: a long word is no typing mistake and
// gets no suggestion.

package enum Suggestion {
  /// Words longer than this are not compared; the work is quadratic in the length.
  static let longestWord = 40
  /// At most so many names that are equally near are shown.
  static let mostNames = 3

  /// The names nearest to the typed word, in table order: several if they are equally near, none if all are far. Case does
  /// not count. A beginning of two letters or more counts as near.
  package static func names(near typed: some Collection<UInt8>, among names: [String]) -> [String] {
    guard !typed.isEmpty, typed.count <= longestWord else { return [] }
    let typed = typed.map(lowercased)
    var best: [String] = []
    var bestScore = Int.max
    for name in names {
      guard let score = score(typed, name.utf8.map(lowercased)), score <= bestScore else { continue }
      if score < bestScore { best = [] }
      bestScore = score
      if !best.contains(name) { best.append(name) }
    }
    return Array(best.prefix(mostNames))
  }

  private static func score(_ typed: [UInt8], _ name: [UInt8]) -> Int? {
    let distance = distance(typed, name)
    if typed.count >= 2, name.starts(with: typed) { return min(distance, 1) }
    let allowed = max(1, max(typed.count, name.count) / 3)
    // A distance of the whole name means that nothing of it was typed.
    return distance <= allowed && distance < name.count ? distance : nil
  }

  /// Edits between two words: insert, delete, replace, or swap two neighbours (optimal string alignment).
  static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
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
