// What the tests of the command line share: short ways to call it, and what this machine supports.

import Linux
import Testing

extension Sandbox {
  /// Runs `post`, which must succeed.
  /// - Returns: what it printed.
  @discardableResult
  package func must(
    _ words: String..., input: String = "", at location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let ended = try run([Sandbox.binary] + words.map { Path($0) }, input: Array(input.utf8))
    #expect(ended.code == 0, "post \(words) said \(ended.errors)", sourceLocation: location)
    return ended.text
  }

  /// Runs a script, which must succeed; it stops at the first command that does not.
  /// - Returns: what it printed.
  @discardableResult
  package func script(_ text: String, at location: SourceLocation = #_sourceLocation) throws -> String {
    let ended = try shell("set -euo pipefail\n" + text)
    #expect(ended.code == 0, "exit \(ended.code): \(ended.errors)", sourceLocation: location)
    return ended.text
  }

  /// Subscribes each mailbox to the topic `orders`.
  package func open(_ mailboxes: String..., at location: SourceLocation = #_sourceLocation) throws {
    for mailbox in mailboxes { try must("subscribe", mailbox, "orders", at: location) }
  }

  /// The file names in one place of a mailbox: what lies in bags first.
  package func entries(_ place: String, of mailbox: String = "stock") -> [String] {
    letters(in: "spool/mailboxes/\(mailbox)/\(place)").map(\.name)
  }

  /// The file names in one place of the topic `orders`: what lies in bags first.
  package func topicEntries(_ place: String) -> [String] {
    letters(in: "spool/topics/orders/\(place)").map(\.name)
  }

  /// Whether a file of the sandbox exists.
  package func exists(_ name: String) -> Bool { (try? Directory(root).exists(Path(name))) == true }
}

extension Running {
  /// Whether it waits for an event: it is in a system call that says what it waits for.
  package var sleepsInPoll: Bool {
    guard let call = try? File(Path("/proc/\(pid)/syscall"), .read).readAll(limit: 100) else { return false }
    // poll is 7 and ppoll 271 on x86_64; ppoll is 73 elsewhere.
    return ["7 ", "271 ", "73 "].contains { String(decoding: call, as: UTF8.self).hasPrefix($0) }
  }
}

/// What this machine lets a test do. Each is tried once, not guessed.
package enum Machine {
  package static let canTrace = succeeds("strace -o /dev/null -e inject=linkat:error=EMLINK true")
  /// Whether ptrace(2) is allowed: some containers forbid it.
  package static let canControl = (try? Traced(Sandbox(), ["/bin/true"]).wait().code) == 0
  package static let hasPython = succeeds("python3 -c 'import mailbox, json'")
  package static let hasMutt = succeeds("mutt -v && script --version")
  /// Needs root, setpriv, and a build directory that another user may enter.
  package static let canSwitchUser = succeeds("\(asNobody) post --version && test $(id -u) = 0")
  /// Needs root, and a kernel that lets it have process numbers and host names of its own.
  package static let canIsolate = succeeds("unshare -p -m -u -f --mount-proc sh -c 'hostname elsewhere'")
  package static let hasOtherFileSystem = succeeds(
    "test -w /dev/shm && test $(stat -c %d /dev/shm) != $(stat -c %d .)")
  package static let isRoot = succeeds("test $(id -u) = 0")
  /// Needs a kernel that counts the watches of each user namespace.
  package static let canLimitWatches = succeeds("unshare -Ur sh -c '\(fewWatches(3))'")
  package static let canOverlay = succeeds(
    """
    mkdir lower upper work merged && unshare -m mount -t overlay overlay \
      -o lowerdir=lower,upperdir=upper,workdir=work merged
    """)
  /// Needs a file system that never makes a directory smaller, such as ext4.
  package static let canSwell =
    (try? {
      let box = try Sandbox()
      try box.swell("spool")
      return try Directory(box.root).status("spool").size > 64 << 10
    }()) == true
  package static let hasMake = succeeds("make --version")
  package static let hasFlock = succeeds("flock --version")
  package static let hasShellcheck = succeeds("shellcheck --version")
  package static let hasMandoc = succeeds("echo .Dd today | mandoc -T ascii")
  /// Its tools, which need not have started this machine; and kill, which the units call.
  package static let hasSystemd = succeeds(
    "for tool in analyze sysusers tmpfiles; do systemd-$tool --version || exit; done; test -x /bin/kill")

  /// Runs the next words as a user that owns nothing.
  package static let asNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"

  /// In a user namespace of one's own: allows so many watches of inotify(7).
  package static func fewWatches(_ count: Int) -> String {
    "echo \(count) > /proc/sys/user/max_inotify_watches"
  }

  private static func succeeds(_ script: String) -> Bool {
    (try? Sandbox().shell(script).code) == 0
  }
}

extension Trait where Self == ConditionTrait {
  package static var needsStrace: Self { .enabled(if: Machine.canTrace, "strace cannot trace here") }
  package static var needsPtrace: Self { .enabled(if: Machine.canControl, "ptrace is not allowed here") }
  package static var needsPython: Self { .enabled(if: Machine.hasPython, "python3 is not here") }
  package static var needsMutt: Self { .enabled(if: Machine.hasMutt, "mutt or script is not here") }
  package static var needsOtherUser: Self {
    .enabled(if: Machine.canSwitchUser, "cannot become another user: not root, or the build is out of reach")
  }
  package static var needsNamespaces: Self {
    .enabled(if: Machine.canIsolate, "unshare is not allowed here")
  }
  package static var needsOtherFileSystem: Self {
    .enabled(if: Machine.hasOtherFileSystem, "/dev/shm is no other file system")
  }
  package static var needsFewWatches: Self {
    .enabled(if: Machine.canLimitWatches, "a user namespace cannot limit its watches here")
  }
  package static var needsOverlay: Self {
    .enabled(if: Machine.canOverlay, "an overlay cannot be mounted here")
  }
  package static var needsRoot: Self { .enabled(if: Machine.isRoot, "we are not root") }
  package static var needsSwelling: Self {
    .enabled(if: Machine.canSwell, "directories do not stay large here")
  }
  package static var needsMake: Self { .enabled(if: Machine.hasMake, "make is not here") }
  package static var needsFlock: Self { .enabled(if: Machine.hasFlock, "flock is not here") }
  package static var needsShellcheck: Self { .enabled(if: Machine.hasShellcheck, "shellcheck is not here") }
  package static var needsMandoc: Self { .enabled(if: Machine.hasMandoc, "mandoc is not here") }
  package static var needsSystemd: Self { .enabled(if: Machine.hasSystemd, "systemd's tools are not here") }
}
