// Where everything lies. No other file spells the name of a directory of the spool.

import Linux

/// The spool's own entries, relative to its directory.
package enum Layout {
  package static let topics: Path = "topics"
  package static let mailboxes: Path = "mailboxes"
  /// Settings of the whole office.
  package static let settings: Path = "post.conf"
  /// Space that is given up on a full disk, so that letters can still be claimed and settled.
  static let ballast: Path = ".ballast"
  /// What was known of the time, for whoever deletes by it.
  static let clock: Path = ".clock"
  static let newClock: Path = ".clock.new"
  /// Locked by the first watcher at work here.
  package static let watcher: Path = ".watcher"

  /// Where the bags of a directory of letters lie, with those of its neighbours.
  static func bags(of folder: Path) -> Path { folder.parent / "bags" }
}

/// The directories of one topic.
struct TopicLayout: Sendable {
  let root: Path

  init(_ name: Name) { root = Layout.topics / name.description }

  /// Being written.
  var tmp: Path { root / "tmp" }
  /// Accepted, being sorted.
  var new: Path { root / "new" }
  /// Sorted, kept for replay.
  var cur: Path { root / "cur" }
  /// Files that are no whole letters. Made when first needed.
  var corrupt: Path { root / "corrupt" }
  /// A symlink for each subscriber. Made last: whoever sees it knows that the rest is durable.
  var subscribers: Path { root / "subscribers" }
  /// Letters that mailboxes could not take yet. Made when first needed.
  var held: Path { root / "held" }
  var settings: Path { root / "topic.conf" }
  /// What is made with a topic.
  var required: [Path] { [subscribers, tmp, new, cur] }

  func held(for mailbox: Name) -> Path { held / mailbox.description }
  func subscriber(_ mailbox: Name) -> Path { subscribers / mailbox.description }
  /// Exists while the letters that the topic already had are still being linked into a new subscriber's mailbox.
  func backlogMark(_ mailbox: Name) -> Path { subscribers / ("." + mailbox.description) }
  /// What the symlink of a subscriber says.
  static func subscriberTarget(_ mailbox: Name) -> Path {
    "../../.." / Layout.mailboxes / mailbox.description
  }
}

/// The directories of one mailbox.
package struct MailboxLayout: Sendable {
  package let root: Path

  package init(_ name: Name) { root = Layout.mailboxes / name.description }

  /// A mailbox as a topic sees it, through its subscriber's symlink, wherever that leads.
  init(throughSymlink root: Path) { self.root = root }

  package subscript(_ place: Place) -> Path { root / place.rawValue }
  /// What is made with a mailbox.
  var required: [Path] { Place.required.map { self[$0] } }
  package var settings: Path { root / "mailbox.conf" }
  /// Exists while somebody has paused the mailbox by hand; says who.
  var paused: Path { root / "paused" }
  /// Says why the watcher has paused the mailbox: its handler cannot be run.
  package var broken: Path { root / "handler-broken" }
}

/// Where in its mailbox a letter is.
public enum Place: String, Sendable, CaseIterable {
  /// Being copied in (only from a topic whose letters cannot be hard-linked here).
  case tmp
  /// Waiting.
  case new
  /// In a handler's hands.
  case cur
  /// Waiting for its time: a retry.
  case later
  case done
  case failed
  /// Not what was sent: set aside, never handed to anybody. Made when first needed.
  case corrupt
  /// One text file for each troubled letter.
  case notes
  /// A file for each UTC day, a line for each event.
  case log

  /// Where letters are; a letter is in one of these at a time.
  public static let states: [Place] = [.new, .cur, .later, .done, .failed, .corrupt]
  /// What is made with a mailbox. `new` is last: whoever sees it takes the mailbox for a whole one.
  static let required: [Place] = [.tmp, .cur, .later, .done, .failed, .notes, .log, .new]
  /// The states in an order in which no letter is missed that moves to and fro meanwhile. Whatever moves
  /// into a place that was looked at already, comes from one that is looked at before it once more.
  static let searchOrder: [Place] = [.later, .cur, .failed, .done] + states
}
