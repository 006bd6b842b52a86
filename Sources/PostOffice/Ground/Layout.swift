// Where everything lies: the only file that spells the names of the spool's directories. All paths are relative to the
// spool. SpoolFormat says what each directory and file means.

import Linux

/// The spool's own entries, relative to its directory.
package enum Layout {
  package static let topics: Path = "topics"
  package static let mailboxes: Path = "mailboxes"
  /// The settings of the whole office.
  package static let settings: Path = "post.conf"
  /// Space that is given up on a full disk, so that letters can still be claimed and settled.
  static let ballast: Path = ".ballast"
  /// What processes that delete expired letters have seen of the time: ``TrustedTime``.
  static let clock: Path = ".clock"
  static let newClock: Path = ".clock.new"
  /// Locked by the first watcher of the office: ``LockBytes/watcher``.
  package static let watcher: Path = ".watcher"

  /// The `bags/` of a directory of letters. All directories of one topic or mailbox share it.
  static func bags(of folder: Path) -> Path { folder.parent / "bags" }
}

/// The directories of one topic.
struct TopicLayout: Sendable {
  let root: Path

  init(_ name: Name) { root = Layout.topics / name.description }

  /// Letters that are being written.
  var tmp: Path { root / "tmp" }
  /// Letters that are accepted and being sorted.
  var new: Path { root / "new" }
  /// Letters that are sorted, and kept for replay.
  var cur: Path { root / "cur" }
  /// Files that are no whole letters. Made when it is first needed.
  var corrupt: Path { root / "corrupt" }
  /// A symlink for each subscriber. Made last: a process that sees it knows that the rest is durable (CrashSafety I15).
  var subscribers: Path { root / "subscribers" }
  /// Letters that mailboxes could not take yet. Made when it is first needed.
  var held: Path { root / "held" }
  var settings: Path { root / "topic.conf" }
  /// The directories that every topic has.
  var required: [Path] { [subscribers, tmp, new, cur] }

  func held(for mailbox: Name) -> Path { held / mailbox.description }
  func subscriber(_ mailbox: Name) -> Path { subscribers / mailbox.description }
  /// Exists while the letters that the topic already had are being linked into a new subscriber's mailbox.
  func backlogMark(_ mailbox: Name) -> Path { subscribers / ("." + mailbox.description) }
  /// Where the symlink of a subscriber leads.
  static func subscriberTarget(_ mailbox: Name) -> Path {
    "../../.." / Layout.mailboxes / mailbox.description
  }
}

/// The directories of one mailbox.
package struct MailboxLayout: Sendable {
  package let root: Path

  package init(_ name: Name) { root = Layout.mailboxes / name.description }

  /// A mailbox as its topic sees it: through the subscriber's symlink, wherever that leads.
  init(throughSymlink root: Path) { self.root = root }

  package subscript(_ place: Place) -> Path { root / place.rawValue }
  /// The directories that every mailbox has.
  var required: [Path] { Place.required.map { self[$0] } }
  package var settings: Path { root / "mailbox.conf" }
  /// Exists while the mailbox is paused by an operator; says by whom.
  var paused: Path { root / "paused" }
  /// Exists while the watcher has paused the mailbox because its handler is broken; says why.
  package var broken: Path { root / "handler-broken" }
}

/// A directory of a mailbox.
public enum Place: String, Sendable, CaseIterable {
  /// Letters that are being copied from a topic whose letters cannot be hard-linked here; bodies for handlers.
  case tmp
  /// Letters that wait.
  case new
  /// Letters that are claimed.
  case cur
  /// Letters that wait for their next attempt.
  case later
  case done
  case failed
  /// Files that are not what was sent: set aside, and handed to no handler. Made when it is first needed.
  case corrupt
  /// One text file for each letter that failed at least once.
  case notes
  /// One file for each UTC day, one line for each event.
  case log

  /// The states of a letter: it is in one of these places at a time (CrashSafety I20).
  public static let states: [Place] = [.new, .cur, .later, .done, .failed, .corrupt]
  /// The places that every mailbox has. `new` is made last: a process that sees it relies on the rest (CrashSafety
  /// I15).
  static let required: [Place] = [.tmp, .cur, .later, .done, .failed, .notes, .log, .new]
  /// The order in which a search looks into the states, some of them twice. It misses no letter that moves meanwhile:
  /// for each move that there is, it looks where the letter was, and later where the letter is now.
  static let searchOrder: [Place] = [.later, .cur, .failed, .done] + states
}
