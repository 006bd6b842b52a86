// inotify on every directory where something may appear, for a watcher or a waiting reader. Hints only: a directory that
// the kernel cannot watch must be scanned, and after an overflow all of them.

import Linux

/// The inotify watches of one process.
package struct InotifyWatches: ~Copyable {
  /// Where the kernel cannot watch, everything is scanned this often. Nanoseconds.
  package static let scanInterval: Int64 = 2_000_000_000

  package enum Target: Hashable {
    /// A topic appeared or was removed.
    case topics
    /// A mailbox appeared or was removed.
    case mailboxes
    /// The office's settings may have changed.
    case office
    /// A directory of a topic appeared.
    case topic(Name)
    /// A sender or a foreign deliverer put a letter into a topic's `new/`.
    case accepted(Name)
    /// A letter arrived in a mailbox.
    case arrived(Name)
    /// A mailbox's settings may have changed.
    case mailbox(Name)

    /// Whether a sealer may put another directory in its place.
    fileprivate var isReplaced: Bool {
      switch self {
      case .arrived, .accepted: true
      default: false
      }
    }
  }

  let inotify: Inotify
  private let spool: Path
  private var targets: [Int32: Target] = [:]
  private var watches: [Target: Int32] = [:]
  /// The watch of the directory that was sealed last: a sender that has it open may still put a letter into it. The letter of
  /// a sender that is slower by a whole bag is found by scanning.
  private var sealed: [Target: Int32] = [:]
  /// Hints that arrived while ``hearsTheWatchersFile()`` tested.
  private var early: [Hint] = []
  /// What cannot be watched because the user's watches are used up.
  private var unwatched: Set<Target> = []
  /// The kernel does not report everything that happens here, as on some network file systems.
  package var isDeaf = false
  /// Everything must be scanned.
  package var isBlind: Bool { isDeaf || !unwatched.isEmpty }
  package var hasUnwatched: Bool { !unwatched.isEmpty }

  package init(_ spool: Path) throws(PostError) {
    self.spool = spool
    inotify = try attempt("cannot watch", "\(spool)", remedy: "raise fs.inotify.max_user_instances") {
      () throws(Errno) in try Inotify()
    }
  }

  package var descriptor: Int32 { inotify.file.descriptor }

  /// Watches a target if it exists. Watching it again changes nothing.
  package mutating func add(_ target: Target) {
    let path: Path
    let mask: Inotify.Mask
    switch target {
    case .topics: (path, mask) = (Layout.topics, [.arrived, .left])
    case .mailboxes: (path, mask) = (Layout.mailboxes, [.arrived, .left])
    case .office: (path, mask) = (".", [.arrived, .left, .written, .selfGone])
    case .topic(let name): (path, mask) = (TopicLayout(name).root, [.arrived])
    case .accepted(let name): (path, mask) = (TopicLayout(name).new, [.arrived, .selfGone])
    case .arrived(let name): (path, mask) = (MailboxLayout(name)[.new], [.arrived, .selfGone])
    case .mailbox(let name):
      (path, mask) = (MailboxLayout(name).root, [.arrived, .left, .written, .selfGone])
    }
    do throws(Errno) {
      let watch = try inotify.watch(spool / path, mask)
      if let old = watches[target], old != watch { replace(old, of: target) }
      // A renamed directory keeps its watch, which is no longer that of the old name.
      if let former = targets[watch], former != target { watches[former] = nil }
      targets[watch] = target
      watches[target] = watch
      unwatched.remove(target)
    } catch let error where error == .noSpace || error == .noMemory {
      unwatched.insert(target)  // fs.inotify.max_user_watches
    } catch { unwatched.remove(target) }  // missing, or we may not see it
  }

  package mutating func remove(_ target: Target) {
    unwatched.remove(target)
    for watch in [watches.removeValue(forKey: target), sealed.removeValue(forKey: target)].compactMap({ $0 })
    {
      targets[watch] = nil
      inotify.unwatch(watch)
    }
  }

  /// Keeps the watch of a directory that another has replaced, and ends the one of its predecessor.
  private mutating func replace(_ watch: Int32, of target: Target) {
    if let former = sealed.updateValue(watch, forKey: target), targets[former] == target {
      targets[former] = nil
      inotify.unwatch(former)
    }
  }

  /// Whether the kernel reports that the watcher's file was closed after writing. Other hints that arrive meanwhile are
  /// kept.
  /// - Returns: nil if that cannot be tested.
  package mutating func hearsTheWatchersFile() -> Bool? {
    guard !unwatched.contains(.office), (try? File(spool / Layout.watcher, .write)) != nil,
      let heard = try? hints()
    else { return nil }
    early += heard
    return heard.contains { if case .office = $0.target { $0.name == Layout.watcher } else { false } }
  }

  package struct Hint {
    package let target: Target
    package let name: Path
  }

  /// What has happened; nil: the kernel's queue overflowed, and everything must be scanned.
  package mutating func hints() throws(PostError) -> [Hint]? {
    var hints = early
    early = []
    let events = try attempt("cannot read inotify events of", "\(spool)") { () throws(Errno) in
      try inotify.events()
    }
    for event in events {
      guard let watch = event.watch else { return nil }
      guard let target = targets[watch] else { continue }
      if event.ended {
        targets[watch] = nil
        if watches[target] == watch { watches[target] = nil }
        if sealed[target] == watch { sealed[target] = nil }
      }
      // The directory itself was moved or removed: another may have taken its place.
      if event.name.isEmpty, target.isReplaced { add(target) }
      hints.append(Hint(target: target, name: event.name))
    }
    return hints
  }
}
