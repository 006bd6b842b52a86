import Linux
import TestKit
import Testing

/// Tests of `Traced` itself.
@Suite(.needsPtrace) struct TracedTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func everyCallIsSeenAndTheProgramEndsAsItWould() throws {
    let traced = try Traced(box, ["/bin/cat", "a", "missing"])
    try box.write("a", "text")
    var opened = [String]()
    while let call = try traced.next() {
      if call.name == "openat" { opened.append("\(try traced.path(at: call.arguments[1]))") }
    }
    #expect(opened.contains("a") && opened.contains("missing"))
    let ended = try traced.wait()
    #expect(ended.code == 1)
    #expect(ended.text == "text")
  }

  @Test func aCallCanFail() throws {
    let traced = try Traced(box, [Sandbox.binary, "send", "orders", "-m", "x"])
    while let call = try traced.next() { if call.name == "fsync" { try traced.fail(.io) } }
    let ended = try traced.wait()
    #expect(ended.code == 74)
  }

  @Test func aKilledProgramDoesNotMakeTheCall() throws {
    let traced = try Traced(box, ["/bin/mkdir", "made"])
    while let call = try traced.next() { if call.name.hasPrefix("mkdir") { traced.kill() } }
    #expect(try traced.wait().code == 137)
    #expect(!box.exists("made"))
  }

  @Test func aProgramThatSleepsForEverIsEnded() throws {
    let traced = try Traced(box, ["/bin/sleep", "infinity"], limit: 1)
    while try traced.next() != nil {}
    #expect(try traced.wait().code == 137)
  }

  @Test func theWallClockCanBeAnother() throws {
    let traced = try Traced(box, ["/bin/date", "+%Y"], clockOffset: -3600 * 24 * 366 * 10)
    let before = try box.shell("date +%Y").text
    let ended = try traced.wait()
    #expect(Int(ended.lines[0])! <= Int(before.prefix(4))! - 10)
  }
}
