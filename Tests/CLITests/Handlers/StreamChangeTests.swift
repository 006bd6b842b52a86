// Streaming handlers when things change around them: a stop, other settings, other mailboxes that wait for a place.

import Linux
import TestKit
import Testing

@Suite struct StreamChangeTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  /// The letter `again` is to be tried again; the others are done when the file `go` is there.
  private static let patient = """
    while next; do
      echo $body >> $out/begun
      case $body in
      again) test $attempt -gt 1 && echo done $id || echo retry $id ;;
      *) await go; echo done $id ;;
      esac
    done
    """

  @Test func aStopWhileALetterWaitsToBeAloneIsNoTrouble() throws {
    try office.stream(StreamChangeTests.patient, "Retry: 300ms..300ms")
    let again = try office.send("again")
    let watcher = try office.startWatcher()
    #expect(eventually { office.entries("later").count == 1 })
    try office.send("slow")
    #expect(eventually { office.lines(of: "begun").contains("slow") })
    // It comes back, and waits in hands until the stream has no other.
    #expect(eventually { office.entries("cur").contains { $0.hasPrefix("\(again),A=2") } })
    watcher.kill(.terminate)
    try office.write("go", "")
    #expect(try watcher.wait().code == 0)
    #expect(office.counts() == [1, 0, 0, 1, 0])
    #expect(office.entries("new") == ["\(again),A=1"])
  }

  @Test func otherSettingsLetAStreamEndItsLetters() throws {
    try office.stream(StreamChangeTests.patient)
    try office.send("slow")
    _ = try office.startWatcher()
    #expect(eventually { office.lines(of: "begun") == ["slow"] })
    try office.configureStream(StreamChangeTests.patient, ["Umask: 022"])
    try office.send("another")
    #expect(eventually { office.starts.count == 1 })
    try office.write("go", "")
    #expect(eventually { office.counts() == [0, 0, 0, 2, 0] })
    #expect(office.lines(of: "begun") == ["slow", "another"])
    #expect(office.starts.count == 2)
  }

  @Test func aBusyStreamMakesPlaceForWhoWaits() throws {
    try office.stream("while next; do echo done $id; done")
    try office.subscribe("exit 0", as: "invoice", to: "bills")
    try office.write("spool/post.conf", "Max-Handlers: 1\n")
    try office.sendMany(4000)
    let watcher = try office.startWatcher()
    #expect(eventually { !office.entries("done").isEmpty })
    try office.send(to: "bills")
    #expect(eventually { office.counts("invoice") == [0, 0, 0, 1, 0] })
    #expect(!office.entries("new").isEmpty, "the stream was at its end anyway")
    #expect(!watcher.hasEnded)
  }

  @Test func fromStrictOrderToAnyTheWatcherComesToRest() throws {
    try office.subscribe("test $(cat) != bad", "Order: strict", "Retry: 60s..60s")
    try office.send("bad")
    try office.send("good")
    let watcher = try office.startWatcher()
    #expect(eventually { office.entries("later").count == 1 })
    try office.configure("stock", ["Handler: true", "Order: any", "Retry: 60s..60s"])
    #expect(eventually { office.entries("done").count == 1 })
    #expect(watcher.rest() != nil)
  }

  @Test(arguments: ["cat # them", "cat;", "cat &"])
  func aLineToWhichNoFilesCanBeAddedIsNoHandlerOfBatches(line: String) throws {
    try office.subscribe(line, "Batch: 10")
    try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(watched.code == 78)
    #expect(watched.errors.contains("mailboxes/stock/mailbox.conf: Batch adds files"))
    #expect(office.counts() == [1, 0, 0, 0, 0])
  }

  @Test func aLineMaySayWhereItsFilesBelong() throws {
    try office.subscribe("printf '%s\\n' \"$@\" > $POST_SPOOL/../files; true # done", "Batch: 10")
    try office.sendMany(2)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.lines(of: "files").count == 2)
  }
}
