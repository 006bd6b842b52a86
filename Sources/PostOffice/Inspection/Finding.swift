// What `post check` reports: a finding, its place and its remedy. Pure values. The raw values of `Kind` are a contract:
// programs read them in `post check --json`.

import Linux

/// Something that ``Office/check(repair:progress:_:)`` found.
public struct Finding: Hashable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    // Letters.

    /// Torn, empty, without its header, or not what its digest says.
    case corrupt
    /// A directory, a symlink, a FIFO ... where a letter should be.
    case stray
    /// One letter is in two states.
    case duplicate
    /// A letter that a program may write, and thereby change in every mailbox.
    case writable
    /// A letter that the owner of its mailbox may not read.
    case unreadable

    // What dead processes left.

    /// A file in a tmp/ whose writer is dead.
    case debris
    /// An accepted letter without a living sender.
    case unsorted
    /// A subscription that was not finished.
    case halfSubscribed = "half-subscribed"
    case deadClaim = "dead-claim"
    case expiredLease = "expired-lease"
    /// Letters that wait in held/ for a mailbox.
    case held
    /// A mail reader moved letters to a topic's cur/ before all subscribers had them.
    case overlooked
    /// A note about a letter that is not in the mailbox.
    case loneNote = "lone-note"

    // Directories and settings.

    case danglingSubscriber = "dangling-subscriber"
    case foreignSubscriber = "foreign-subscriber"
    case badName = "bad-name"
    case missing
    case badOwner = "bad-owner"
    case badMode = "bad-mode"
    case badSettings = "bad-settings"
    case brokenHandler = "broken-handler"
    /// Corrupt letters that wait for the operator.
    case setAside = "set-aside"
    /// What cannot be read.
    case closed

    // Remarks: worth knowing, nothing to repair.

    /// A file system that may not keep the promises.
    case fileSystem = "file-system"
    /// A topic or mailbox to which letters are copied, not linked.
    case otherFileSystem = "other-file-system"
    case otherOwner = "other-owner"
    /// A subscriber's symlink that leads to another place than its mailbox.
    case otherSubscriber = "other-subscriber"
    /// A topic or mailbox of which only settings exist.
    case notMade = "not-made"
    /// A mail reader moved letters to a mailbox's cur/.
    case movedByReader = "moved-by-reader"

    public var isRemark: Bool {
      switch self {
      case .fileSystem, .otherFileSystem, .otherOwner, .otherSubscriber, .notMade, .movedByReader: true
      default: false
      }
    }
  }

  public let kind: Kind
  /// Relative to the spool; for the spool itself, its path.
  public let place: String
  /// What is wrong: a few words that continue where the place ends.
  public let what: String
  /// What would help, if it was not repaired.
  public let remedy: String?
  /// How it was repaired.
  public let repair: String?

  /// One line for people: `PLACE: WHAT; REMEDY`, or `PLACE: WHAT; repaired: REPAIR`; a remark has `remark: ` before
  /// WHAT.
  public var line: String {
    var text = "\(place): \(kind.isRemark ? "remark: " : "")\(what)"
    if let repair { text += "; repaired: \(repair)" } else if let remedy { text += "; \(remedy)" }
    return text
  }
}
