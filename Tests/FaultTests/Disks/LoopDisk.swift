// A disk that loses its power: a file system in a file, mounted through a loop device, and two ways to cut it off.
//
// The shutdown ioctl (ext4, xfs) lets nothing more through to the disk. Or the file is copied while all commands
// run. A file copied while it is written to shows blocks of different times, which no disk does; so it lies on a
// file system of its own, the shelf, that is frozen for the copy. That holds back every write of the loop device,
// and none of what the file system on the disk still has in memory gets out: the copy is the disk of one moment.
//
// Everything is mounted on /mnt in a mount namespace of the script's own, in a memory file system: it goes with the
// last process of the script, however that ends, and so do the loop devices. Not in the sandbox: a directory that is
// removed while it is a mount point in another namespace tears the mounts off where they are, in a tangle (the loop
// device holds its file's mount, that mount the one on it, and that one the loop device) that no kernel unties.

import Linux
import TestKit
import Testing

/// A file system that is cut off.
enum FileSystem: String, CaseIterable, Sendable {
  case ext4
  case fastCommit = "ext4 with fast_commit"
  case xfs
  case btrfs

  /// Makes it, in the file named behind.
  var maker: String {
    switch self {
    case .ext4: "mkfs.ext4 -q -F"
    case .fastCommit: "mkfs.ext4 -q -F -O fast_commit"
    case .xfs: "mkfs.xfs -q -f"
    case .btrfs: "mkfs.btrfs -q -f"
    }
  }

  /// Looks for damage after the journal was replayed, changing nothing, in the file named behind.
  var checker: String {
    switch self {
    case .ext4, .fastCommit: "e2fsck -fn"
    case .xfs: "xfs_repair -n -f"
    case .btrfs: "btrfs check"
    }
  }

  /// What a boot runs before it mounts the file system, if that may be needed, for the file named after it.
  ///
  /// A fast commit of several blocks, the first since a full commit, that a cut tears apart, ends the kernel's replay
  /// with
  /// an error instead of being skipped (Linux 6.18: "JBD2: journal recovery failed"; 4 of 100 copies made while only a
  /// loop of creat(2) and fsync(2) ran). The loop has not been promised anything of that commit: its fsync has
  /// not returned. e2fsck skips it. What does not mount for any other reason is a failure.
  var repairer: String? { self == .fastCommit ? "e2fsck -p" : nil }

  /// Whether the ioctl FS_IOC_SHUTDOWN cuts it off (btrfs knows it since Linux 6.19 only).
  var canShutDown: Bool { self != .btrfs }

  /// What the kernel always does. On btrfs a letter that was moved, and whose directories were all synced, those it
  /// came from and the one it went to, has been seen under its old name again after a cut (Linux 6.18).
  var knownTroubles: Set<CutTrouble> { self == .btrfs ? [.givenBack] : [] }

  /// Whether this machine can make it, mount it, freeze its shelf and cut it off. Tried, not guessed.
  var isHere: Bool { FileSystem.here.contains(self) }

  private static let here = Set(
    allCases.filter { system in
      do {
        let end = system.canShutDown ? "shutdown 2; " : ""
        try LoopDisk(Sandbox(), system).run(
          "cut trial; \(end)leave; look trial /mnt/trial; test -e cuts/trial/exit")
        return true
      } catch { return false }
    })
}

extension Trait where Self == ConditionTrait {
  static var needsFileSystems: Self {
    .enabled(
      if: FileSystem.allCases.contains(where: \.isHere),
      "no disk is cut off: no mkfs, or no root, loop devices, fsfreeze or perl here")
  }
}

/// Runs scripts that have such a disk, mounted at `/mnt/disk`, with the spool at `$POST_SPOOL`.
struct LoopDisk {
  let box: Sandbox
  let system: FileSystem

  init(_ box: Sandbox, _ system: FileSystem) {
    self.box = box
    self.system = system
  }

