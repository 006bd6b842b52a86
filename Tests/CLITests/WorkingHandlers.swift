// Handlers that work until they are told to end: who holds which letters can be looked at meanwhile.

import Linux
import TestKit
import Testing

extension WatchBox {
  /// Writes down its process number and its letters' numbers, and works until the file `go` is in the sandbox, a
  /// minute at most.
  static let working =
    "echo $$ \"$POST_ID\" >> $POST_SPOOL/../begun; n=0; "
    + "until test -e $POST_SPOOL/../go || test $n = 6000; do n=$((n+1)); sleep 0.01; done"

  func begun(_ count: Int = 1) -> Bool { eventually { lines(of: "begun").count >= count } }

  /// The process of the handler of a letter.
  func handler(of id: String) -> String {
    let line = lines(of: "begun").last { $0.hasSuffix(" " + id) } ?? "- -"
    return String(line.split(separator: " ")[0])
  }

  /// kill -9, of this process alone, and waits until it is gone.
  func kill(_ pid: String) throws {
    try signal("KILL", pid)
    #expect(eventually { !isAlive(pid) })
  }

  /// The same, of a watcher; its handlers live on.
  func kill(_ watcher: Running) throws {
    try signal("KILL", "\(watcher.pid)")
    _ = try watcher.wait()
  }

  /// Sweeps until these letters wait, once tried. What a killed shell started lives on for a moment.
  func takesBack(_ ids: [String]) throws -> Bool {
    try eventually(within: 10) {
      try box.must("sweep")
      return box.entries("new") == ids.map { "\($0),A=1" }
    }
  }
}
