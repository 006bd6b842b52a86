// The time by which old things are deleted. The wall clock may jump ahead, and what it then makes old cannot be brought
// back. So time passes here as it truly does, and a jump is believed only after it has lasted for a day.
//
// Who deletes looks at the clocks, and writes into .clock what it saw; the next one reads it. Nothing depends on that
// file but how soon something is deleted: it is not synced, one that is lost or damaged is made anew, and one that is not
// ours to write is replaced, or only read. Whatever it says, nothing is deleted sooner than by the wall clock.
//
// A clock that jumps again and again, because the machine starts without one, or is paused every night, is followed all
// the same: what it was ahead when a day began is believed at that day's end, whatever it has jumped since. So the time
// to delete by lags by what two days of running bring, and what a look comes late.
//
// What is trusted without proof: that the wall clock is at most a quarter of an hour ahead between two looks, that it ran
// while the machine was off, up to 36 hours, and, without a record, that it is right if the office was used by it within
// 36 hours.

import Linux
import Text

/// What was known of the time at a look at the clocks. Seconds; since 1970, unless said otherwise.
struct TrustedTime: Hashable {
  /// What the clocks show.
  struct Clocks: Hashable {
    /// Names the run of the machine, since it was started; empty: /proc does not tell.
    var boot: String
    /// How long that run has lasted, time asleep included.
    var uptime: Int64
    var wall: Int64
  }

  let clocks: Clocks
  /// The time to delete by: never after the wall clock's, at that look.
  let time: Int64
  /// For how long the wall clock has been ahead of it by ``level``.
  let lasted: Int64
  /// By how much, at least, at all looks since.
  let level: Int64

  var ahead: Int64 { clocks.wall - time }

  /// Clocks that differ by so much are as good as equal.
  static let slack: Int64 = 900
  /// What lasts so long is believed.
  static let day: Int64 = 86_400
  /// The longest time off for which the wall clock is believed to have run.
  static let bridge: Int64 = 36 * 3600
  /// Where the record is not ours to write, one of an earlier run that is older than this tells nothing.
  static let stale = 2 * day

  /// A look at the clocks.
  /// - Parameters:
  ///   - before: what was known at the last look; nil: nothing.
  ///   - newest: for that case, when the office was used last, by what the clock showed then.
  init(_ before: TrustedTime?, _ now: Clocks, newest: Int64? = nil) {
    guard let before else {
      clocks = now
      let isUsed = newest.map { now.wall - $0 <= TrustedTime.bridge } == true
      (time, lasted) = (isUsed ? now.wall : min(newest ?? 0, now.wall), 0)
      level = now.wall - time
      return
    }
    if now.boot != before.clocks.boot, now.uptime < TrustedTime.slack, now.wall < before.clocks.wall {
      self = before  // just started, and the clock is not set yet: that tells nothing
      return
    }
    let (passed, shown) = before.passed(until: now)
    var (time, lasted) = (before.time + passed, Int64(0))
    var level = now.wall - time
    if before.ahead > 0 {
      lasted = before.lasted + shown
      level = min(level, before.level)
      if lasted >= TrustedTime.day {
        time += max(0, level)
        (lasted, level) = (0, now.wall - time)  // for further jumps a day begins
      }
    }
    if now.wall <= time + TrustedTime.slack { (time, lasted, level) = (now.wall, 0, 0) }
    clocks = now
    (self.time, self.lasted, self.level) = (time, lasted, level)
  }

  /// - Returns: how much time has passed for sure, and for how long a jump has been there since. After a long time off
  ///   nobody knows the first; but two runs of the machine have seen the second.
  private func passed(until now: Clocks) -> (known: Int64, shown: Int64) {
    if clocks.boot == now.boot, !now.boot.isEmpty, now.uptime >= clocks.uptime {
      return (now.uptime - clocks.uptime, now.uptime - clocks.uptime)
    }
    let difference = max(0, now.wall - clocks.wall)
    return difference <= TrustedTime.bridge ? (difference, difference) : (0, TrustedTime.bridge)
  }

  /// Reads the record; nil for anything else.
  init?(_ text: [UInt8]) {
    guard let fields = text.withUnsafeBytes({ Headers.parse($0) })?.headers else { return nil }
    func number(_ name: String) -> Int64? {
      fields[name].flatMap { Int64($0) }.flatMap { (0...(1 << 40)).contains($0) ? $0 : nil }
    }
    guard let boot = fields["Boot"], let uptime = number("Uptime"), let wall = number("Wall"),
      let time = number("Trusted"), let lasted = number("Lasted"), let level = number("Level"), time <= wall
    else { return nil }
    clocks = Clocks(boot: boot, uptime: uptime, wall: wall)
    (self.time, self.lasted, self.level) = (time, lasted, level)
  }

