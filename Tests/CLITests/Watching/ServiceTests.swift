// post watch as a service: what it reports to its service manager, and to the journal.

import Linux
import TestKit
import Testing

@Suite struct ServiceTests {
  let office: Sandbox
  let manager: DatagramListener
  private let socket: Path

  init() throws {
    office = try Sandbox()
    try office.subscribe("exit 0")
    socket = office.root / "notify"
    manager = try DatagramListener(at: socket)
  }

  private func start(_ words: String..., environment: [String: String] = [:]) throws -> Running {
    var variables = ["NOTIFY_SOCKET": socket.description]
    variables.merge(environment) { $1 }
    return try office.startWatcher(words, environment: variables)
  }

  private func hears(_ text: String) -> Bool {
    eventually { manager.heard().contains { $0.hasPrefix(text) } }
  }

  @Test func itSaysThatItIsReadyWhenItIs() throws {
    let watcher = try start()
    #expect(hears("READY=1"))
    try office.send()
    #expect(hears("STATUS=mailboxes: 1, paused: 0; running handlers: 0; letters done: 1"))
    watcher.kill(.terminate)
    #expect(try watcher.wait().code == 0)
    #expect(hears("STOPPING=1"))
  }

  @Test func itReloadsWhenItIsToldTo() throws {
    let watcher = try start()
    #expect(hears("READY=1"))
    watcher.kill(.hangUp)
    #expect(hears("RELOADING=1\nMONOTONIC_USEC="))
    #expect(eventually { manager.heard().filter { $0 == "READY=1" }.count == 2 })
    #expect(!watcher.hasEnded)
  }

  @Test func theWatchdogHearsSignsOfLifeAlsoWhenNothingHappens() throws {
    _ = try start(environment: ["WATCHDOG_USEC": "200000"])
    #expect(eventually { manager.heard().filter { $0 == "WATCHDOG=1" }.count >= 5 })
  }

  @Test func aWatchdogForAnotherProcessIsNotOurs() throws {
    let watcher = try start(environment: ["WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"])
    #expect(hears("READY=1"))
    #expect(watcher.rest() != nil)
    #expect(!manager.heard().contains("WATCHDOG=1"))
  }

  @Test func withAManagerItSleepsToo() throws {
    let watcher = try start()
    try office.send()
    #expect(hears("STATUS=mailboxes: 1, paused: 0; running handlers: 0; letters done: 1"))
    #expect(watcher.rest(for: 1500) != nil)
  }

  @Test(arguments: ["nonsense", "/no/such/socket", "@", String(repeating: "/x", count: 200)])
  func aManagerThatDoesNotListenKeepsNobodyFromWork(address: String) throws {
    let watched = try office.post("watch", "--until-empty", environment: ["NOTIFY_SOCKET": address])
    #expect(watched.code == 0, "\(watched.errors)")
  }

  @Test func handlersDoNotInheritTheManager() throws {
    try office.configure("stock", ["Handler: env > $POST_SPOOL/../env"])
    _ = try start(environment: ["WATCHDOG_USEC": "60000000"])
    try office.send()
    #expect(eventually { office.counts() == [0, 0, 0, 1, 0] })
    #expect(!office.lines(of: "env").contains { $0.hasPrefix("NOTIFY_SOCKET") || $0.hasPrefix("WATCHDOG_") })
  }

  @Test func inTheJournalEachLineBeginsWithItsPriority() throws {
    try office.configure("stock", ["Handler: echo words >&2; test $POST_ATTEMPT = 2", "Retry: 1ms"])
    let id = try office.send()
    let log = office.root / "log"
    try office.script(
      """
      exec 2> log
      JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2) post watch -v --until-empty
      """)
    let lines = try office.read(log.name.description).split(separator: "\n")
    #expect(
      lines == [
        "<5>stock: words",
        "<4>post: warning: mailbox stock: letter \(id) will be tried again, attempt 1 of 20: exit 1",
        "<5>stock: words",
        "<6>post: stock: letter \(id) done",
      ])
  }

  @Test func elsewhereNoLineHasOne() throws {
    try office.configure("stock", ["Handler: echo words >&2"])
    try office.send()
    let watched = try office.post(
      "watch", "--until-empty", environment: ["JOURNAL_STREAM": "1:2"])
    #expect(watched.errors == "stock: words\n")
  }
}
