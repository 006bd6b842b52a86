// Random numbers that can be repeated: a test that failed can be run once more with the same seed.

import Linux

/// SplitMix64 (Steele, Lea and Flood, 2014): small, quick, and the same everywhere.
package struct Seeded: RandomNumberGenerator {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// True in one of so many cases.
  package mutating func oneIn(_ count: Int) -> Bool { number(1...count) == 1 }

  package mutating func pick<Element>(_ list: [Element]) -> Element { list[number(0...(list.count - 1))] }

  /// One of the elements, each as often as its weight says.
  package mutating func pick<Element>(_ list: [(weight: Int, element: Element)]) -> Element {
    var rest = number(1...list.reduce(0) { $0 + $1.weight })
    for (weight, element) in list {
      rest -= weight
      if rest <= 0 { return element }
    }
    return list[0].element
  }

  /// Whether long matrices are tried whole, as `make faults` does. Else each run tries another part of each: it prints
  /// the seed, and `POST_SEED` chooses the same part again.
  package static let takesAll = Host.environment("POST_FAULTS") == "all"

  /// A part of a list, in the list's order; all of it where long matrices are tried whole.
  package mutating func part<Element>(of list: [Element], atMost count: Int) -> [Element] {
    if Seeded.takesAll { return list }
    return list.indices.shuffled(using: &self).prefix(count).sorted().map { list[$0] }
  }

  /// Chooses the parts of their arguments that tests take; printed when the first of them is taken.
  private static let seedOfArguments = {
    let seed = anySeed
    print("arguments of tests: seed \(seed)")
    return seed
  }()

  /// Some of the arguments of a test; all of them where long matrices are tried whole.
  package static func some<Element>(_ count: Int, of list: [Element]) -> [Element] {
    var dice = Seeded(seedOfArguments)
    return dice.part(of: list, atMost: count)
  }

  /// Each argument of a test in one of some ways; in all of them where long matrices are tried whole.
  package static func each<Element, Way>(of list: [Element], in ways: [Way]) -> [(Element, Way)] {
    var dice = Seeded(seedOfArguments)
    return list.flatMap { element in dice.part(of: ways, atMost: 1).map { (element, $0) } }
  }

  /// The seed that `POST_SEED` names, or else a fresh one.
  package static var anySeed: UInt64 { seeds()[0] }

  /// The seeds of a random test: the one that `POST_SEED` names, or else a fresh one, and the fixed ones, too, where
  /// long matrices are tried whole.
  package static func seeds(_ fixed: UInt64...) -> [UInt64] {
    if let given = Host.environment("POST_SEED"), let seed = UInt64(given.description) { return [seed] }
    return (takesAll ? fixed : []) + [UInt64(Host.random)]
  }
}