  /// Whether the wall clock has jumped since, in the same run of the machine, by more than a pause or a start explains.
  func hasJumped(until now: Clocks) -> Bool {
    let passed = now.uptime - clocks.uptime
    return clocks.boot == now.boot && now.wall - clocks.wall - passed > TrustedTime.bridge
  }

  /// What deleting waits for; nil: nothing.
  var words: String? {
    if ahead == 0 { return nil }
    let step: Int64 = ahead < 7200 ? 60 : 3600
    let isFar = ahead > 3650 * TrustedTime.day
    let length = isFar ? "far" : Duration.seconds((ahead + step / 2) / step * step).postText
    return
      "the clock is \(length) ahead of the time that is known to have passed; nothing is deleted on its account "
      + "before it has been so for a day"
  }

  /// What is behind it in the file, of an earlier record that was longer, does not count.
  var text: String {
    "Boot: \(clocks.boot)\nUptime: \(clocks.uptime)\nWall: \(clocks.wall)\nTrusted: \(time)\nLasted: \(lasted)\n"
      + "Level: \(level)\n\n"
  }
}

extension Office {
  /// Looks at the clocks.
  /// - Parameters:
  ///   - isFirst: this command has changed nothing so far: without a record, the times of directories tell something.
  ///   - noting: writes down what it saw. Who does not, changes nothing.
  /// - Returns: the time to delete by, seconds since 1970; 0 if nothing tells.
  @discardableResult
  package func timeToDeleteBy(isFirst: Bool = false, noting: Bool = true) -> Int64 {
    var before = timeRecord()
    let clocks = TrustedTime.Clocks(
      boot: Host.bootID, uptime: Clock.sinceBoot / 1_000_000_000, wall: Clock.wall / 1_000_000_000)
    let isOpen = isFirst || !noting
    if before == nil, !isOpen { return 0 }
    var now = TrustedTime(before, clocks, newest: before == nil ? lastUse(before: clocks.wall) : nil)
    if !noting { return min(now.time, clocks.wall) }
    if !note(now), let old = before?.clocks, old.boot != clocks.boot,
      clocks.wall - old.wall > TrustedTime.stale
    {
      // Another's office, and nobody there has looked for long.
      if !isOpen { return 0 }
      (before, now) = (nil, TrustedTime(nil, clocks, newest: lastUse(before: clocks.wall)))
    }
    waitingForClock = now.words
    // A jump that was seen is told of once; after a long time off, only if somebody asks.
    if let words = now.words, before?.hasJumped(until: clocks) == true {
      warn(words)
      waitingForClock = nil
    }
    return min(now.time, clocks.wall)
  }

  private func timeRecord() -> TrustedTime? {
    guard let file = try? root.open(Layout.clock, .read) else { return nil }
    return (try? file.readAll(limit: 4096)).flatMap { TrustedTime($0) }
  }

  /// - Returns: whether it could be written.
  private func note(_ time: TrustedTime) -> Bool {
    let text = Array(time.text.utf8)
    let made: Path
    do throws(Errno) {
      let file = try root.open(Layout.clock, .write)
      let status = try file.status()
      if status.kind == .regular, status.links == 1 {
        try file.write(text, at: 0)
        return true
      }
      made = Layout.newClock
    } catch .noEntry { made = Layout.clock } catch .denied { made = Layout.newClock } catch { return false }
    do throws(Errno) {
      // One that is not ours to write is replaced, if the directory is.
      if made != Layout.clock { do throws(Errno) { try root.remove(made) } catch .noEntry {} }
      let file = try root.open(made, .create(permissions: 0o666))
      do throws(Errno) {
        try file.write(text)
        if made != Layout.clock { try root.replace(Layout.clock, with: made) }
      } catch {
        try? root.remove(made)
        throw error
      }
      return true
    } catch { return false }
  }

  /// When names changed last in the directories of the office, by their own times; nil if nobody can tell.
  private func lastUse(before now: Int64) -> Int64? {
    var newest: Int64?
    let topics = ((try? topicNames()) ?? []).map { TopicLayout($0).root }
    let mailboxes = ((try? mailboxNames()) ?? []).map { MailboxLayout($0).root }
    let places: [Path] = [".", "new", "cur", "later", "done", "failed", "log"]
    let folders = (topics + mailboxes).flatMap { room in places.map { room / $0 } }
    for folder in [Layout.topics, Layout.mailboxes] + folders {
      guard let time = try? root.status(folder).modified, time <= now else { continue }
      newest = max(newest ?? time, time)
      if now - time <= TrustedTime.bridge { break }
    }
    return newest
  }
}
