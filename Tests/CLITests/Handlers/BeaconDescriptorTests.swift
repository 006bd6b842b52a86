// The descriptor through which a handler shows that its letters are held.

import Linux
import TestKit
import Testing

@Suite struct BeaconDescriptorTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// The highest number below the limit and below 190 that no script uses: not 3 to 19, 63, 99 and 100.
  private static let numbers: [(limit: String, number: String?)] = [
    ("16", nil), ("20", nil), ("21", "20"), ("63", "62"), ("64", "62"), ("65", "64"), ("100", "98"),
    ("101", "98"),
    ("102", "101"), ("190", "189"), ("256", "189"), ("1024", "189"), ("hard", "189"),
  ]

  @Test(arguments: 0..<numbers.count, BodyTests.Way.allCases)
  func itIsInheritedAtANumberThatFitsAndNothingElseIs(index: Int, way: BodyTests.Way) throws {
    let (limit, number) = BeaconDescriptorTests.numbers[index]
    try box.subscribe("exec \(try box.program("ls -l /proc/self/fd"))")
    try box.send()
    let command = way == .watch ? "watch --until-empty" : "read stock -- ls -l /proc/self/fd"
    let ended = try box.shell(
      "exec 5< /dev/null 150< /dev/zero || true; ulimit -Sn \(limit); exec post \(command)")
    #expect(ended.code == 0, "\(ended.errors)")
    let links = ended.lines.filter { $0.contains(" -> ") }.map { line in
      let parts = line.split(separator: " -> ", maxSplits: 1)
      return [parts[0].split(separator: " ").last.map(String.init) ?? "", String(parts[1])]
    }
    #expect(
      Set(links.map { $0[0] }) == Set(["0", "1", "2", "3"] + [number].compactMap(\.self)), "\(ended.text)")
    if let number {
      #expect(links.first { $0[0] == number }?.last == "\(box.spool)/mailboxes/stock", "\(ended.text)")
    }
    #expect(box.entries("done").count == 1)
  }

  /// Then the watcher alone shows that the letter is held.
  @Test func withoutRoomForADescriptorTheWatcherHoldsTheLetter() throws {
    try box.subscribe(Sandbox.working)
    let id = try box.send()
    let watcher = try box.start(["/bin/bash", "-c", "ulimit -Sn 16; exec post watch"])
    #expect(box.begun())
    for _ in 1...3 {
      try box.must("sweep")
      #expect(try box.post("read", "stock").code == 1)
    }
    try box.kill(watcher)
    #expect(box.isAlive(box.handler(of: id)))
    #expect(try box.takesBack([id]))
    try box.write("go", "")
  }

  private static let wrappers = [
    "setpriv --reuid=65534 --regid=65534 --clear-groups", "sudo -n -u nobody", "nice", "env",
  ]

  @Test(.needsRoot, arguments: wrappers)
  func aHandlerThatBecomesAnotherHoldsItsLetterWhileItsWatcherLives(wrapper: String) throws {
    guard try box.shell("cd /; \(wrapper) true").code == 0 else { return }  // it is not here
    try box.script("touch begun; chmod 666 begun; chmod 755 .")
    try box.subscribe(
      "exec \(wrapper) sh -c 'echo $$ x >> \(box.root)/begun; until test -e \(box.root)/go; do sleep 0.01; done'"
    )
    let id = try box.send()
    let watcher = try box.startWatcher()
    #expect(box.begun())
    for _ in 1...3 {
      try box.must("sweep")
      #expect(try box.post("read", "stock").code == 1)
    }
    #expect(box.inHands() == ["\(id),A=1"])
    if !wrapper.hasPrefix("sudo") {  // which closes what it did not open
      try box.kill(watcher)
      try box.must("sweep")
      #expect(box.inHands() == ["\(id),A=1"])
    }
    try box.write("go", "")
    #expect(
      try wrapper.hasPrefix("sudo")
        ? eventually { box.counts() == [0, 0, 0, 1, 0] }
        : eventually { try box.post("sweep").code == 0 && box.entries("new") == ["\(id),A=1"] })
  }
}
