// All states that a power cut can leave at one moment, or, if there are too many, a stated sample of them.

import TestKit

extension WeakFileSystem {
  /// Up to so many combinations of names are all looked at: twelve names with two values each.
  static let wholeLimit = 1 << 12
  /// Beyond it: all with at most two names that differ from "nothing kept" or from "all kept", and so
  /// many drawn at random.
  static let draws = 500

  /// Calls `body` with each state that a cut can leave now: for each name, the number of its value.
  /// - Parameters:
  ///   - matters: decides which names to vary. The others show their last value.
  ///   - fixed: a name that shows its last value in all of these states.
  /// - Returns: whether these were all states there are.
  func forEachState(
    varying matters: (Slot) -> Bool, fixing fixed: Slot?, dice: inout Seeded, _ body: ([Int]) -> Void
  ) -> Bool {
    var shown = values.map(\.last)
    var free = [Slot]()
    var product = 1
    for slot in values.indices where !values[slot].isSure && slot != fixed && matters(slot) {
      free.append(slot)
      product = min(product * (values[slot].last - values[slot].kept + 1), WeakFileSystem.wholeLimit + 1)
    }
    let rules = renamesAreAtomic ? renames.filter { matters($0.gone.slot) } : []
    guard product > WeakFileSystem.wholeLimit else {
      for slot in free { shown[slot] = values[slot].kept }
      repeat {
        if obeys(shown, rules) { body(shown) }
      } while step(&shown, free)
      return true
    }
    sample(shown, free, rules, &dice, body)
    return false
  }

  /// Whether a rename shows both of its names in this state.
  func showsBothNames(_ shown: [Int], varying matters: (Slot) -> Bool) -> Bool {
    renames.contains {
      matters($0.gone.slot) && shown[$0.made.slot] >= $0.made.value && shown[$0.gone.slot] < $0.gone.value
    }
  }

  private func obeys(_ shown: [Int], _ rules: [(made: Half, gone: Half)]) -> Bool {
    for rule in rules
    where shown[rule.gone.slot] >= rule.gone.value && shown[rule.made.slot] < rule.made.value {
      return false
    }
    return true
  }

  /// To the next combination, as an odometer.
  /// - Returns: false after the last one.
  private func step(_ shown: inout [Int], _ free: [Slot]) -> Bool {
    for slot in free {
      if shown[slot] < values[slot].last {
        shown[slot] += 1
        return true
      }
      shown[slot] = values[slot].kept
    }
    return false
  }

  private func sample(
    _ start: [Int], _ free: [Slot], _ rules: [(made: Half, gone: Half)], _ dice: inout Seeded,
    _ body: ([Int]) -> Void
  ) {
    var seen = Set<[Int]>()
    func visit(_ choice: [Int]) {
      var shown = choice
      // What is gone is where the rename put it.
      while let rule = rules.first(where: {
        shown[$0.gone.slot] >= $0.gone.value && shown[$0.made.slot] < $0.made.value
      }) {
        shown[rule.made.slot] = rule.made.value
      }
      if seen.insert(shown).inserted { body(shown) }
    }
    for keepsAll in [false, true] {
      var base = start
      func flip(_ slot: Slot) { base[slot] = values[slot].kept + values[slot].last - base[slot] }
      for slot in free where !keepsAll { base[slot] = values[slot].kept }
      visit(base)
      for (index, one) in free.enumerated() {
        flip(one)
        visit(base)
        for other in free[..<index] {
          flip(other)
          visit(base)
          flip(other)
        }
        flip(one)
      }
    }
    for _ in 0..<WeakFileSystem.draws {
      var choice = start
      for slot in free {
        choice[slot] = Int.random(in: values[slot].kept...values[slot].last, using: &dice)
      }
      visit(choice)
    }
  }
}
