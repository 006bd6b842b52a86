// Settings files: post.conf, topic.conf, mailbox.conf. They use the letter's own header syntax,
// with `#` comments; an unknown name or a bad value is an error that names file and line.

import Linux
import Text

/// What the settings of a mailbox say, defaults filled in.
public struct Settings: Hashable, Sendable {
  /// The command line for /bin/sh that handles a letter; nil: letters wait to be read.
  public var handler: String?
  /// How the handler gets its letters.
  public var handlerMode = HandlerMode.exec
  /// The most letters given to one handler at once; nil: one, or as many as a streaming handler usually gets.
  public var batch: Int?
  /// Whether one letter may overtake another.
  public var order = Order.any
  /// The file mode creation mask of handlers, umask(2); nil: the watcher's own.
  public var umask: UInt32?
  /// How often a letter is given to a handler before it fails for good.
  public var tries = 20
  /// How long a handler may take; nil: as long as it wants.
  public var timeout: Duration? = .seconds(3600)
  /// The first delay before a letter is tried again, and the longest; each is twice the one before.
  public var retry: ClosedRange<Duration> = .seconds(1) ... .seconds(600)
  /// How many letters of this mailbox are handled at once.
  public var parallel = 1
  /// How long letters stay in `done/`; nil: forever.
  public var keepDone: Duration? = .seconds(7 * 86_400)
  /// How long a topic keeps letters for replay and new subscribers; nil: forever.
  public var keep: Duration? = .seconds(7 * 86_400)
  /// How much must be free on a topic's file system for it to take new letters.
  public var minFree = MinFree.off
  /// Whether new letters of a topic survive a power cut.
  public var durability = Durability.full
  /// The most handlers that a watcher runs at once, over all mailboxes.
  public var maxHandlers = 256

  public init() {}

  /// How a handler gets its letters.
  public enum HandlerMode: String, Sendable, CaseIterable {
    /// It is run for each letter, or with ``Settings/batch`` for so many.
    case exec
    /// It is started once, and told of letter after letter on its standard input.
    case stream
  }

  /// Whether one letter may overtake another.
  public enum Order: String, Sendable, CaseIterable {
    /// The oldest first, but retries and handlers that run at the same time overtake.
    case any
    /// One at a time, and nothing overtakes a letter that is in hands or waits for its next attempt.
    case strict
  }

  /// The letters that a streaming handler has in its hands, if the settings do not say.
  static let streamBatch = 64

  /// The most letters that one handler may have in its hands.
  package var lettersAtOnce: Int { batch ?? (handlerMode == .stream ? Settings.streamBatch : 1) }
}
