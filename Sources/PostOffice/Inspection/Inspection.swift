// The tools of `post check`: report a finding and repair it, look again at what is in motion, read a place.
//
// - An inspection is harmless while senders, readers and watchers work. It reports nothing that a process at work may
//   still put right: what looks wrong is looked at again, for a fifth of a second or longer.
// - A repair works as a finisher does: under the same locks, and with renames that replace nothing (CrashSafety I13).
//   It deletes no letter, only a second link in a directory where the first link stays.
// - A place that cannot be read is reported once and skipped; the rest is checked.

import Linux

/// One inspection of an office.
final class Inspection {
  let office: Office
  let mayRepair: Bool
  /// Takes a line about each topic or mailbox that was checked.
  let progress: (String) -> Void
  private let take: (Finding) -> Void

  /// Good letters that several mailboxes share: each is read once.
  private var good: Set<Inode> = []
  private static let goodLimit = 1 << 18
  /// Letters that were reported as writable: once for all mailboxes that share one.
  var reportedWritable: Set<Inode> = []
  private var reportedUnreadable: Set<Path> = []
  /// Mounts whose file systems were checked; nil: those of which /proc does not tell.
  var checkedMounts: Set<Int?> = []

  struct Inode: Hashable {
    let device: UInt64
    let number: UInt64
    /// Whether it was found under one of our names: such a letter must have our header.
    let isOurs: Bool
  }

  /// The spool, a topic or a mailbox that is being checked.
  struct Subject {
    let root: Path
    let owner: UInt32
  }

  init(
    _ office: Office, mayRepair: Bool, _ progress: @escaping (String) -> Void,
    _ take: @escaping (Finding) -> Void
  ) {
    self.office = office
    self.mayRepair = mayRepair
    self.progress = progress
    self.take = take
  }

  // MARK: Report

  /// What became of a repair.
  enum Outcome {
    case repaired(String)
    /// Another process was quicker: there is nothing to report any more.
    case gone
    case failed(String)
  }

  /// Reports a finding that only the operator can repair.
  func report(_ kind: Finding.Kind, _ place: Path, _ what: String, remedy: String? = nil) {
    take(Finding(kind: kind, place: place.description, what: what, remedy: remedy, repair: nil))
  }

  /// Reports a finding that post can repair, and repairs it if it may.
  /// - Parameters:
  ///   - action: what the repair does: "removes it".
  ///   - repair: throws an `Errno` or a `PostError`; `Errno.noEntry` means gone.
  func report<Failure: Error>(
    _ kind: Finding.Kind, _ place: Path, _ what: String, repair action: String,
    _ repair: () throws(Failure) -> Outcome
  ) {
    var (done, remedy): (String?, String?) = (nil, "post check --repair \(action)")
    if mayRepair {
      do throws(Failure) {
        switch try repair() {
        case .repaired(let how): done = how
        case .gone: return
        case .failed(let why): remedy = why
        }
      } catch {
        let errno = error as? Errno
        if errno == .noEntry { return }
        remedy = (errno.map { PostError($0, "the repair failed") } ?? error as? PostError)?.message
      }
    }
    take(Finding(kind: kind, place: place.description, what: what, remedy: remedy, repair: done))
  }

  /// Reports, once, a place that cannot be read.
  func reportUnreadable(_ place: Path, _ errno: Errno) {
    guard reportedUnreadable.insert(place).inserted else { return }
    let remedy: String? =
      switch errno {
      case .denied, .notPermitted: "run post check as its owner or as root"
      case .notDirectory: "replace it with a directory"
      default: nil
      }
    report(.closed, place, PostError(errno, "cannot be read").message, remedy: remedy)
  }

  // MARK: Read

  /// Reads a place. What has just gone is no finding; what cannot be read is reported.
  /// - Returns: nil in both cases.
  func read<Value>(_ place: Path, _ body: () throws(Errno) -> Value) -> Value? {
    do throws(Errno) { return try body() } catch .noEntry { return nil } catch {
      reportUnreadable(place, error)
      return nil
    }
  }

  /// The status of a name; nil if it is gone or cannot be read.
  /// - Parameter place: what a report calls it, if not by its path.
  func status(_ path: Path, at place: Path? = nil) -> Status? {
    read(place ?? path) { () throws(Errno) in try office.root.status(path) }
  }

  /// The names in a directory, in order, without the hidden ones; none if it is gone or cannot be read.
  func names(in folder: Path) -> [Path] {
    read(folder) { () throws(Errno) in try office.root.directory(folder).names() } ?? []
  }

  // MARK: Look again

  /// What looks wrong is looked at again after these times, nanoseconds: a living process gets further meanwhile.
  static let pauses: [Int64] = [10_000_000, 50_000_000, 140_000_000]
  /// For letters that wait to be sorted: a watcher may be busy with another one.
  static let longPauses: [Int64] = pauses + [300_000_000, 500_000_000]

  /// Looks until all is well, or the pauses are over.
  /// - Parameter look: says what is wrong; nil: nothing.
  /// - Returns: what is still wrong after the last pause.
  func recheck<Trouble>(pauses: [Int64] = Inspection.pauses, _ look: () -> Trouble?) -> Trouble? {
    var trouble = look()
    for pause in pauses where trouble != nil {
      _ = try? waitReadable([], atMost: pause)
      trouble = look()
    }
    return trouble
  }

  /// The same for several suspects.
  /// - Parameter look: leaves those that are wrong.
  func recheck<Suspect>(
    _ suspects: [Suspect], pauses: [Int64] = Inspection.pauses, _ look: ([Suspect]) -> [Suspect]
  ) -> [Suspect] {
    var rest = suspects
    _ = recheck(pauses: pauses) {
      rest = look(rest)
      return rest.isEmpty ? nil : rest
    }
    return rest
  }

  // MARK: Letters

  /// Whether this letter was found good under another of its names.
  func isKnownGood(_ inode: Inode) -> Bool { good.contains(inode) }

  func markGood(_ inode: Inode) { if good.count < Inspection.goodLimit { good.insert(inode) } }

  func letters(_ count: Int) -> String { count == 1 ? "1 letter" : "\(count) letters" }
}
