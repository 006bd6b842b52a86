// A mailbox: a subscriber's own copy of every letter, and how far it is with each. What it does is in the files that
// its parts are named after: ClaimQueue says which letter is next, LetterMoves renames and syncs, EventLog and Notes
// write down what happened; Claiming, Settling, Reclaiming, RetryQueue and Replay move letters from state to state.
//
// A mailbox is not for several threads. Several processes may use one mailbox at once in any way: the directories are
// the truth, and what is held in memory here is only a hint.

import Linux

/// A mailbox of an office.
public final class Mailbox {
  public let name: Name
  package let office: Office
  package let layout: MailboxLayout
  /// The inode number of its directory: another mailbox may have taken its name.
  package let inode: UInt64
  /// Letters with a longer body are not claimed. Bytes.
  package let bodyLimit: Int64
  /// Letters with a longer body are claimed before they are verified, which would take too long. Bytes.
  let verifiedAtOnce: Int64
  package let notes: Notes
  let queue: ClaimQueue
  let moves: LetterMoves
  let log: EventLog
  /// Shows the claims that this process made without a handler, as long as there are some.
  weak var beacon: Beacon?
  /// More letters in `later/` are due than one pass put back.
  var hasMoreDue = false

  fileprivate init(
    _ name: Name, _ office: Office, bodyLimit: Int64 = .max, verifiedAtOnce: Int64 = .max,
    keepsLogBack: Bool = false
  ) throws(Errno) {
    (self.name, self.office, self.bodyLimit, self.verifiedAtOnce) = (name, office, bodyLimit, verifiedAtOnce)
    layout = MailboxLayout(name)
    inode = try office.root.status(layout.root / ".").inode
    notes = Notes(office: office, layout: layout)
    queue = ClaimQueue(office, name)
    moves = LetterMoves(office, name)
    log = EventLog(office, layout[.log], keepsLinesBack: keepsLogBack)
  }

  public func settings() throws(PostError) -> Settings {
    let settings = try office.settings(of: name)
    queue.order = queue.order ?? settings.order
    return settings
  }

  // MARK: What happened

  package func settingsChanged(_ settings: Settings) { queue.order = settings.order }

  /// Letters have arrived in `new/`, or may have.
  /// - Parameter name: of a single letter; nil: not known.
  package func lettersArrived(named name: Path? = nil) { queue.lettersArrived(named: name) }

  /// So many letters will be claimed at most.
  package func expect(_ claims: Int) { queue.expect(claims) }

  /// The process serves so many mailboxes, which share the memory for names.
  package func shareMemory(among mailboxes: Int) { queue.shareMemory(among: mailboxes) }

  // MARK: Making it durable

  /// Writes the lines of the log that were kept back.
  package func flushLog() { log.flush() }

  /// The file system of the office was synced, and with it the moves of letters, if the mailbox lies there.
  package func fileSystemWasSynced() { moves.fileSystemWasSynced() }

  /// Makes the moves so far durable. Until then a power cut may give letters back that were done.
  package func sync() throws(PostError) {
    log.flush()
    try moves.sync()
  }

  /// The same, for callers whose work is done: trouble is reported.
  package func syncOrWarn() {
    do throws(PostError) { try sync() } catch { office.warn(error.message) }
  }
}

extension Office {
  /// - Throws: not found.
  public func mailbox(_ name: Name) throws(PostError) -> Mailbox { try mailbox(name, completing: true) }

  /// - Parameters:
  ///   - completing: makes directories that are missing. Not when it may just be being removed.
  ///   - keepsLogBack: lines of its log are written by ``Mailbox/flushLog()``.
  package func mailbox(
    _ name: Name, completing: Bool = true, bodyLimit: Int64 = .max, verifiedAtOnce: Int64 = .max,
    keepsLogBack: Bool = false
  ) throws(PostError) -> Mailbox {
    do throws(Errno) {
      guard try isWhole(MailboxLayout(name)) else { throw .noEntry }
      var made = [Path]()
      if completing { try complete(MailboxLayout(name), noting: &made) }
      return try Mailbox(
        name, self, bodyLimit: bodyLimit, verifiedAtOnce: verifiedAtOnce, keepsLogBack: keepsLogBack)
    } catch .noEntry {
      throw PostError(
        .notFound, "there is no mailbox '\(name)' in \(path)", remedy: "post subscribe \(name) TOPIC makes it"
      )
    } catch {
      throw trouble(error, "cannot open", "mailbox \(name) in \(path)")
    }
  }

  /// The mailbox of this name, made if it is missing.
  @discardableResult
  public func makeMailbox(_ name: Name) throws(PostError) -> Mailbox {
    let layout = MailboxLayout(name)
    try attemptMaking("\(path)/\(layout.root)") { (made) throws(Errno) in
      try complete(layout, noting: &made)
    }
    return try attempt("cannot open", "mailbox \(name) in \(path)") { () throws(Errno) in
      try Mailbox(name, self)
    }
  }

  /// Makes the directories that a mailbox lacks: git, backups and tidy people drop empty ones.
  private func complete(_ layout: MailboxLayout, noting made: inout [Path]) throws(Errno) {
    var isComplete = true
    for folder in layout.required where isComplete { isComplete = try root.exists(folder) }
    if isComplete { return }
    try make([layout.root], in: Layout.mailboxes, noting: &made)
    try root.sync()
    // A process that sees these all relies on the rest being durable: they come after the syncs (CrashSafety I15).
    try make(layout.required, in: layout.root, noting: &made)
  }

  /// Whether a mailbox is there. If a sealer died between the two steps that sealing takes on some file systems, `new`
  /// is missing, and its bags tell.
  private func isWhole(_ layout: MailboxLayout) throws(Errno) -> Bool {
    if try root.exists(layout[.new]) { return true }
    return try !bags(of: layout[.new]).isEmpty
  }
}
