// Handlers in sh: some work until the test lets them end, so that it can see which handler holds which letters;
// others stream.

import Linux
import Testing

extension Sandbox {
  /// Records its process number and its letters' numbers, and works until the file `go` is in the sandbox, a
  /// minute at most.
  package static let working =
    "echo $$ \"$POST_ID\" >> $POST_SPOOL/../begun; n=0; "
    + "until test -e $POST_SPOOL/../go || test $n = 6000; do n=$((n+1)); sleep 0.01; done"

  package func begun(_ count: Int = 1) -> Bool { eventually { lines(of: "begun").count >= count } }

  /// The process of the handler of a letter.
  package func handler(of id: String) -> String {
    let line = lines(of: "begun").last { $0.hasSuffix(" " + id) } ?? "- -"
    return String(line.split(separator: " ")[0])
  }

  /// kill -9, of this process alone, and waits until it is gone.
  package func kill(_ pid: String) throws {
    try signal("KILL", pid)
    #expect(eventually { !isAlive(pid) })
  }

  /// The same, of a watcher; its handlers live on.
  package func kill(_ watcher: Running) throws {
    try signal("KILL", "\(watcher.pid)")
    _ = try watcher.wait()
  }

  /// Sweeps until these letters wait, once tried. What a killed shell started lives on for a moment.
  package func takesBack(_ ids: [String]) throws -> Bool {
    try eventually(within: 10) {
      try must("sweep")
      return entries("new") == ids.map { "\($0),A=1" }
    }
  }
}

extension Sandbox {
  /// The beginning of a script: the command `next` reads a letter, and sets $letter $id $file $attempt $body. Each
  /// start is a line in the file `starts` of the sandbox. The command `await` waits until a file of the sandbox is
  /// there, half a minute at most.
  private static let prelude = #"""
    out=$POST_SPOOL/..
    echo $$ >> $out/starts
    next() {
      IFS= read -r letter || return
      id=${letter#*\"id\":\"} id=${id%%\"*}
      file=${letter#*\"file\":\"} file=${file%%\"*}
      attempt=${letter#*\"attempt\":} attempt=${attempt%%,*}
      offset=${letter#*\"body_offset\":} offset=${offset%%,*}
      body=$(tail -c "+$((offset + 1))" "$file")
    }
    await() { n=0; until test -e $out/$1 || test $n = 3000; do n=$((n + 1)); sleep 0.01; done }

    """#

  /// Makes a mailbox with a streaming handler.
  package func stream(_ script: String, _ settings: String..., name: String = "program") throws {
    try subscribe("", as: "stock")
    try configureStream(script, settings, name: name)
  }

  /// Gives the mailbox another streaming handler.
  package func configureStream(_ script: String, _ settings: [String] = [], name: String = "program") throws {
    let handler = try program(Sandbox.prelude + script, name)
    try configure(
      "stock", ["Handler: " + handler, "Handler-Mode: stream", "Retry: 10ms..20ms"] + settings)
  }

  package var starts: [String] { lines(of: "starts") }
}
