import Linux
import TestKit
import Testing

/// Trouble that passes leaves nothing undone behind it: the watcher returns to the work by itself.
@Suite(.needsPtrace) struct WatchTroubleTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox(in: Sandbox.memory)
    try box.open("stock")
    for body in ["1", "2", "3"] { try box.must("send", "orders", "-m", body) }
  }

  private func handle(_ settings: String) throws {
    try box.write("spool/mailboxes/stock/mailbox.conf", settings + "\n")
  }

  /// Runs a watcher, of which the first call of this name, with a path that contains these words, fails. Time that
  /// it would sleep away passes at once.
  /// - Parameter isOver: when it is to be ended, for it would work on.
  private func watch(
    _ words: String..., failing name: String, _ path: String, _ error: Errno,
    until isOver: () -> Bool = { false }
  ) throws -> Sandbox.Run {
    let traced = try Traced(box, ([Sandbox.binary, "watch"] + words).map { Path("\($0)") }, clockOffset: 0)
    var hasFailed = false
    while !isOver(), let call = try traced.next() {
      // With the descriptors of signals and inotify(7) alone, it waits for no handler.
      let isNap = call.name == "ppoll" && call.arguments[1] == 2
      if try isNap && traced.patience(of: call) ?? 0 > 0 { try traced.sleep(through: call) }
      if try !hasFailed && call.name == name && "\(traced.path(at: call.arguments[1]))".contains(path) {
        hasFailed = true
        try traced.fail(error)
      }
    }
    traced.kill()
    #expect(hasFailed)
    return try traced.wait()
  }

  /// The stream lives on, and so does the lock that shows that its letters are in hands.
  @Test func whatAStreamHasDoneIsWrittenDownInTheEnd() throws {
    let script = #"sed -u 's/.*"id":"\([^"]*\)".*/done \1/'"#
    try handle("Handler: \(script)\nHandler-Mode: stream")
    let ended = try watch("--until-empty", failing: "renameat2", "stock/cur/", .io)
    #expect(ended.code == 0 && ended.errors.contains("input/output error"), "\(ended.errors)")
    #expect(box.entries("done").count == 3 && box.entries("cur").isEmpty)
  }

  /// Each letter of a batch that failed is tried alone; those that still wait for that are not forgotten.
  @Test func theRestOfABatchGoesOnAfterATroubleWithOne() throws {
    try handle("Handler: exit 1\nBatch: 3\nTries: 2\nRetry: 1s..1s")
    let ended = try watch(
      failing: "renameat2", "stock/cur/", .io, until: { box.entries("failed").count == 3 })
    #expect(box.entries("failed").count == 3 && box.entries("cur").isEmpty, "\(ended.errors)")
  }

  @Test func settingsThatArePutRightMeanwhileCount() throws {
    try box.open("invoice")
    let other = "spool/mailboxes/invoice/mailbox.conf"
    try box.write(other, "Handler: true\nTries: x\n")
    try handle("Handler: printf 'Handler: true\\n' > ../invoice/mailbox.conf")
    let ended = try box.post("watch", "--until-empty")
    #expect(ended.code == 0 && ended.errors.contains("invoice is not served"), "\(ended.errors)")
    #expect(box.entries("done", of: "invoice").count == 3)
  }

  @Test func mailboxesThatCannotBeListedAreServedLater() throws {
    try handle("Handler: cat >> ../../../handled")
    let ended = try watch(
      failing: "openat", "mailboxes", .systemFiles, until: { box.entries("done").count == 3 })
    #expect(box.entries("done").count == 3 && ended.errors.contains("cannot list"), "\(ended.errors)")
  }

  @Test func settingsThatCannotBeReadAreReadLater() throws {
    try handle("Handler: cat >> ../../../handled")
    let ended = try watch(
      failing: "openat", "mailbox.conf", .systemFiles, until: { box.entries("done").count == 3 })
    #expect(box.entries("done").count == 3 && ended.errors.contains("stock is not served"), "\(ended.errors)")
  }

  @Test func untilEmptyDoesNotSucceedWithoutHavingSeen() throws {
    try handle("Handler: cat >> ../../../handled")
    let ended = try watch("--until-empty", failing: "openat", "mailboxes", .systemFiles)
    #expect(ended.code == 75 && ended.errors.contains("not every mailbox was served"), "\(ended.errors)")
  }

  @Test func untilEmptyTriesALetterAgainThatItPassedOver() throws {
    try handle("Handler: cat >> ../../../handled")
    let ended = try watch("--until-empty", failing: "openat", "stock/new/", .io)
    #expect(ended.code == 0 && ended.errors.contains("cannot claim"), "\(ended.errors)")
    #expect(box.entries("done").count == 3)
  }
}
