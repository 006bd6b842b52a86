// The time by which letters expire (CrashSafety I31). The wall clock may jump ahead, and a letter that was deleted
// because of a jump cannot be brought back. So this time advances as time really passes, and a jump of the wall clock
// counts only after it has lasted for a day.
//
// A process that deletes looks at the clocks and records in `.clock` what it saw, for the next one. The record decides
// only how soon something is deleted: it is not synced; a lost or damaged one is made again; one that this process may
// not write is replaced, or only read. Whatever it says, nothing is deleted sooner than by the wall clock.
//
// A wall clock that jumps again and again, because the machine starts without one or is suspended every night, is
// followed too: what it was ahead when a day began counts at the end of that day, whatever it has jumped since. So the
// time to delete by may lag by what two days of running bring, and by the time between two looks.
//
// Three things are trusted without proof: between two looks the wall clock is at most a quarter of an hour ahead; while
// the machine was off it ran, up to 36 hours; and without a record it is right if the office was used, by its account,
// within 36 hours.

import Linux
import Text

/// What was known of the time at one look at the clocks. Times are seconds since 1970.
struct TrustedTime: Hashable {
  /// What the clocks show.
  struct Clocks: Hashable {
    /// The boot of the machine; empty: /proc does not tell.
    var boot: String
    /// Time since that boot, time asleep included, seconds.
    var uptime: Int64
    var wall: Int64
  }

  let clocks: Clocks
  /// The time to delete by: at that look, not later than the wall clock.
  let time: Int64
  /// For how long the wall clock has been ahead of it by ``level``, seconds.
  let lasted: Int64
  /// By how much it was ahead at least, at all looks since, seconds.
  let level: Int64

  var ahead: Int64 { clocks.wall - time }

  /// Clocks that differ by no more count as equal.
  static let slack: Int64 = 900
  /// A jump that has lasted so long counts.
  static let day: Int64 = 86_400
  /// The longest time off for which the wall clock is believed to have run.
  static let bridge: Int64 = 36 * 3600
  /// A record of an earlier boot that this process may not write, and that is older, tells nothing.
  static let stale = 2 * day

  /// A look at the clocks.
  /// - Parameters:
  ///   - before: what was known at the last look; nil: nothing.
  ///   - newest: without a record, when the office was used last, by the wall clock of then.
  init(_ before: TrustedTime?, _ now: Clocks, newest: Int64? = nil) {
    guard let before else {
      clocks = now
      let isUsed = newest.map { now.wall - $0 <= TrustedTime.bridge } == true
      (time, lasted) = (isUsed ? now.wall : min(newest ?? 0, now.wall), 0)
      level = now.wall - time
      return
    }
    if now.boot != before.clocks.boot, now.uptime < TrustedTime.slack, now.wall < before.clocks.wall {
      self = before  // just booted, and the clock is not set yet: it tells nothing
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
        (lasted, level) = (0, now.wall - time)  // a day begins for further jumps
      }
    }
    if now.wall <= time + TrustedTime.slack { (time, lasted, level) = (now.wall, 0, 0) }
    clocks = now
    (self.time, self.lasted, self.level) = (time, lasted, level)
  }

  /// - Returns: how much time has certainly passed, and for how long a jump has been seen. After a long time off the
  ///   first is unknown; but the jump was seen by two boots.
  private func passed(until now: Clocks) -> (known: Int64, shown: Int64) {
    if clocks.boot == now.boot, !now.boot.isEmpty, now.uptime >= clocks.uptime {
      return (now.uptime - clocks.uptime, now.uptime - clocks.uptime)
    }
    let difference = max(0, now.wall - clocks.wall)
    return difference <= TrustedTime.bridge ? (difference, difference) : (0, TrustedTime.bridge)
  }

  /// Reads a record; nil if the text is none.
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

  /// Whether the wall clock has jumped since, in the same boot, by more than a suspension or a start explains.
  func hasJumped(until now: Clocks) -> Bool {
    let passed = now.uptime - clocks.uptime
    return clocks.boot == now.boot && now.wall - clocks.wall - passed > TrustedTime.bridge
  }

  /// What deletion waits for; nil: it waits for nothing.
  var warning: String? {
    if ahead == 0 { return nil }
    let step: Int64 = ahead < 7200 ? 60 : 3600
    let isFar = ahead > 3650 * TrustedTime.day
    let length = isFar ? "far" : Duration.seconds((ahead + step / 2) / step * step).postText
    return
      "the clock is \(length) ahead of the time that is known to have passed; nothing is deleted on its account "
      + "before it has been so for a day"
  }

  /// The record. It ends with an empty line: what follows in the file is the rest of a longer, earlier record.
  var text: String {
    "Boot: \(clocks.boot)\nUptime: \(clocks.uptime)\nWall: \(clocks.wall)\nTrusted: \(time)\nLasted: \(lasted)\n"
      + "Level: \(level)\n\n"
  }
}

extension Office {
  /// Looks at the clocks.
  /// - Parameters:
  ///   - isFirst: this command has changed nothing so far, so without a record the times of directories tell something.
  ///   - noting: records what it saw; else it changes nothing.
  /// - Returns: the time to delete by, seconds since 1970; 0 if it is unknown.
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
      // Another user's office, where no process has looked for long.
      if !isOpen { return 0 }
      (before, now) = (nil, TrustedTime(nil, clocks, newest: lastUse(before: clocks.wall)))
    }
    waitingForClock = now.warning
    // A jump within one boot is reported once; any other delay only by post sweep -v.
    if let warning = now.warning, before?.hasJumped(until: clocks) == true {
      warn(warning)
      waitingForClock = nil
    }
    return min(now.time, clocks.wall)
  }

  private func timeRecord() -> TrustedTime? {
    guard let file = try? root.open(Layout.clock, .read) else { return nil }
    return (try? file.readAll(limit: 4096)).flatMap { TrustedTime($0) }
  }

  /// Records a look.
  /// - Returns: false if it could not.
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
      // A record that this process may not write is replaced, if it may write the directory.
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

  /// When names changed last in the directories of the office, by the times of these; nil if it cannot be seen.
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
