// Handlers for the tests of streams, in sh.

extension WatchBox {
  /// What a script begins with: the command `next` reads a letter, and sets $letter $id $file $attempt $body. Each
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
  func stream(_ script: String, _ settings: String..., name: String = "program") throws {
    try subscribe("", as: "stock")
    try configureStream(script, settings, name: name)
  }

  /// Gives the mailbox another streaming handler.
  func configureStream(_ script: String, _ settings: [String] = [], name: String = "program") throws {
    let handler = try program(WatchBox.prelude + script, name)
    try configure(
      "stock", ["Handler: " + handler, "Handler-Mode: stream", "Retry: 10ms..20ms"] + settings)
  }

  var starts: [String] { lines(of: "starts") }
}
