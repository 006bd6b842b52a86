// The time by which old things are deleted. The wall clock may jump ahead, and what it then makes old cannot be brought
// back. So time passes here as it truly does, and a jump is believed only after it has lasted for a day.
//
// Who deletes looks at the clocks, and writes into .clock what it saw; the next one reads it. Nothing depends on that
// file but how soon something is deleted: it is not synced, one that is lost or damaged is made anew, and one that is not
// ours to write is only read. Whatever it says, nothing is deleted sooner than by the wall clock.
//
// What is trusted without proof: that the wall clock is at most a quarter of an hour ahead between two looks, that it ran
// while the machine was off, up to 36 hours, and, without a record, that it is right if the office was used by it within
// 36 hours.

import Linux

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
  /// The time to delete by: never after the wall clock's.
  let time: Int64
  /// For how long the wall clock has been ahead of it.
  let lasted: Int64

  var ahead: Int64 { clocks.wall - time }

  /// Clocks that differ by so much are as good as equal.
  static let slack: Int64 = 900
  /// What lasts so long is believed.
  static let day: Int64 = 86_400
  /// The longest time off for which the wall clock is believed to have run.
  static let bridge: Int64 = 36 * 3600

  /// A look at the clocks.
  /// - Parameters:
  ///   - before: what was known at the last look; nil: nothing.
  ///   - newest: for that case, when the office was used last, by what the clock showed then.
  init(_ before: TrustedTime?, _ now: Clocks, newest: Int64? = nil) {
    clocks = now
    guard let before else {
      let isUsed = newest.map { now.wall - $0 <= TrustedTime.bridge } == true
      (time, lasted) = (isUsed ? now.wall : min(newest ?? 0, now.wall), 0)
      return
    }
    let (passed, shown) = before.passed(until: now)
    var (time, lasted) = (before.time + passed, before.lasted)
    // What the wall clock would show if it had not jumped since.
    let expected = before.clocks.wall + passed
    if before.ahead > 0 {
      lasted += shown
      if lasted >= TrustedTime.day { time = expected }
    }
    if now.wall <= time + TrustedTime.slack {
      (time, lasted) = (now.wall, 0)
    } else if now.wall > expected + TrustedTime.slack {
      lasted = 0  // a further jump
    }
    (self.time, self.lasted) = (time, lasted)
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
      let time = number("Trusted"), let lasted = number("Lasted"), time <= wall
    else { return nil }
    clocks = Clocks(boot: boot, uptime: uptime, wall: wall)
    (self.time, self.lasted) = (time, lasted)
  }

  /// What deleting waits for; nil: nothing.
  var words: String? {
    if ahead == 0 { return nil }
    let step: Int64 = ahead < 7200 ? 60 : 3600
    let length = time == 0 ? "far" : Duration.seconds((ahead + step / 2) / step * step).postText
    return
      "the clock is \(length) ahead of the time that is known to have passed; nothing is deleted on its account "
      + "before it has been so for a day"
  }

  /// What is behind it in the file, of an earlier record that was longer, does not count.
  var text: String {
    "Boot: \(clocks.boot)\nUptime: \(clocks.uptime)\nWall: \(clocks.wall)\nTrusted: \(time)\nLasted: \(lasted)\n\n"
  }
}

extension Office {
  /// Looks at the clocks.
  /// - Parameters:
  ///   - isFirst: this command has changed nothing so far: without a record, the times of directories tell something.
  ///   - noting: writes down what it saw.
  /// - Returns: the time to delete by, seconds since 1970.
  @discardableResult
  func timeToDeleteBy(isFirst: Bool = false, noting: Bool = true) -> Int64 {
    let before = timeRecord()
    let clocks = TrustedTime.Clocks(
      boot: Host.bootID, uptime: Clock.sinceBoot / 1_000_000_000, wall: Clock.wall / 1_000_000_000)
    let newest = before == nil && isFirst ? lastUse(before: clocks.wall) : nil
    let now = TrustedTime(before, clocks, newest: newest)
    if !noting { return now.time }
    note(now)
    waitingForClock = now.words
    // A jump that was seen is told of once; after a long time off, only if somebody asks.
    if let words = now.words, now.lasted == 0, before?.clocks.boot == clocks.boot {
      warn(words)
      waitingForClock = nil
    }
    return now.time
  }

  private func timeRecord() -> TrustedTime? {
    guard let file = try? root.open(Layout.clock, .read) else { return nil }
    return (try? file.readAll(limit: 4096)).flatMap { TrustedTime($0) }
  }

  private func note(_ time: TrustedTime) {
    let text = Array(time.text.utf8)
    do throws(Errno) {
      let file = try root.open(Layout.clock, .write)
      let status = try file.status()
      if status.kind == .regular, status.links == 1 { try file.write(text, at: 0) }
    } catch .noEntry {
      guard let file = try? root.open(Layout.clock, .create(permissions: 0o666)) else { return }
      if (try? file.write(text)) == nil { try? root.remove(Layout.clock) }
    } catch {}
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
