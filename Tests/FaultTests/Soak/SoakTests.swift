import Linux
import TestKit
import Testing

/// See `Soak.swift`. Here it takes a few seconds; `make soak` runs it for minutes, on the release binary.
@Suite struct SoakTests {
  private static let seconds = Host.environment("POST_SOAK").flatMap { Int($0.description) } ?? 5

  @Test func nothingIsLostInTheLongRun() throws {
    let soak = try Soak(seconds: SoakTests.seconds)
    try soak.run()
    try soak.drain()
    let result = try soak.compare()
    let stuck = soak.stuck()
    let twice = result.twice.values.reduce(0, +)
    let places = result.twice.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(
      separator: ", ")
    let (half, end) = (soak.sizes.first, soak.sizes.last)
    print(
      """
      soak, \(SoakTests.seconds) s of \(Sandbox.binary):
        letters accepted  \(result.accepted)
        handled           \(result.handled)
        handled twice     \(twice) (\(places))
        lost              \(result.lost.count)
        half delivered    \(result.half.count)
        stuck             \(stuck.count)
        killed            \(soak.sendersKilled) senders, \(soak.holdersKilled) holders
        spool             \(half?.spool ?? 0) KiB at half time, \(end?.spool ?? 0) KiB at the end
        logs              \(half?.logs ?? 0) KiB at half time, \(end?.logs ?? 0) KiB at the end
      """)
    #expect(soak.troubles.isEmpty, "\(soak.troubles.prefix(20))")
    #expect(result.lost.isEmpty, "\(result.lost.prefix(20))")
    #expect(result.half.isEmpty, "\(result.half.prefix(20))")
    #expect(result.strange.isEmpty, "\(result.strange.prefix(20))")
    #expect(stuck.isEmpty, "\(stuck.prefix(20))")
    #expect(result.accepted > SoakTests.seconds)
    // Each holder that was killed had a few letters in hands at most; and a lease may end before its time on a
    // machine that is busy.
    #expect(twice <= 10 + 6 * soak.holdersKilled)
    if let half, let end { #expect(end.spool <= half.spool * 3 / 2 + 2048) }
  }
}
