// What post check tells: one finding, a place and what is the matter there. A pure description.

import Linux

/// Something that ``Office/check(repair:tell:_:)`` found.
public struct Finding: Hashable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    // Letters.

    /// Torn, empty, without its header, or not what its digest says.
    case corrupt
    /// In the place of a letter lies a directory, a symlink, a FIFO ...
    case stray
    /// One letter stands in two states.
    case duplicate
    /// Somebody may write it, and thereby write into every mailbox that shares it.
    case writable
    /// The owner of its mailbox may not read it.
    case unreadable

    // What the dead left.

    /// A file in a tmp/ whose writer is dead.
    case debris
    /// An accepted letter that nobody sorts.
    case unsorted
    /// A subscriber that did not get to the end.
    case halfSubscribed = "half-subscribed"
    case deadClaim = "dead-claim"
    case expiredLease = "expired-lease"
    /// Letters that wait for a mailbox which could not take them.
    case held
    /// A mail reader put letters into a topic's cur/, and subscribers do not have them.
    case overlooked
    /// A note whose letter is nowhere.
    case loneNote = "lone-note"

    // The house.

    case danglingSubscriber = "dangling-subscriber"
    case foreignSubscriber = "foreign-subscriber"
    case badName = "bad-name"
    case missing
    case badOwner = "bad-owner"
    case badMode = "bad-mode"
    case badSettings = "bad-settings"
    case brokenHandler = "broken-handler"
    /// Corrupt letters that wait for somebody to look at them.
    case setAside = "set-aside"
    /// What cannot be looked into.
    case closed

    // Remarks: worth knowing, nothing to be put right.

    /// A file system that may not keep the promises.
    case fileSystem = "file-system"
    /// Letters must be copied there.
    case otherFileSystem = "other-file-system"
    case otherOwner = "other-owner"
    /// A subscriber's symlink leads to another place than its mailbox.
    case otherSubscriber = "other-subscriber"
    /// Settings only, so far.
    case notMade = "not-made"
    /// A mail reader has moved letters to cur/.
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
  /// What is the matter: a few words that go on where the place ends.
  public let what: String
  /// What would help, if it was not put right.
  public let remedy: String?
  /// How it was put right.
  public let repair: String?

  /// One line for people: `PLACE: WHAT; REMEDY`, and `repaired: ` before what was done, `remark: ` before a remark.
  public var line: String {
    var text = "\(place): \(kind.isRemark ? "remark: " : "")\(what)"
    if let repair { text += "; repaired: \(repair)" } else if let remedy { text += "; \(remedy)" }
    return text
  }
}