  /// Runs a script to its end, in its own mount namespace.
  /// - Throws: a failure, at the first command that fails.
  ///
  /// What must outlive the cut is kept beside the disk, in the sandbox. `said/` is what the commands had reported to
  /// senders and readers; each cut keeps what `said/` held before the cut.
  func run(_ script: String, _ settings: [String: String] = [:]) throws {
    try box.write("disk.sh", LoopDisk.tools + script)
    let ended = try box.run(
      ["timeout", "-k", "5", "50", "unshare", "-m", "--propagation", "private", "bash", "disk.sh"],
      environment: settings.merging([
        "MAKER": system.maker, "CHECKER": system.checker, "REPAIRER": system.repairer ?? "",
        "POST_SPOOL": "/mnt/disk/spool",
      ]) { $1 })
    if ended.code == 0 { return }
    throw Failure("exit \(ended.code): \(ended.errors)\(try box.read("trace").suffix(1000))")
  }

  private static let tools = #"""
    set -euo pipefail
    shopt -s nullglob
    # How far it came, to find out why it stopped.
    PS4='+ $EPOCHREALTIME '
    exec {BASH_XTRACEFD}> trace
    set -x
    mkdir -p said cuts
    mount -t tmpfs -o size=75% tmpfs /mnt
    mkdir /mnt/shelf /mnt/disk
    shelf=/mnt/${PWD##*/}.shelf
    image=/mnt/shelf/${PWD##*/}.disk
    truncate -s 4G $shelf
    mkfs.ext4 -q -F -O ^has_journal $shelf
    mount -o loop $shelf /mnt/shelf
    # xfs is not made smaller than 300 MiB.
    truncate -s 512M $image
    $MAKER $image > /dev/null
    mount -o loop $image /mnt/disk

    # cut NAME: copies the disk of this moment to /mnt/NAME, and before that what had been said by now.
    cut() {
      mkdir "cuts/$1"
      cp -r said "cuts/$1"
      # In a session of its own, so that a signal to stop the test does not leave the shelf frozen.
      setsid -w bash -c 'fsfreeze -f /mnt/shelf
        cp --sparse=always "$0" "$1"
        fsfreeze -u /mnt/shelf' "$image" "/mnt/$1"
    }

    # shutdown FLAG: nothing more reaches the disk. 0: it is synced first; 1: its log is; 2: nothing is.
    shutdown() {
      perl -e 'open my $disk, "<", "/mnt/disk" or die $!; ioctl $disk, 0x8004587d, pack "L", shift or die $!' $1
    }

    # leave: unmounts the disk, as soon as the last of the killed is gone.
    leave() {
      for ((n = 0; n < 500; n++)); do
        if umount /mnt/disk 2> busy; then return; fi
        sleep 0.02
      done
      cat busy >&2
      return 1
    }

    # look NAME IMAGE: mounts a disk that was cut off, lets the office do its chores, and takes the spool and
    # what was found into cuts/NAME.
    look() {
      if ! mount -o loop "$2" /mnt/disk 2> "cuts/$1/unmountable"; then
        dmesg | tail -n 20 >> "cuts/$1/unmountable" || true
        if test -z "$REPAIRER" || ! grep -q "journal recovery failed" "cuts/$1/unmountable"; then return 0; fi
        $REPAIRER "$2" > "cuts/$1/repaired" 2>&1 || true
        if ! mount -o loop "$2" /mnt/disk 2>> "cuts/$1/unmountable"; then return 0; fi
      fi
      rm "cuts/$1/unmountable"
      if test -s /mnt/disk/unsynced; then cp /mnt/disk/unsynced "cuts/$1"; fi
      code=0
      if test -e "$POST_SPOOL"; then
        post sweep > "cuts/$1/words" 2>&1 || code=$?
        cp -a "$POST_SPOOL" "cuts/$1/spool"
      fi
      echo $code > "cuts/$1/exit"
      leave
      if ! $CHECKER "$2" > "cuts/$1/checked" 2>&1; then mv "cuts/$1/checked" "cuts/$1/unsound"; fi
    }

    # look_at_copies PREFIX: at all that were made by cut.
    look_at_copies() {
      for copy in /mnt/$1-*; do
        look ${copy##*/} $copy
        rm $copy
      done
    }

    """#
}
