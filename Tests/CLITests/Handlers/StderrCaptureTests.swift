// What handlers write to standard error, in all the ways in which programs do: no way fails, the last lines
// are in the letter's note and in the watcher's own message, and nothing grows without bound.

import Linux
import TestKit
import Testing

@Suite struct StderrCaptureTests {
  let office: Sandbox

  init() throws { office = try Sandbox() }

  typealias Way = HandlerProcessTests.Way

  /// Ways to write `$1`. All are run with `set -e`.
  private static let ways: [String] = [
    "echo \"$1\" >&2", "echo \"$1\" > /dev/stderr", "echo \"$1\" >> /dev/stderr",
    "echo \"$1\" > /proc/self/fd/2",
    "echo \"$1\" | tee /dev/stderr > /dev/null", "echo \"$1\" | tee -a /dev/stderr > /dev/null",
    "exec 3> /dev/stderr; echo \"$1\" >&3; exec 3>&-", "(exec 2> /dev/stderr; echo \"$1\" >&2)",
    "sh -c 'echo \"$0\" >&2' \"$1\"", "awk -v a=\"$1\" 'BEGIN { print a > \"/dev/stderr\" }'",
    "dd of=/dev/stderr status=none <<< \"$1\"", "printf '%s\\n' \"$1\" | cat > /dev/stderr",
  ]

  /// A script whose handler fails at once, after it has written its lines.
  /// - Returns: the letter's note, and the watcher's standard error.
  private func said(by script: String, _ way: Way) throws -> (note: String, errors: String) {
    let last = ["exec": "exit 100", "batch": "exit 100"][way.rawValue] ?? ""
    let stream =
      #"IFS= read -r l; id=${l#*\"id\":\"} id=${id%%\"*}; speak; echo "fail $id said"; while read -r l; do :; done"#
    let program =
      "#!/bin/bash\nset -e\nspeak() { \(script)\n}\n" + (way == .stream ? stream : "speak; \(last)")
    try office.write("speaker.sh", program + "\n")
    let mode = ["exec": [], "batch": ["Batch: 2"], "stream": ["Handler-Mode: stream"]][way.rawValue] ?? []
    try office.subscribe("unused")
    try office.configure("stock", ["Handler: exec \(office.root)/speaker.sh", "Tries: 1"] + mode)
    let id = try office.send()
    let watched = try office.watchUntilEmpty()
    #expect(office.counts() == [0, 0, 0, 0, 1])
    return (try office.note(id), watched.errors)
  }

  @Test(arguments: Seeded.each(of: Array(0..<ways.count), in: Way.allCases))
  func whateverWayItIsSaidItIsHeard(number: Int, way: Way) throws {
    let speak = StderrCaptureTests.ways[number]
    let (note, errors) = try said(by: "set -- hello; \(speak)", way)
    let reason = way == .stream ? "said" : "exit 100"
    #expect(note.contains(reason), "it was not the script's own end: \(note)")
    #expect(note.hasSuffix("    hello\n"), "\(note)")
    #expect(errors.contains("stock: hello\n"), "\(errors)")
    #expect(!note.utf8.contains(0) && !errors.utf8.contains(0))
  }

  /// One way after the other: the first lines may be lost, the last may not.
  @Test(arguments: Way.allCases) func whatIsSaidLastIsHeardWhateverWasSaidBefore(way: Way) throws {
    var script = ""
    for (number, speak) in StderrCaptureTests.ways.enumerated() {
      script += "set -- before-\(number); echo \"$1\" >&2\nset -- way-\(number); \(speak)\n"
    }
    script += "echo one >&2; echo two > /dev/stderr; echo three >&2; echo the end >> /dev/stderr"
    let (note, errors) = try said(by: script, way)
    #expect(note.hasSuffix("    two\n    three\n    the end\n"), "\(note)")
    #expect(errors.contains("stock: two\nstock: three\nstock: the end\n"), "\(errors)")
    #expect(!note.utf8.contains(0) && !errors.utf8.contains(0))
  }

  /// A second open file has its own position, at the beginning. (So of more than a note holds, that is not the end.)
  @Test(arguments: [100, 30_000], Way.allCases)
  func whatIsSaidLastThroughAnotherOpenFileIsHeard(before: Int, way: Way) throws {
    let (note, errors) = try said(
      by: "exec 3> /dev/stderr; yes filler | head -c \(before) >&2; echo the end >&3", way)
    #expect(note.contains("the end"), "\(note.suffix(200))")
    #expect(errors.contains("the end"), "\(errors.suffix(200))")
    #expect(!note.utf8.contains(0) && !errors.utf8.contains(0))
  }

  private static let floods = [
    "yes 'a line of filler that is said again and again' | head -c 80000000 >&2",
    "yes 'a line of filler that is said again and again' | head -c 80000000 > /dev/stderr",
    "yes 'a line of filler that is said again and again' | head -c 80000000 | tee -a /dev/stderr > /dev/null",
    "exec 3> /dev/stderr; yes 'a line of filler' | head -c 80000000 >&3",
  ]

