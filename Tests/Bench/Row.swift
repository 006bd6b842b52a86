// What can be measured: a row is a value that says what runs, and what it is compared with.

import Linux
import TestKit

/// What a number counts.
enum Unit: Sendable {
  case perSecond, milliseconds, microseconds, mebibytes, times

  /// How many times as good as the peer.
  func ratio(_ post: Double, to peer: Double) -> Double? {
    guard post > 0, peer > 0 else { return nil }
    return self == .perSecond ? post / peer : peer / post
  }

  func text(_ value: Double) -> String {
    switch self {
    case .perSecond: decimal(value, value < 100 ? 1 : 0) + "/s"
    case .milliseconds: decimal(value, value < 10 ? 2 : value < 100 ? 1 : 0) + " ms"
    case .microseconds: decimal(value, value < 100 ? 1 : 0) + " us"
    case .mebibytes: decimal(value, 1) + " MiB"
    case .times: decimal(value, 0)
    }
  }
}

/// A line of the table: one number of those that a measure yields.
struct Figure: Sendable {
  /// What is added to the row's name; empty if the row has but one figure.
  let label: String
  let unit: Unit
  /// The target, shown beside the figure; nothing checks it.
  let goal: String
  /// Of several rounds the worst counts, not the median.
  let isWorst: Bool

  init(_ label: String, _ unit: Unit, goal: String = "", isWorst: Bool = false) {
    self.label = label
    self.unit = unit
    self.goal = goal
    self.isWorst = isWorst
  }
}

/// One measure, from a fresh spool to its removal.
/// - Returns: a number for each figure of the row; a peer may know fewer, then it has the first of them.
typealias Work = @Sendable (Yard) throws -> [Double]

/// Something that a row is compared with.
struct Peer: Sendable {
  let name: String
  /// What of it survives a power cut, in few words: `fsync each`. Empty where nothing is kept.
  let durability: String
  /// The target for post, as a multiple of the peer; nil: no target.
  let goal: Double?
  let work: Work

  init(_ name: String, _ durability: String = "", goal: Double? = nil, _ work: @escaping Work) {
    self.name = name
    self.durability = durability
    self.goal = goal
    self.work = work
  }
}

/// What a peer lacks on this machine, with the command that installs it: the table prints both.
struct Missing: Error, CustomStringConvertible {
  let package: String
  var description: String { "missing: apt-get install \(package)" }
}

struct Row: Sendable {
  let name: String
  let figures: [Figure]
  /// How often it is measured at most; nil: as often as the others.
  let rounds: Int?
  /// What a reader must know to understand the figures, durability included.
  let note: String
  let work: Work
  let peers: [Peer]

  init(
    _ name: String, _ figures: [Figure], rounds: Int? = nil, note: String, peers: [Peer], work: @escaping Work
  ) {
    self.name = name
    self.figures = figures
    self.rounds = rounds
    self.note = note
    self.work = work
    self.peers = peers
  }
}

/// The middle one; of two, what lies between them.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  precondition(!sorted.isEmpty, "there is a round at least")
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// The value that so many percent do not exceed.
func percentile(_ percent: Int, _ values: [Double]) -> Double {
  let sorted = values.sorted()
  precondition(!sorted.isEmpty, "there is a value at least")
  return sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
}

/// A number with this many digits after the decimal point.
func decimal(_ value: Double, _ digits: Int) -> String {
  // A difference of two measurements may be negative.
  if value < 0 { return "-" + decimal(-value, digits) }
  let power = (0..<digits).reduce(1) { product, _ in product * 10 }
  let scaled = Int((value * Double(power)).rounded())
  if digits == 0 { return String(scaled) }
  let fraction = String(scaled % power)
  return "\(scaled / power)." + String(repeating: "0", count: digits - fraction.count) + fraction
}
