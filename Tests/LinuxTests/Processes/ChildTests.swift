// Child processes: how they begin, how they end, and what they inherit.

import Linux
import TestKit
import Testing

@Suite struct ChildTests {
  let box: Sandbox
  let environment: [Path] = ["PATH=/usr/bin:/bin", "LC_ALL=C"]

  init() throws { box = try Sandbox() }

  /// Runs a script of sh and returns how it ended and what it printed.
  private func run(_ script: String, input: String = "") throws -> (exit: Child.Exit, text: String) {
    let stdin = try File.inMemory()
    try stdin.write(input)
    try stdin.seek(to: 0)
    let output = try File.inMemory()
    let child = try Child(
      ["/bin/sh", "-c", Path(script)], environment: environment, input: stdin.descriptor,
      output: .descriptor(output.descriptor), errors: .descriptor(output.descriptor), folder: box.root)
    #expect(try waitReadable([child.endDescriptor], atMost: 30_000_000_000) == [true])
    let exit = try child.reap()
    try output.seek(to: 0)
    return (exit, String(decoding: try output.readAll(limit: 1 << 20), as: UTF8.self))
  }

  @Test(arguments: [0, 1, 65, 127, 255] as [Int32]) func exitCodes(code: Int32) throws {
    #expect(try run("exit \(code)").exit == .code(code))
  }

  @Test(arguments: [1, 9, 11, 15] as [Int32]) func signals(number: Int32) throws {
    #expect(try run("ulimit -c 0; kill -\(number) $$").exit == .signal(number))
  }

  @Test func inputOutputFolderAndEnvironmentAreThoseGiven() throws {
    let (exit, text) = try run(
      "cat; pwd; env | grep -v ^PWD= | grep -v ^_= | sort; echo err >&2", input: "in\n")
    #expect(exit == .code(0))
    #expect(text == "in\n\(box.root)\nLC_ALL=C\nPATH=/usr/bin:/bin\nerr\n" || text.contains("OLDPWD"))
  }

  @Test func noDescriptorLeaks() throws {
    let unrelated = try File("/dev/zero", .readFollowing)
    #expect(try run("exec ls /proc/self/fd").text == "0\n1\n2\n3\n")
    #expect(unrelated.descriptor > 2)
  }

  @Test func noSignalIsBlockedOrIgnored() throws {
    let lines = try run("grep -E '^Sig(Blk|Ign)' /proc/self/status").text.split(separator: "\n")
    #expect(lines.count == 2)
    // glibc's own posix_spawn leaves its two internal signals, 32 and 33, ignored.
    for line in lines {
      let mask = try #require(UInt64(line.split(separator: "\t")[1], radix: 16))
      #expect(mask & ~0x1_8000_0000 == 0)
    }
  }

  @Test func aMissingProgramIsAnErrorAtOnce() throws {
    let nothing = try File("/dev/null", .readFollowing)
    #expect(throws: Errno.noEntry) {
      _ = try Child(["/no/such/program"], environment: environment, input: nothing.descriptor)
    }
    #expect(throws: Errno.noEntry) {
      _ = try Child(["no-such-program"], environment: environment, input: nothing.descriptor)
    }
    let file = try box.write("not-executable", "x")
    #expect(throws: Errno.denied) {
      _ = try Child([file], environment: environment, input: nothing.descriptor)
    }
    #expect(throws: Errno.noEntry) {
      _ = try Child(
        ["true"], environment: environment, input: nothing.descriptor, folder: box.root / "missing")
    }
  }

  @Test func aSignalReachesAllThatTheChildStarted() throws {
    let nothing = try File("/dev/null", .readFollowing)
    let child = try Child(
      ["/bin/sh", "-c", "sleep 600 & echo $! > pid; mv pid started; wait"], environment: environment,
      input: nothing.descriptor, folder: box.root)
    #expect(eventually { box.names(in: ".").contains("started") })
    #expect(try !child.hasEnded())
    let pid = try box.read("started").filter(\.isNumber)
    child.signal(.kill)
    #expect(try waitReadable([child.endDescriptor], atMost: 30_000_000_000) == [true])
    #expect(try child.hasEnded())
    #expect(try child.reap() == .signal(9))
    #expect(
      eventually {
        guard let file = try? File(Path("/proc/\(pid)/stat"), .readFollowing),
          let text = try? file.readAll(limit: 4096)
        else { return true }
        return String(decoding: text, as: UTF8.self).contains(") Z ")
      })
  }

  @Test func whatAProgramPrints() throws {
    #expect(try Child.output(of: ["printf", "%s", "a b"]) == "a b")
    #expect(try Child.output(of: ["false"]) == "")
  }
}
