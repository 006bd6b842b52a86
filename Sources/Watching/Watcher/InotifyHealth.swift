// Whether the watcher hears what happens: inotify(7) is deaf to what other machines do on a shared file
// system, and on some kinds of mounts altogether. Then everything is scanned every few seconds. That is
// tested at the start, and later by looking now and then for what should have been heard of.

import Linux
import PostOffice

extension Watcher {
  /// File systems on which others may work whom our kernel does not see. The names are mountinfo's.
  private static let shared: Set<String> = [
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "afs", "ceph", "gfs2", "ocfs2",
    "lustre",
    "glusterfs", "beegfs", "gpfs",
  ]

  /// Sees whether another watcher is at work here, and whether we hear what happens.
  func testHearing() {
    let file: File
    do throws(Errno) { file = try office.root.open(Layout.watcher, .append(permissions: 0o644)) } catch {
      return noticeKind()  // in another's office, or on a full disk, neither can be tested
    }
    if watches.hearsTheWatchersFile() == false { isDeaf("inotify is deaf here") } else { noticeKind() }
    if (try? file.tryLock(.exclusive, byte: LockBytes.watcher)) == false {
      office.warn("another watcher is at work in \(office.path); it and this one share the letters")
    }
    presence = consume file
  }

  private func noticeKind() {
    guard let type = office.root.mountID().flatMap({ Mount.numbered($0) })?.type else { return }
    if Watcher.shared.contains(type) || type.hasPrefix("fuse.") {
      isDeaf("\(office.path) lies on \(type), where other machines may write unheard")
    }
  }

  private func isDeaf(_ why: String) {
    if watches.isDeaf { return }
    watches.isDeaf = true
    office.warn(
      "\(why); everything is looked at every \(InotifyWatches.scanInterval / 1_000_000_000) seconds instead")
  }

  /// Says when watches run out, once each time.
  func noticeBlindness() {
    if watches.hasUnwatched, !hasToldBlindness {
      office.warn(
        "the watches of this user are used up, so everything is looked at every "
          + "\(InotifyWatches.scanInterval / 1_000_000_000) seconds instead; raise fs.inotify.max_user_watches"
      )
    }
    hasToldBlindness = watches.hasUnwatched
  }

  /// Looks at everything, whatever was heard.
  func scan() {
    if watches.isBlind { return hintAll() }
    for worker in workers.values {
      let isEmpty = worker.mailbox.block == nil && !worker.mailbox.hasSkippedLetters
      worker.isScanned = isEmpty && !worker.schedule.mayHaveLetters && worker.schedule.running == 0
      worker.mailbox.lettersArrived()
      worker.schedule.hint()
    }
    for topic in topics.values { topic.hint(Clock.monotonic) }
  }

  /// A scan has found a letter: unless we hear of it just now, we should have heard of it before.
  func noticeMissed(_ worker: MailboxWorker) throws(PostError) {
    worker.isScanned = false
    if try takeHints().contains(worker.name) { return }
    isDeaf("a letter came to mailbox \(worker.name) unheard, so inotify is deaf here")
  }
}
