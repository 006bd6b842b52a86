// A small file system to fill to the brim. It is mounted in a mount namespace of its own, which a keeper
// process holds open: no other process sees it, and when the keeper ends, however this test process ends, the
// kernel unmounts it and detaches its loop device.

import Linux
import TestKit
import Testing

/// A small file system, gone with the test.
final class SmallDisk: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case tmpfs, ext4, btrfs

    /// The script that mounts one on `disk`, in the current directory.
    func mount(inodes: Int, megabytes: Int? = nil) -> String {
      switch self {
      case .tmpfs: "mount -t tmpfs -o size=\(megabytes ?? 4)M,nr_inodes=\(inodes) tmpfs disk"
      // Small blocks: a directory fills one with a dozen letters. No block is kept for root.
      case .ext4:
        "truncate -s \(megabytes ?? 6)M image; mkfs.ext4 -q -F -m 0 -b 1024 -N \(inodes) image; mount -o loop image disk"
      case .btrfs: "truncate -s \(megabytes ?? 128)M image; mkfs.btrfs -q image; mount -o loop image disk"
      }
    }

    /// Whether this machine can mount one. Tried, not guessed.
    var isPossible: Bool { Kind.possible.contains(self) }
    private static let possible = Set(allCases.filter { (try? SmallDisk($0)) != nil })
  }

  /// What a disk can be out of.
  enum Fill: String, CaseIterable, Sendable { case bytes, inodes }

  let kind: Kind
  let box: Sandbox
  private let keeper: Keeper

  /// Its methods are called by one test at a time.
  private final class Keeper: @unchecked Sendable {
    let running: Running
    init(_ running: Running) { self.running = running }
  }

  /// - Parameters:
  ///   - inodes: how many, about; btrfs makes them as it needs them.
  ///   - megabytes: its size; nil: as small as it can well be.
  init(_ kind: Kind, inodes: Int = 400, megabytes: Int? = nil) throws {
    self.kind = kind
    box = try Sandbox()
    let script = """
      set -e; mkdir disk; \(kind.mount(inodes: inodes, megabytes: megabytes)); touch mounted
      exec {never}<> <(:)  # to wait without a child that would hold the mount, too
      while test -d /proc/\(Host.processID) -a -d disk; do read -t 1 -u $never || true; done
      for one in /proc/[1-9]*; do  # any other process that holds the mount
        if test $one/ns/mnt -ef /proc/self/ns/mnt -a ${one#/proc/} != $$; then kill -KILL ${one#/proc/}; fi
      done
      """
    keeper = Keeper(
      try box.start(["unshare", "--mount", "--propagation", "private", "/bin/bash", "-c", Path(script)]))
    let (box, running) = (box, keeper.running)
    guard eventually({ box.exists("mounted") || running.hasEnded }), box.exists("mounted") else {
      throw Failure("cannot mount \(kind): \(running.errorsSoFar)")
    }
    try Directory(box.root).remove("mounted")
  }

  /// Its top directory, as this process sees it.
  var top: Path { Path("/proc/\(keeper.running.pid)/root") / Path(box.root.bytes.dropFirst()) / "disk" }

  /// Starts a program that sees the disk; the spool is on it, unless `environment` says otherwise.
  func start(_ words: [Path], environment: [String: String] = [:]) throws -> Running {
    try box.start(
      ["nsenter", Path("--mount=/proc/\(keeper.running.pid)/ns/mnt"), Path("--wdns=\(box.root)")] + words,
      environment: ["POST_SPOOL": "\(box.root)/disk/spool"].merging(environment) { $1 })
  }

  /// Runs a script that sees the disk, as `disk` in the current directory.
  func shell(_ script: String) throws -> Sandbox.Run {
    try start(["/bin/bash", "-c", Path(script)]).wait()
  }

  /// Runs a script that must succeed; it stops at the first command that does not.
  @discardableResult
  func script(_ text: String, at location: SourceLocation = #_sourceLocation) throws -> String {
    let ended = try shell("set -euo pipefail\n" + text)
    #expect(ended.code == 0, "exit \(ended.code): \(ended.errors)", sourceLocation: location)
    return ended.text
  }

  /// The names in a directory of the disk, in order; a missing one has none.
  func names(in folder: String) -> [String] {
    ((try? Directory(top / folder).names()) ?? []).map(\.description)
  }

  func entries(_ place: String, of mailbox: String = "stock") -> [String] {
    names(in: "spool/mailboxes/\(mailbox)/\(place)")
  }

  func topicEntries(_ place: String) -> [String] { names(in: "spool/topics/orders/\(place)") }

  func space() throws -> Space { try Directory(top).space() }

  /// Of the files that fill it, so many, `fill/unit.1` ..., take a block and an inode each.
  static let units = 25

  /// Fills it until nothing more goes in.
  func fill(_ fill: Fill, at location: SourceLocation = #_sourceLocation) throws {
    try script(
      "mkdir disk/fill; for n in {1..\(SmallDisk.units)}; do echo > disk/fill/unit.$n; done", at: location)
    switch fill {
    case .bytes:
      // Blocks that were just freed come back only with the next commit of the journal.
      try script(
        """
        for size in 256k 4k 1k 1; do
          for round in 1 2; do dd if=/dev/zero of=disk/fill/$size.$round bs=$size 2> dd-said || true; sync -f disk; done
        done
        """, at: location)
    case .inodes:
      try script("n=0; while true > disk/fill/$n; do n=$((n + 1)); done 2> dd-said", at: location)
    }
  }

  /// Removes what filled it.
  func free(at location: SourceLocation = #_sourceLocation) throws {
    try script("rm -rf disk/fill; sync -f disk", at: location)
  }

  var hasBallast: Bool { ((try? Directory(top).status("spool/.ballast").size) ?? 0) > 0 }

  /// Files that no command should leave: half-written, empty, or of a failed attempt.
  func debris() throws -> [String] {
    try script(
      "cd disk/spool; find . -type f ! -name .watcher \\( -size 0 -o -path '*/tmp/*' \\) -o -path '*/subscribers/.*' -o -name '.ballast' -size 0"
    ).split(separator: "\n").map(String.init)
  }
}

extension Trait where Self == ConditionTrait {
  static var needsTmpfs: Self { small(.tmpfs) }
  static var needsExt4: Self { small(.ext4) }
  static var needsBtrfs: Self { small(.btrfs) }

  private static func small(_ kind: SmallDisk.Kind) -> Self {
    .enabled("cannot make and mount a small \(kind) here (root, unshare, mount, mkfs, loop devices)") {
      kind.isPossible
    }
  }
}
