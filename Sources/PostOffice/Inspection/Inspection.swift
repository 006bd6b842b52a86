// Checking: looks at everything in the office and tells what is wrong; if wanted, puts right what can
// be put right without guessing.
//
// It is harmless while senders, readers and watchers are at work. What only looks wrong because it is
// in motion is looked at again, for a fifth of a second or longer, before it is told. What is put right is put
// right as a passer-by would: under the same locks, with renames that replace nothing. No letter is
// ever removed, but for a second link in the directory where the first one stays.
//
// The rooms are looked at in CheckingGround, CheckingTopics, CheckingMailboxes and CheckingLetters.

import Linux

extension Office {
  /// Looks the whole office over.
  /// - Parameters:
  ///   - repair: puts right what can be put right without guessing.
  ///   - tell: takes a line for people about each thing that was looked at.
  ///   - report: takes what was found, remarks too.
  public func check(
    repair: Bool = false, tell: @escaping (String) -> Void = { _ in }, _ report: @escaping (Finding) -> Void
  ) {
    Inspection(self, mayRepair: repair, tell, report).run()
  }
}

/// One round through the office.
final class Inspection {
  let office: Office
  let mayRepair: Bool
  let tell: (String) -> Void
  private let report: (Finding) -> Void

  /// Letters that were found good and that other mailboxes share: they are read once.
  private var good: Set<Inode> = []
  /// So many of them are kept in mind.
  private static let goodLimit = 1 << 18
  /// Letters that may be written, and were told of: once is enough for all that share them.
  var toldModes: Set<Inode> = []
  /// What cannot be looked into is told once.
  private var toldClosed: Set<Path> = []
  /// Mounts that were judged.
  var judgedMounts: Set<Int> = []

  struct Inode: Hashable {
    let device: UInt64
    let number: UInt64
    /// Whether it was met under a name of ours: such a letter must have our header.
    let isOurs: Bool
  }

  /// A topic or a mailbox that is being looked at.
  struct Room {
    let root: Path
    let owner: UInt32
  }

  init(
    _ office: Office, mayRepair: Bool, _ tell: @escaping (String) -> Void,
    _ report: @escaping (Finding) -> Void
  ) {
    self.office = office
    self.mayRepair = mayRepair
    self.tell = tell
    self.report = report
  }

  func run() {
    guard let (topics, mailboxes) = checkGround() else { return }
    if mayRepair { office.timeToDeleteBy(isFirst: true) }  // no letter has moved yet
    for name in topics { check(topic: name) }
    for name in mailboxes { check(mailbox: name) }
    tell("looked at \(topics.count) topics and \(mailboxes.count) mailboxes of \(office.path)")
  }

  // MARK: Telling

  /// Tells of something that is not ours to put right.
  func found(_ kind: Finding.Kind, _ place: Path, _ what: String, remedy: String? = nil) {
    report(Finding(kind: kind, place: place.description, what: what, remedy: remedy, repair: nil))
  }

  /// What became of an attempt to put something right.
  enum Outcome {
    case done(String)
    /// Somebody else has just done so.
    case gone
    /// Nothing came of it, for this reason.
    case left(String)
  }

  /// Tells of something that can be put right, and puts it right if that is wanted.
  /// - Parameters:
  ///   - cure: what would be done: "removes it".
  ///   - repair: does it.
  func found(
    _ kind: Finding.Kind, _ place: Path, _ what: String, cure: String,
    _ repair: () throws(PostError) -> Outcome
  ) {
    var (done, remedy): (String?, String?) = (nil, "post check --repair \(cure)")
    if mayRepair {
      do throws(PostError) {
        switch try repair() {
        case .done(let words): done = words
        case .gone: return
        case .left(let why): remedy = why
        }
      } catch { remedy = error.message }
    }
    report(Finding(kind: kind, place: place.description, what: what, remedy: remedy, repair: done))
  }

  /// Puts something right; what has just gone is so already.
  /// - Parameter failure: what it says else: "cannot be removed".
  func puttingRight(
    _ failure: String, _ work: () throws(Errno) -> Outcome
  ) throws(PostError) -> Outcome {
    do throws(Errno) { return try work() } catch .noEntry { return .gone } catch {
      throw PostError(error, failure)
    }
  }

  /// Tells of something that cannot be looked into.
  func isClosed(_ place: Path, _ errno: Errno) {
    guard toldClosed.insert(place).inserted else { return }
    let remedy: String? =
      switch errno {
      case .denied, .notPermitted: "run post check as its owner, or as root"
      case .notDirectory: "put one in its place"
      default: nil
      }
    found(.closed, place, PostError(errno, "cannot be looked into").message, remedy: remedy)
  }

  /// Looks into something; what has just gone is no news.
  /// - Returns: nil if nothing could be seen.
  func look<Value>(at place: Path, _ body: () throws(Errno) -> Value) -> Value? {
    do throws(Errno) { return try body() } catch .noEntry { return nil } catch {
      isClosed(place, error)
      return nil
    }
  }

  /// What bears this name; nil if nothing does, or that cannot be seen.
  /// - Parameter place: what it is called for people, if not so.
  func status(_ path: Path, at place: Path? = nil) -> Status? {
    look(at: place ?? path) { () throws(Errno) in try office.root.status(path) }
  }

  /// The names in a directory, in order; the hidden ones are no business of ours.
  func names(in folder: Path) -> [Path] {
    look(at: folder) { () throws(Errno) in try office.root.directory(folder).names() } ?? []
  }

  // MARK: Looking again

  /// What looks wrong is looked at again after these times, nanoseconds. A process that is alive gets
  /// further meanwhile.
  static let pauses: [Int64] = [10_000_000, 50_000_000, 140_000_000]
  /// A letter that waits to be sorted is looked at longer: a watcher may be busy with another one.
  static let longPauses: [Int64] = pauses + [300_000_000, 500_000_000]

  /// What looks wrong, and still does after a while.
  func lasting<Suspect>(
    _ suspects: [Suspect], pauses: [Int64] = Inspection.pauses, _ stillWrong: ([Suspect]) -> [Suspect]
  ) -> [Suspect] {
    var rest = suspects
    for pause in pauses where !rest.isEmpty {
      _ = try? waitReadable([], atMost: pause)
      rest = stillWrong(rest)
    }
    return rest
  }

  // MARK: Letters that were looked at

  /// Whether this letter was found good already, under another of its names.
  func isKnownGood(_ inode: Inode) -> Bool { good.contains(inode) }

  func isGood(_ inode: Inode) { if good.count < Inspection.goodLimit { good.insert(inode) } }
}
