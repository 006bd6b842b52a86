// Whether inotify(7) reports everything that happens here. It does not report what other machines do on a shared file
// system, reports nothing on some kinds of mounts, and a user's watches may be used up. Then the watcher scans
// everything every few seconds. It tests that at the start, and later with a rare scan: a letter that the scan finds
// should have been reported.

import Linux
import PostOffice

/// The watches of a watcher, and how far they can be trusted.
struct InotifyHealth: ~Copyable {
  private let office: Office
  var watches: InotifyWatches
  private var hasWarnedOfLimit = false
  fileprivate var lastScan = Clock.monotonic
  /// Locked while the watcher runs, unless another watcher has locked it.
  private var presence: File?

  /// File systems on which other machines may write, unseen by our kernel. The names are mountinfo's.
  private static let shared: Set<String> = [
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "afs", "ceph", "gfs2", "ocfs2",
    "lustre", "glusterfs", "beegfs", "gpfs",
  ]
  /// How often everything is scanned where inotify works: an event that was missed delays no letter for longer.
  /// Nanoseconds.
  private static let safetyInterval: Int64 = 60_000_000_000
  private static let interval = "\(InotifyWatches.scanInterval / 1_000_000_000) seconds"

  init(_ office: Office) throws(PostError) {
    self.office = office
    watches = try InotifyWatches(office.path)
  }

  /// When everything must be scanned, whatever inotify reported.
  var scanAt: Int64 {
    lastScan + (watches.isBlind ? InotifyWatches.scanInterval : InotifyHealth.safetyInterval)
  }

  /// Tests whether inotify works here, and warns if another watcher runs.
  mutating func test() {
    let file: File
    do throws(Errno) { file = try office.root.open(Layout.watcher, .append(permissions: 0o644)) } catch {
      return checkFileSystem()  // without permission, or on a full disk, neither can be tested
    }
    if watches.hearsTheWatchersFile() == false {
      markDeaf("inotify reports nothing here")
    } else {
      checkFileSystem()
    }
    if (try? file.tryLock(.exclusive, byte: LockBytes.watcher)) == false {
      office.warn("another watcher runs in \(office.path); both share the letters")
    }
    presence = consume file
  }

  private mutating func checkFileSystem() {
    guard let type = office.root.mountID().flatMap({ Mount.numbered($0) })?.type else { return }
    if InotifyHealth.shared.contains(type) || type.hasPrefix("fuse.") {
      markDeaf("\(office.path) is on \(type), where other machines may write without notice")
    }
  }

  /// Trusts inotify no longer.
  mutating func markDeaf(_ why: String) {
    if watches.isDeaf { return }
    watches.isDeaf = true
    office.warn("\(why); the watcher scans everything every \(InotifyHealth.interval) instead")
  }

  /// Warns when the user's watches are used up, once each time.
  mutating func warnOfLimit() {
    if watches.hasUnwatched, !hasWarnedOfLimit {
      office.warn(
        "this user has no inotify watches left; the watcher scans everything every \(InotifyHealth.interval) "
          + "instead; raise fs.inotify.max_user_watches")
    }
    hasWarnedOfLimit = watches.hasUnwatched
  }
}

extension Watcher {
  /// Scans everything, if it is time.
  func scanIfDue() {
    let now = Clock.monotonic
    if inotify.scanAt > now { return }
    inotify.lastScan = now
    if inotify.watches.isBlind { return hintAll() }
    for worker in workers.all { worker.scan() }
    for topic in topics.values { topic.hint(Clock.monotonic) }
  }

  /// A scan has found a letter: unless inotify reports it just now, it does not work.
  func noteMissedLetter(of worker: MailboxWorker) throws(PostError) {
    worker.isScanned = false
    if try takeHints().contains(worker.name) { return }
    inotify.markDeaf("inotify did not report a letter that came to mailbox \(worker.name)")
  }
}
