// What the settings of a mailbox, a topic or the office say. The defaults stand here and nowhere else; all else about a
// setting stands in its entry in SettingsTable.swift.

import Linux
import Text

/// The settings in force: those of a settings file, else those of `post.conf`, else these defaults.
public struct Settings: Hashable, Sendable {
  /// nil: the mailbox has no handler, and its letters wait to be read.
  public var handler: String?
  public var tries = 20
  /// nil: a handler may run for as long as it wants.
  public var timeout: Duration? = .seconds(3600)
  public var retry: ClosedRange<Duration> = .seconds(1) ... .seconds(600)
  public var parallel = 1
  /// nil: 1, or ``streamBatch`` for a stream.
  public var batch: Int?
  public var handlerMode = HandlerMode.exec
  public var order = Order.any
  /// nil: forever.
  public var keepDone: Duration? = .seconds(7 * 86_400)
  /// nil: the watcher's own.
  public var umask: UInt32?
  /// nil: forever.
  public var keep: Duration? = .seconds(7 * 86_400)
  public var minFree = MinFree.off
  public var durability = Durability.full
  public var maxHandlers = 256

  public init() {}

  /// How a handler gets its letters.
  public enum HandlerMode: String, Sendable, CaseIterable {
    /// It is run for each letter, or with ``Settings/batch`` for several.
    case exec
    /// It is started once and gets a line on standard input for each letter.
    case stream
  }

  /// Whether one letter may overtake another.
  public enum Order: String, Sendable, CaseIterable {
    /// The oldest letter first, but retries and handlers that run at the same time overtake.
    case any
    /// One letter at a time, and none overtakes a letter that is in hands or waits for its next attempt.
    case strict
  }

  /// The letters that a stream has in its hands, unless `Batch` says otherwise.
  static let streamBatch = 64

  /// The most letters that one handler may have in its hands.
  package var lettersAtOnce: Int { batch ?? (handlerMode == .stream ? Settings.streamBatch : 1) }
}
