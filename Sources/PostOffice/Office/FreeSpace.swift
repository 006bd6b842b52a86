// Space: a full disk refuses new letters, and says of what there is none: the kernel's ENOSPC tells neither
// bytes from inodes nor how much there was. Min-Free refuses them earlier, so that handling can go on.

import Linux
import Text

/// The setting `Min-Free`: so much of a file system must be free, or a topic takes no new letters.
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

  /// What there is too little of, in words; nil: there is enough.
  func shortage(_ space: Space) -> String? {
    switch self {
    case .bytes(let least):
      return space.isKnown && space.free < least
        ? "\(space.freeText), less than Min-Free \(Sizes.text(least))" : nil
    case .percent(let percent):
      if space.free < space.size / 100 * percent {
        return "\(space.freeText), less than Min-Free \(percent)%"
      }
      let least = space.inodes.multipliedFullWidth(by: percent)  // some tell of 2^63
      let isShort = space.freeInodes < Int64(100).dividingFullWidth(least).quotient
      return isShort ? "\(space.freeInodesText), less than Min-Free \(percent)%" : nil
    }
  }
}

extension Space {
  /// With less than this free, bytes, the next letter may be the one that does not fit.
  private static let grain: Int64 = 64 << 10
  /// Nearly full is what has less than a twentieth free, and less than this: a twentieth of a large disk is much.
  private static let comfort: (bytes: Int64, inodes: Int64) = (1 << 30, 10_000)

  /// A tmpfs without limit, for one, tells nothing.
  package var isKnown: Bool { size > 0 }

  var freeText: String { "\(Sizes.text(free)) of \(Sizes.text(size)) is free" }
  var freeInodesText: String { "\(freeInodes) of \(inodes) inodes are free" }

  /// After ENOSPC: what is used up, and the remedy; nil: neither bytes nor inodes (a quota of a project, a
  /// directory that cannot grow).
  var fullness: String? {
    let bytes = "\(Sizes.text(free)) of \(Sizes.text(size)) free"
    let files = "\(freeInodes) of \(inodes) free"
    switch (isKnown && free < Space.grain, inodes > 0 && freeInodes == 0) {
    case (true, true):
      return "no space (\(bytes)) and no inodes (\(files)) are left; remove some files and try again"
    case (true, false): return "no space is left (\(bytes)); free some and try again"
    case (false, true): return "no inodes are left (\(files)); remove some files and try again"
    case (false, false): return nil
    }
  }

  /// What will soon be used up; nil: nothing.
  var nearlyFull: String? {
    if free < min(size / 20, Space.comfort.bytes) { return "the disk is nearly full: \(freeText)" }
    if freeInodes < min(inodes / 20, Space.comfort.inodes) {
      return "the disk has hardly any inodes left: \(freeInodesText)"
    }
    return nil
  }
}

/// The settings of a topic, as they were read at a time (monotonic nanoseconds).
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
  /// How long settings that bear on every letter are taken as read. Nanoseconds.
  private static let settingsAge: Int64 = 1_000_000_000

  /// An error of the kernel, in words; of a full disk it says what is used up.
  /// - Parameter folder: where something was to be written: its file system is looked at.
  func trouble(_ errno: Errno, _ what: String, in folder: Path = ".", hint: String? = nil) -> PostError {
    guard errno == .noSpace else { return PostError(errno, what, hint: hint) }
    let space = (try? root.directory(folder).space()) ?? (try? root.space())
    guard let words = space?.fullness else { return PostError(errno, what, hint: hint) }
    guard let hint else { return PostError(.tryAgain, "\(what): \(words)") }
    return PostError(.tryAgain, "\(what): \(words.prefix { $0 != ";" }); \(hint)")
  }

  /// Runs system calls that take space, and says what they were for when one fails.
  /// - Parameter folder: where they write.
  @inline(__always)
  func attemptWrite<Value: ~Copyable>(
    _ what: @autoclosure () -> String, in folder: @autoclosure () -> Path = ".",
    _ body: () throws(Errno) -> Value
  ) throws(PostError) -> Value {
    do throws(Errno) { return try body() } catch { throw trouble(error, what(), in: folder()) }
  }

  /// What the settings say for letters to a topic. Settings that cannot be read are told of, refuse no letter, and
  /// spare no sync.
  func topicSettings(_ topic: Name) -> Settings {
    let now = Clock.monotonic
    topicSettings.removeAll { now - $0.readAt >= Office.settingsAge }
    if let known = topicSettings.first(where: { $0.topic == topic }) { return known.value }
    var value = Settings()
    do throws(PostError) { value = try settings(ofTopic: topic) } catch {
      warn("\(error.message); until that is put right, letters are accepted as long as there is space")
    }
    topicSettings.append(ReadSettings(topic, value, readAt: now))
    return value
  }

  /// What should be known of the space: topics that take no letters because of Min-Free, and a disk nearly full.
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
