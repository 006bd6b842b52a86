// The results of a row: each round measures post and then every peer, so that all run under the same conditions.

import Linux
import TestKit

/// The numbers of one side: for each round, one for each figure; or why there are none.
struct Side {
  private(set) var rounds = [[Double]]()
  private(set) var trouble: String?

  /// Measures once more, unless an earlier measurement failed.
  fileprivate mutating func attempt(_ work: Work, _ yard: Yard) throws {
    guard trouble == nil else { return }
    do {
      rounds.append(try work(yard))
    } catch let error as Interrupted {
      throw error
    } catch {
      trouble = "\(error)"
    }
  }

  /// A figure's number in each round; none, if this side does not know that figure.
  func values(_ figure: Int) -> [Double] { rounds.compactMap { figure < $0.count ? $0[figure] : nil } }
}

struct Measured {
  let row: Row
  private(set) var post = Side()
  /// One for each peer of the row.
  private(set) var peers: [Side]

  /// Measures the row and its peers in turn.
  init(_ row: Row, in yard: Yard) throws {
    self.row = row
    peers = row.peers.map { _ in Side() }
    let rounds = min(row.rounds ?? .max, yard.scale.rounds)
    for round in 1...rounds where post.trouble == nil {
      Streams.error("bench: \(row.name), round \(round) of \(rounds)\n")
      try post.attempt(row.work, yard)
      guard post.trouble == nil else { break }
      for (index, peer) in row.peers.enumerated() { try peers[index].attempt(peer.work, yard) }
    }
  }
}