  @Test(arguments: floods.map { ($0, Way.exec) } + [(floods[0], .batch), (floods[1], .stream)])
  func eightyMegabytesFailNoHandler(flood: String, way: Way) throws {
    let (note, errors) = try said(by: "{ \(flood); }; echo >> /dev/stderr; echo the end >> /dev/stderr", way)
    #expect(note.contains(way == .stream ? "said" : "exit 100"))
    #expect(note.hasSuffix("    the end\n"), "\(note.suffix(200))")
    #expect(errors.hasSuffix("stock: the end\n") || errors.contains("stock: the end\n"))
    #expect(note.utf8.count < 256 << 10 && errors.utf8.count < 1 << 20)
    #expect(!note.utf8.contains(0) && !errors.utf8.contains(0))
  }

  @Test func noBytesOfZeroAreWrittenDownThatNobodySaid() throws {
    // Behind what was cut off, a position of its own leaves a hole.
    let (note, errors) = try said(
      by: "exec 3> /dev/stderr; yes filler | head -c 100000 >&3; : > /dev/stderr; echo the end >&3", .exec)
    #expect(note.contains("the end") && errors.contains("the end"))
    #expect(!note.utf8.contains(0) && !errors.utf8.contains(0))
  }

  // MARK: Bounds

  /// The memory that all files without a disk take, as the kernel counts it for a process: what it has mapped, and the
  /// pages of its open memfds.
  private func memory(of pid: Int32) throws -> Int {
    let blocks = try office.script(
      "for fd in /proc/\(pid)/fd/*; do case $(readlink $fd) in /memfd:*) stat -L -c %b $fd;; esac; done || true"
    )
    let resident = try office.script("awk '/^VmRSS/ { print $2 }' /proc/\(pid)/status")
    let files = blocks.split(separator: "\n").compactMap { Int($0) }.reduce(0, +) / 2
    return files + (Int(resident.filter(\.isNumber)) ?? 0)
  }

  private func box(_ name: String) throws -> Int { try office.read(name).utf8.count }

  /// Kilobytes. While the watcher lives, it keeps this much of a handler's standard error, and no more.
  @Test(arguments: Seeded.some(1, of: [Way.exec, .stream])) func aHandlerThatTalksForeverTakesLittleMemory(
    way: Way
  ) throws {
    let talk = "while :; do yes filler | head -c 2000000 >&2; echo >> $POST_SPOOL/../rounds; sleep 0.01; done"
    let mode = way == .stream ? ["Handler-Mode: stream"] : []
    try office.subscribe("unused")
    let script = try office.program(way == .stream ? "read -r l; \(talk)" : talk)
    try office.configure("stock", ["Handler: exec \(script)"] + mode)
    try office.send()
    let watcher = try office.startWatcher()
    var most = 0
    _ = try eventually {
      most = max(most, try memory(of: watcher.pid))
      return (try? box("rounds")) ?? 0 > 200
    }
    #expect(try box("rounds") > 100, "the handler has not said much")
    #expect(!watcher.hasEnded)
    #expect(most < 400_000, "\(most) kB")
    // It comes down again once the flood has ended.
    watcher.kill(.terminate)
    watcher.kill(.terminate)
    _ = try watcher.wait(atMost: 30)
  }

  @Test func aNoteDoesNotGrowWithoutBoundOverManyTries() throws {
    try office.subscribe(
      "yes \"filler of attempt $POST_ATTEMPT\" | head -c 9000 >&2; echo >&2; echo \"last words $POST_ATTEMPT\" >&2; exit 1",
      "Tries: 300")
    try office.configure(
      "stock",
      [
        "Handler: yes \"filler of attempt $POST_ATTEMPT\" | head -c 9000 >&2; echo >&2; echo \"last words $POST_ATTEMPT\" >&2; exit 1",
        "Tries: 300", "Retry: 1ms..1ms",
      ])
    let id = try office.send()
    let watched = try office.startPost("watch", "--until-empty").wait(atMost: 120)
    #expect(watched.code == 0)
    #expect(office.entries("failed") == ["\(id),A=300"])
    let note = try office.note(id)
    #expect(note.utf8.count <= 512 << 10, "\(note.utf8.count) bytes")
    #expect(note.hasSuffix("    last words 300\n"), "\(note.suffix(100))")
    for attempt in [298, 299, 300] { #expect(note.contains("attempt \(attempt) of 300: "), "\(attempt)") }
    #expect(
      note.split(separator: "\n").allSatisfy {
        $0.first?.isNumber == true || $0.hasPrefix("    ") || $0.hasPrefix("(") || $0.hasPrefix("...")
      })
    #expect(note.ranges(of: "left out").count == 1, "said once")
    #expect(!note.utf8.contains(0))
  }

  /// A handler that outlives its watcher goes on writing, and does not die of it.
  @Test func aHandlerWhoseWatcherWasKilledMaySpeakOn() throws {
    try office.subscribe(
      try office.program(
        "set -e; out=$POST_SPOOL/..; echo > $out/begun; n=0; "
          + "until test -e $out/go || test $n = 3000; do n=$((n + 1)); sleep 0.01; done; "
          + "echo a >&2; echo b > /dev/stderr; yes | head -c 2000000 >&2; echo > $out/well"))
    try office.send()
    let watcher = try office.startWatcher()
    #expect(eventually { office.exists("begun") })
    try office.signal("KILL", "\(watcher.pid)")
    _ = try watcher.wait()
    try office.write("go", "")
    #expect(eventually { office.exists("well") })
  }
}
