// What the simulation knows of subscriptions, from the outside: when commands began, when and how they ended.
// While a command runs, or after it was killed, the state is unknown; when all is quiet, the simulation looks.

import TestKit

/// A mailbox and a topic, and whether the one is subscribed to the other.
final class Pair {
  let mailbox: String
  let topic: String

  enum State { case no, yes, unknown }
  /// Since which moment it has been in which state.
  private var history: [(moment: Int, state: State)] = [(0, .no)]
  private var orders: [Order] = []

  /// A command that changes it.
  private struct Order {
    let isSubscribing: Bool
    let isFromStart: Bool
    let begun: Int
    let before: State
    /// No other such command ran at the same time.
    var isAlone: Bool
    var ended: Int?
    var hasSucceeded = false
    /// It is known that this command subscribed the mailbox, and so the mailbox must get what the topic had.
    var isInForce = false

    var changesNothing: Bool { isAlone && before == (isSubscribing ? .yes : .no) }
  }

  init(_ mailbox: String, _ topic: String) {
    self.mailbox = mailbox
    self.topic = topic
  }

  var state: State { history[history.count - 1].state }

  private func set(_ state: State, _ moment: Int) {
    if state != self.state { history.append((moment, state)) }
  }

  /// - Returns: the number of the command, for ``end(_:succeeded:_:)``.
  func begin(subscribing: Bool, fromStart: Bool, _ moment: Int) -> Int {
    let others = orders.indices.filter { orders[$0].ended == nil }
    for index in others { orders[index].isAlone = false }
    let order = Order(
      isSubscribing: subscribing, isFromStart: fromStart, begun: moment, before: state,
      isAlone: others.isEmpty)
    orders.append(order)
    if !order.changesNothing { set(.unknown, moment) }
    return orders.count - 1
  }

  func end(_ number: Int, succeeded: Bool, _ moment: Int) {
    orders[number].ended = moment
    orders[number].hasSucceeded = succeeded
    let order = orders[number]
    if order.changesNothing { return }
    guard order.isAlone, succeeded else { return set(.unknown, moment) }
    orders[number].isInForce = order.isSubscribing && order.before == .no
    set(order.isSubscribing ? .yes : .no, moment)
  }

  /// What is found when no command runs.
  func found(isSubscribed: Bool, _ moment: Int) throws {
    if state == .yes, !isSubscribed { throw Failure("\(mailbox) is not subscribed to \(topic), but was") }
    if state == .no, isSubscribed { throw Failure("\(mailbox) is subscribed to \(topic), but was not") }
    // One that was killed half-way: if its subscription exists, so must its backlog.
    if isSubscribed, let last = orders.last, last.isSubscribing, last.isAlone, last.before == .no {
      orders[orders.count - 1].isInForce = true
    }
    set(isSubscribed ? .yes : .no, moment)
  }

  /// All letters so far are settled and forgotten.
  func forget() {
    history = [(0, state)]
    orders = []
  }

  /// Whether it was subscribed all the time between two moments.
  func isSubscribed(from begin: Int, to end: Int) -> Bool { states(begin, end) == [.yes] }

  /// Whether a letter accepted between two moments cannot have reached it.
  func isOut(from begin: Int, to end: Int) -> Bool {
    states(begin, end) == [.no]
      && !orders.contains { $0.isSubscribing && $0.isFromStart && $0.begun >= begin && $0.before != .yes }
  }

  private func states(_ begin: Int, _ end: Int) -> Set<State> {
    var found = Set<State>()
    for (index, entry) in history.enumerated() where entry.moment <= end {
      let isOver = index + 1 < history.count && history[index + 1].moment <= begin
      if !isOver { found.insert(entry.state) }
    }
    return found
  }

  /// Whether a letter must have come to it because it subscribed from the start.
  /// - Parameter sorted: since when it was surely accepted and sorted; nil: that is not known.
  func bringsBacklog(sorted: Int?) -> Bool {
    orders.contains { order in
      guard order.isInForce, order.isFromStart else { return false }
      let drops = orders.filter {
        !$0.isSubscribing && ($0.ended ?? .max) > order.begun && !$0.changesNothing
      }
      if drops.isEmpty { return true }
      // It was unsubscribed later: what was there before it subscribed has reached it anyway.
      guard order.hasSucceeded, let ended = order.ended, let sorted else { return false }
      return sorted < order.begun && drops.allSatisfy { $0.begun > ended }
    }
  }
}
