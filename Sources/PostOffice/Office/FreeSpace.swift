// Free space. A topic refuses new letters when less is free than `Min-Free` says, so that letters can still be handled.
// An error on a full disk says what is used up: the kernel's ENOSPC distinguishes neither bytes from inodes nor tells
// how much there is. Where a file system does not tell its size (tmpfs without a limit), nothing is refused or
// reported.

import Linux
import Text

/// The setting `Min-Free`: how much of a file system must be free for a topic to accept letters.
public enum MinFree: Hashable, Sendable {
  case bytes(Int64)
  /// Of the bytes, and of the inodes.
  case percent(Int64)

  /// No limit: only a full disk refuses letters.
  public static let off = MinFree.bytes(0)

  /// `100M`, or `5%`.
  init?(_ text: String) {
    if text.utf8.last == UInt8(ascii: "%") {
      guard let percent = Int64(text.dropLast()), (0...99).contains(percent) else { return nil }
      self = .percent(percent)
    } else {
      guard let bytes = Sizes.bytes(text) else { return nil }
      self = .bytes(bytes)
    }
  }

  var isOff: Bool { self == .off || self == .percent(0) }

  /// What there is too little of; nil: there is enough.
  func shortage(_ space: Space) -> String? {
    switch self {
    case .bytes(let least):
      return space.isKnown && space.free < least
        ? "\(space.freeText), less than Min-Free \(Sizes.text(least))" : nil
    case .percent(let percent):
      if space.free < space.size / 100 * percent {
        return "\(space.freeText), less than Min-Free \(percent)%"
      }
      let least = space.inodes.multipliedFullWidth(by: percent)  // some file systems tell 2^63
      let isShort = space.freeInodes < Int64(100).dividingFullWidth(least).quotient
      return isShort ? "\(space.freeInodesText), less than Min-Free \(percent)%" : nil
    }
  }
}

extension Space {
  /// With less than this free, bytes, the disk counts as full.
  private static let grain: Int64 = 64 << 10
  /// A disk with less than a twentieth and less than this free is nearly full: a twentieth of a large disk is much.
  private static let comfort: (bytes: Int64, inodes: Int64) = (1 << 30, 10_000)

  /// Whether the file system tells its size; a tmpfs without a limit does not.
  package var isKnown: Bool { size > 0 }

  var freeText: String { "\(Sizes.text(free)) of \(Sizes.text(size)) is free" }
  var freeInodesText: String { "\(freeInodes) of \(inodes) inodes are free" }

  /// After ENOSPC: what is used up, and what helps; nil: neither bytes nor inodes are (a project's quota, a directory
  /// that cannot grow).
  var fullness: (cause: String, remedy: String)? {
    let bytes = "\(Sizes.text(free)) of \(Sizes.text(size)) free"
    let files = "\(freeInodes) of \(inodes) free"
    switch (isKnown && free < Space.grain, inodes > 0 && freeInodes == 0) {
    case (true, true):
      return ("no space (\(bytes)) and no inodes (\(files)) are left", "remove some files and try again")
    case (true, false): return ("no space is left (\(bytes))", "free some and try again")
    case (false, true): return ("no inodes are left (\(files))", "remove some files and try again")
    case (false, false): return nil
    }
  }

  /// What will soon be used up; nil: nothing will.
  var nearlyFull: String? {
    if free < min(size / 20, Space.comfort.bytes) { return "the disk is nearly full: \(freeText)" }
    if freeInodes < min(inodes / 20, Space.comfort.inodes) {
      return "the disk has hardly any inodes left: \(freeInodesText)"
    }
    return nil
  }
}

/// The settings of a topic, and when they were read (monotonic nanoseconds).
package final class ReadSettings {
  let topic: Name
  let value: Settings
  let readAt: Int64

  init(_ topic: Name, _ value: Settings, readAt: Int64) {
    self.topic = topic
    self.value = value
    self.readAt = readAt
  }
}

extension Office {
  /// How long a process uses the settings of a topic before it reads them again. Nanoseconds.
  private static let settingsAge: Int64 = 1_000_000_000

  /// The error for a failed system call; on a full disk it says what is used up.
  /// - Parameter folder: where the call was to write: its file system is looked at.
  func trouble(
    _ errno: Errno, _ operation: String, _ place: String, in folder: Path = ".", remedy: String? = nil
  ) -> PostError {
    let isFull = errno == .noSpace
    let space = isFull ? (try? root.directory(folder).space()) ?? (try? root.space()) : nil
    guard let full = space?.fullness else { return PostError(errno, operation, place, remedy: remedy) }
    return PostError(.tryAgain, operation, place, cause: full.cause, remedy: remedy ?? full.remedy)
  }

  /// Runs system calls that take space; if one fails, the error says what they were for.
  /// - Parameter folder: where they write.
  @inline(__always)
  func attemptWrite<Value: ~Copyable>(
    _ operation: @autoclosure () -> String, _ place: @autoclosure () -> String,
    in folder: @autoclosure () -> Path = ".", _ body: () throws(Errno) -> Value
  ) throws(PostError) -> Value {
    do throws(Errno) { return try body() } catch { throw trouble(error, operation(), place(), in: folder()) }
  }

  /// The settings for letters to a topic. If they cannot be read, a warning says so, and the defaults refuse no letter
  /// and leave out no sync.
  func topicSettings(_ topic: Name) -> Settings {
    let now = Clock.monotonic
    topicSettings.removeAll { now - $0.readAt >= Office.settingsAge }
    if let known = topicSettings.first(where: { $0.topic == topic }) { return known.value }
    var value = Settings()
    do throws(PostError) { value = try settings(ofTopic: topic) } catch {
      let outcome = "until it is corrected, letters are accepted as long as there is space"
      warn(error.adding(outcome: outcome).message)
    }
    topicSettings.append(ReadSettings(topic, value, readAt: now))
    return value
  }

  /// What the operator should know of the space: topics that accept no letters because of Min-Free, and a disk nearly
  /// full.
  package func shortages() throws(PostError) -> [String] {
    var short = [String: [String]]()
    for name in try topicNames() {
      guard let minFree = try? settings(ofTopic: name).minFree, !minFree.isOff else { continue }
      guard let space = try? root.directory(TopicLayout(name).root).space() else { continue }
      if let words = minFree.shortage(space) { short[words, default: []].append(name.description) }
    }
    var lines = short.sorted { $0.key < $1.key }.map { words, names in
      "\(words): no letters are accepted for \(names.joined(separator: ", "))"
    }
    if let words = (try? root.space())?.nearlyFull { lines.append(words) }
    return lines
  }
}
