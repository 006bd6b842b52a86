import Linux
import TestKit
import Testing

/// A subscriber whose mark is about to go meets others that come and go.
@Suite(.needsPtrace) struct SubscribeRaceTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
    try box.must("send", "orders", "-m", "[first]")
  }

  private static let mark: Path = "topics/orders/subscribers/.late"

  /// Subscribes `late`, and holds the command where it is about to remove its mark.
  private func subscribeSlowly() throws -> Traced {
    let slow = try Traced(box, [Sandbox.binary, "subscribe", "late", "orders"])
    while let call = try slow.next() {
      if call.name == "unlinkat", try slow.path(at: call.arguments[1]) == SubscribeRaceTests.mark { break }
    }
    return slow
  }

  @Test func whoIsUnsubscribedMeanwhileHasSubscribedAllTheSame() throws {
    let slow = try subscribeSlowly()
    try box.must("unsubscribe", "late", "orders")
    #expect(try slow.wait().code == 0)
    #expect(try box.must("read", "late") == "[first]")
    #expect(try !box.must("list", "orders").contains("late"))
  }

  @Test func aSecondSubscriptionKeepsItsBacklogWhenTheFirstEnds() throws {
    let slow = try subscribeSlowly()
    try box.must("unsubscribe", "late", "orders")
    try box.must("send", "orders", "-m", "[second]")
    let again = try box.startPost("subscribe", "late", "orders")
    // It is subscribed, and waits for the other command to end before it links what was sent in between.
    #expect(eventually { box.exists("spool/topics/orders/subscribers/late") })
    #expect(try slow.wait().code == 0)
    #expect(try again.wait().code == 0)
    #expect(try box.must("read", "late", "--all") == "[first][second]")
    #expect(!box.exists("spool/\(SubscribeRaceTests.mark)"))
  }
}
