// A handler's environment is the same whether it gets one letter, a batch, or a stream.

import Linux
import TestKit
import Testing

@Suite struct HandlerProcessTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  enum Way: String, CaseIterable, Sendable { case exec, batch, stream }

  /// Runs a script as the handler of two letters.
  /// - Returns: the lines it has left in `$out/seen`, once.
  private func seen(by script: String, _ way: Way, _ settings: String...) throws -> [String] {
    let mode = ["exec": [], "batch": ["Batch: 2"], "stream": ["Handler-Mode: stream"]][way.rawValue] ?? []
    let answers =
      way == .stream
      ? #"; while IFS= read -r letter; do id=${letter#*\"id\":\"}; echo "done ${id%%\"*}"; done"# : ""
    let handler = try office.program("out=$POST_SPOOL/..; { \(script); } > $out/seen" + answers)
    try office.subscribe("true")
    try office.configure("stock", ["Handler: " + handler] + mode + settings)
    try office.sendMany(2)
    #expect(try office.watchUntilEmpty().code == 0)
    #expect(office.counts() == [0, 0, 0, 2, 0])
    return office.lines(of: "seen")
  }

  @Test(arguments: Way.allCases) func itHasThreeDescriptorsAndTheBeacon(way: Way) throws {
    // 3 is what ls opens; 189 is the beacon, far from what scripts use.
    #expect(try seen(by: "ls /proc/self/fd | sort -n", way) == ["0", "1", "2", "3", "189"])
  }

  @Test(arguments: Way.allCases) func itStandsInItsMailbox(way: Way) throws {
    #expect(try seen(by: "/bin/pwd", way) == ["\(office.spool)/mailboxes/stock"])
  }

  @Test(arguments: Way.allCases) func itsSignalsAreAsInAFreshProcess(way: Way) throws {
    // Of a command that it runs: the shell itself blocks signals while it waits.
    let lines = try seen(by: "cat /proc/self/status", way)
    let masks = lines.filter { $0.hasPrefix("Sig") }.map { $0.split(separator: "\t") }
    #expect(masks.contains { $0[0] == "SigBlk:" && UInt64($0[1], radix: 16) == 0 })
    // glibc's own posix_spawn leaves its two internal signals, 32 and 33, ignored.
    for name in ["SigIgn:", "SigCgt:"] {
      let mask = try #require(masks.last { $0[0] == name }.flatMap { UInt64($0[1], radix: 16) })
      #expect(mask & ~0x1_8000_0000 == 0, "\(name) \(lines)")
    }
  }

  @Test(arguments: Way.allCases) func itLeadsAProcessGroup(way: Way) throws {
    #expect(try seen(by: "cut -d' ' -f5 /proc/$$/stat | grep -qx $$ && echo leader", way) == ["leader"])
  }

  @Test(arguments: Way.allCases) func theSettingsSayItsUmask(way: Way) throws {
    let lines = try seen(by: "umask; : > $out/made; stat -c %a $out/made", way, "Umask: 027")
    #expect(lines == ["0027", "640"])
  }

  @Test(arguments: Way.allCases) func withoutASettingItsUmaskIsTheWatchers(way: Way) throws {
    let ours = try office.shell("umask").lines
    #expect(try seen(by: "umask", way) == ours)
  }

  @Test(arguments: Way.allCases) func whatItSaysOnStandardErrorIsRelayed(way: Way) throws {
    let script = try office.program(
      way == .stream
        ? #"echo hello >&2; while IFS= read -r letter; do id=${letter#*\"id\":\"}; echo "done ${id%%\"*}"; done"#
        : "echo hello >&2")
    try office.subscribe("true")
    let mode = ["exec": [], "batch": ["Batch: 2"], "stream": ["Handler-Mode: stream"]][way.rawValue] ?? []
    try office.configure("stock", ["Handler: " + script] + mode)
    try office.send()
    #expect(try office.watchUntilEmpty().errors == "stock: hello\n")
  }
}
