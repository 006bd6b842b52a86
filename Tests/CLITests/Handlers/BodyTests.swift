// What a handler of one letter finds at its standard input: the body, the whole body, and nothing else, in whatever
// way it reads. It should see what the same program sees of a plain file.

import Linux
import TestKit
import Testing

@Suite struct BodyTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.open("stock")
  }

  /// What starts the program: the watcher, or `post read stock -- PROGRAM`.
  enum Way: CaseIterable, Sendable { case watch, read }

  struct Program: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let script: String
    init(_ name: String, _ script: String? = nil) {
      testDescription = name
      self.script = script ?? name
    }
    static func python(_ name: String, _ code: String) -> Program {
      Program("python " + name, "exec python3 -c '\nimport mmap, os, sys\nout = sys.stdout.buffer\n\(code)'")
    }
  }

  private static let shell = [
    Program("cat"), Program("cat /dev/stdin"), Program("cat /proc/self/fd/0"), Program("cat <&0"),
    Program("read and cat", "IFS= read -r line; printf '%s|' \"$line\"; cat"),
    Program("tail -c 4"), Program("tail -c 4 /dev/stdin"), Program("tail -c +3"), Program("tac"),
    Program("wc -c < /dev/stdin, twice", "wc -c < /dev/stdin; wc -c < /dev/stdin; wc -c"),
    Program("cat what was read before", "cat > /dev/null; cat; echo; cat /dev/stdin"),
    Program("dd with a seek", "dd bs=1 skip=2 2> /dev/null"),
    Program("stat", "stat -L -c %s /dev/stdin; stat -L -c %F /dev/stdin"),
    Program("test -s", "test -s /dev/stdin && echo something; test -f /dev/stdin && echo a file"),
    Program(
      "cp",
      "cp /dev/stdin ${TMPDIR:-/tmp}/post-copy.$$; cat ${TMPDIR:-/tmp}/post-copy.$$; rm ${TMPDIR:-/tmp}/post-copy.$$"
    ),
    Program("its offset", "grep ^pos: /proc/self/fdinfo/0"),
  ]
  private static let python: [Program] = [
    .python("pread", "out.write(os.pread(0, 1 << 24, 0)); out.write(os.pread(0, 3, 1))"),
    .python(
      "mmap", "out.write(mmap.mmap(0, 0, prot=mmap.PROT_READ)[:] if os.fstat(0).st_size else b\"empty\")"),
    .python(
      "mmap, private",
      "out.write(mmap.mmap(0, 0, flags=mmap.MAP_PRIVATE)[:] if os.fstat(0).st_size else b\"\")"),
    .python(
      "lseek to the end and back",
      "print(os.lseek(0, 0, 2), os.lseek(0, 0, 0), flush=True); out.write(os.read(0, 9))"),
    .python("fstat", "print(os.fstat(0).st_size)"),
    .python("open", "out.write(open(\"/dev/stdin\", \"rb\").read()); out.write(sys.stdin.buffer.read())"),
    .python("sendfile", "r, w = os.pipe(); print(os.sendfile(w, 0, 0, 5))"),
  ]
  private static let node = [
    Program(
      "node readFileSync", "exec node -e \"process.stdout.write(require('fs').readFileSync('/dev/stdin'))\""),
    Program("node readFileSync(0)", "exec node -e \"process.stdout.write(require('fs').readFileSync(0))\""),
    Program("node stream", "exec node -e \"process.stdin.pipe(process.stdout)\""),
  ]

  static let bodies: [String: [UInt8]] = [
    "empty": [], "a line": Array("4711\n".utf8), "like a header": Array("Subject: x\n\nbody\n".utf8),
    "binary": (0...1023).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) },
    "more than 1 MiB": large(1 << 20 + 1),
  ]

  static func large(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 11) | 1 }
  }

  /// Gives the letter that waits to a program.
  /// - Returns: what the program printed.
  private func output(of script: String, _ way: Way, isQuiet: Bool = true) throws -> [UInt8] {
    try box.write("program.sh", "#!/bin/bash\ncd \(box.root)\n\(script)\n")
    try box.write(
      "spool/mailboxes/stock/mailbox.conf", "Handler: \(box.root)/program.sh\nRetry: 1ms..1ms\n")
    let words: [Path] =
      switch way {
      case .watch: ["watch", "--until-empty"]
      case .read: ["read", "stock", "--", box.root / "program.sh"]
      }
    let ended = try box.run([Sandbox.binary] + words)
    if isQuiet { #expect(ended.code == 0 && ended.errors == "", "exit \(ended.code): \(ended.errors)") }
    return ended.output
  }

  private func expectSame(_ program: Program, _ way: Way) throws {
    for (name, body) in BodyTests.bodies.sorted(by: { $0.value.count < $1.value.count }) {
      try box.write("program.sh", "#!/bin/bash\ncd \(box.root)\n\(program.script)\n")
      let plain = try box.printed(by: "./program.sh < body", body)
      #expect(try box.post("send", "orders", input: body).code == 0)
      let seen = try output(of: program.script, way)
      #expect(isSame(seen, plain), "\(name): \(seen.count) bytes, where a plain file gives \(plain.count)")
      try #require(box.entries("done").count == 1, "\(name)")
      try box.script("rm spool/mailboxes/stock/done/*")
    }
  }

  @Test(arguments: Seeded.each(of: shell, in: Way.allCases))
  func aShellSeesThePlainBody(program: Program, way: Way) throws { try expectSame(program, way) }

  @Test(.needsPython, arguments: Seeded.each(of: python, in: Way.allCases))
  func pythonSeesThePlainBody(program: Program, way: Way) throws { try expectSame(program, way) }

  @Test(.needsGit, arguments: Way.allCases) func gitHashesThePlainBody(way: Way) throws {
    try expectSame(Program("git hash-object --stdin"), way)
    try expectSame(Program("git hash-object /dev/stdin"), way)
  }

  @Test(.needsNode, arguments: Seeded.each(of: node, in: Way.allCases))
  func nodeSeesThePlainBody(program: Program, way: Way) throws { try expectSame(program, way) }

  // MARK: Foreign letters

  @Test(
    arguments: [
      ("Subject: s\n\nbody\n", "body\n"), ("Subject: s\n\n", ""), ("Subject: s\nX: y\n\n\nb", "\nb"),
      ("no headers\nat all", "no headers\nat all"), ("Subject: s\r\n\r\nbody\r\n", "body\r\n"),
    ], Way.allCases)
  func theBodyOfAForeignLetterIsAllThatIsThere(letter: (text: String, body: String), way: Way) throws {
    try box.write("spool/topics/orders/new/1795765752.4242_1.shop", letter.text)
    try box.must("sweep")
    let seen = try output(of: "cat /dev/stdin; echo; cat; stat -L -c %s /dev/stdin", way)
    let size = letter.body.utf8.count
    #expect(String(decoding: seen, as: UTF8.self) == "\(letter.body)\n\(letter.body)\(size)\n")
  }

  @Test(arguments: ["", "Subject: large\n\n"], Way.allCases)
  func soIsThatOfALargeOne(header: String, way: Way) throws {
    let body = BodyTests.large(3_000_000)
    _ = try box.run(
      ["/bin/sh", "-c", "cat > spool/topics/orders/new/1795765752.4242_1.shop"],
      input: Array(header.utf8) + body)
    try box.must("sweep")
    #expect(isSame(try output(of: "cat /dev/stdin", way), body))
  }

  // MARK: No handler may write there

  private static let vandals = [
    "echo spoiled > /dev/stdin", "echo spoiled >> /dev/stdin", "echo spoiled >&0",

    "truncate -s 0 /dev/stdin", "chmod 777 /dev/stdin", "touch -d yesterday /dev/stdin",
    "chown 1:1 /dev/stdin",
    "setfattr -n user.x -v y /dev/stdin", "dd if=/dev/zero of=/dev/stdin bs=1 count=9 conv=notrunc",
    "python3 -c 'import os; os.ftruncate(0, 0)'", "python3 -c 'import os; os.fchmod(0, 0o777)'",
    "python3 -c 'import os; os.pwrite(0, b\"spoiled\", 0)'",
    "python3 -c 'import mmap; mmap.mmap(0, 1)[0] = 1'",
  ]

  @Test(arguments: [100, 2_000_000], Way.allCases)
  func whatAHandlerDoesToItsInputIsNotDoneToTheLetter(size: Int, way: Way) throws {
    let body = BodyTests.large(size)
    #expect(try box.post("send", "orders", input: body).code == 0)
    let look =
      "cd $POST_SPOOL/topics/orders/cur; stat -c '%a %u %g %s %Y' *; sha256sum *; getfattr -d * 2> /dev/null || true"
    let before = try box.script(look)
    let script = BodyTests.vandals.map { "{ \($0); } > /dev/null 2>&1" }.joined(separator: "\n")
    var seen = try output(of: "test $POST_ATTEMPT = 2 && exec cat\n\(script)\nexit 1", way, isQuiet: false)
    if way == .read { seen = try box.post("read", "stock", "--wait=30s", "--", "cat").output }
    #expect(isSame(seen, body))
    #expect(try box.script(look) == before)
    #expect(box.entries("done").first?.contains(",A=2,") == true)
  }

  /// Root's watcher, and a handler that becomes another user.
  @Test(.needsOtherUser, arguments: [10, 2_000_000], Way.allCases)
  func aHandlerThatBecomesAnotherUserMayReopenIt(size: Int, way: Way) throws {
    let body = BodyTests.large(size)
    #expect(try box.post("send", "orders", input: body).code == 0)
    #expect(isSame(try output(of: "cd /; exec \(Machine.asNobody) cat /dev/stdin", way), body))
  }

  // MARK: Handlers of several letters

  @Test func aBatchReadsNothing() throws {
    try box.must("send", "orders", "-m", "a")
    try box.write(
      "spool/mailboxes/stock/mailbox.conf", "Handler: readlink /proc/self/fd/0; wc -c; true\nBatch: 2\n")
    #expect(try box.must("watch", "--until-empty").split(separator: "\n") == ["/dev/null", "0"])
    try box.must("send", "orders", "-m", "a")
    let read = try box.must("read", "stock", "--batch", "2", "--", "sh", "-c", "readlink /proc/self/fd/0")
    #expect(read == "/dev/null\n")
  }

  @Test func aStreamReadsAPipe() throws {
    try box.must("send", "orders", "-m", "a")
    try box.write(
      "handler.sh",
      #"#!/bin/sh\#nreadlink /proc/self/fd/0 > $POST_SPOOL/../input; while read -r l; do l=${l#*\"id\":\"}; echo "done ${l%%\"*}"; done"#
    )
    try box.write(
      "spool/mailboxes/stock/mailbox.conf", "Handler: \(box.root)/handler.sh\nHandler-Mode: stream\n")
    try box.must("watch", "--until-empty")
    #expect(try box.read("input").hasPrefix("pipe:["))
    #expect(box.entries("done").count == 1)
  }
}

/// Not by the macro: for megabytes, it would take hours to compute a difference.
private func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool { one == other }

extension Sandbox {
  /// What a script prints that finds a body in the file `body`.
  fileprivate func printed(by script: String, _ body: [UInt8]) throws -> [UInt8] {
    _ = try run(["/bin/sh", "-c", "cat > body"], input: body)
    return try shell(script).output
  }
}

extension Trait where Self == ConditionTrait {
  fileprivate static var needsGit: Self { .enabled(if: has("git --version"), "git is not here") }
  fileprivate static var needsNode: Self { .enabled(if: has("node --version"), "node is not here") }
  private static func has(_ script: String) -> Bool { (try? Sandbox().shell(script).code) == 0 }
}
