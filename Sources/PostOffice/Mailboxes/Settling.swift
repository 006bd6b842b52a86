// Settling: how a claim ends. One rename; what must be written about it is written before.

import Linux
import Text

extension Claim {
  /// Ends the claim as the verdict says.
  /// - Parameters:
  ///   - settings: tries and delays.
  ///   - words: what the handler said, for the note of a letter in trouble.
  @discardableResult
  public func settle(
    _ verdict: Verdict, settings: Settings, words: [UInt8] = []
  ) throws(PostError) -> Settlement {
    defer { isNoted = true }  // even if the letter cannot be settled now
    return try mailbox.settle(entry, at: entry.path, verdict, settings, isNoted ? nil : words)
  }

  /// Gives the letter back as if it had not been claimed.
  public func release() throws(PostError) { try settle(.broken("released"), settings: Settings()) }
}

extension Mailbox {
  /// Makes the settlements so far durable in the places they went to. Until then a power cut may give
  /// letters back that were done.
  package func syncSettled() throws(PostError) {
    flushLog()
    // Where they came from, too: btrfs, cut off, shows a renamed letter under both names if only the new one's
    // directory was synced. Those last, as far as that goes: then a rename that a file system tears leaves both names.
    let goals = takeGoals()
    let places = Place.allCases.filter(unsynced.contains)
    let sources = left
    (unsynced, left) = ([], [])  // now: a sync that failed is not repeated
    var trouble = syncTrouble.take()
    func sync(_ path: Path, _ sync: () throws(Errno) -> Void) {
      do throws(Errno) { try sync() } catch {
        trouble = trouble ?? PostError(error, "cannot make \(path) durable")
      }
    }
    var folders = [LetterDirectory]()
    for place in places {
      if let goal = goals[place] {
        folders.append(goal)
      } else {
        sync(layout[place]) { () throws(Errno) in
          // If it was sealed just then, a power cut may undo a retry: it is tried again all the same.
          guard place == .later else { return try office.syncSealed(layout[place], []) }
          folders.append(try LetterDirectory(opening: layout[place], of: office))
        }
      }
    }
    let (last, first) = (
      folders.filter { sources.contains($0.path) }, folders.filter { !sources.contains($0.path) }
    )
    for folder in first { sync(folder.path) { () throws(Errno) in try folder.directory.sync() } }
    for folder in last { sync(folder.path) { () throws(Errno) in try folder.directory.sync() } }
    // cur/ before bags: a letter in hands came from there.
    for path in sources.sorted(by: { $0 == layout[.cur] || $1 != layout[.cur] && $0 < $1 }) {
      let isSynced = folders.contains { $0.path == path }
      sync(path) { () throws(Errno) in
        // A bag that is gone was made durable by whoever removed it.
        do throws(Errno) { try syncSource(path, isSynced: isSynced) } catch .noEntry {}
      }
    }
    if let trouble { throw trouble }
    // Its own directories, that is: letters that came back may have gone into a bag.
    for folder in folders where places.contains(where: { layout[$0] == folder.path }) {
      if let size = try? folder.directory.file.status().size { sealIfFull(folder.path, size: size) }
    }
  }

  /// Makes it durable that letters left a directory. It may have been sealed since; or it was a bag of it that they
  /// left, when another process claimed them, which did not say where.
  private func syncSource(_ path: Path, isSynced: Bool) throws(Errno) {
    let isSealable = path != layout[.cur] && path.parent == layout.root
    if isSealable, try office.hasBags(of: path) {
      try office.root.directory(path).syncFileSystem()
    } else if !isSynced {
      try office.root.directory(path).sync()
    }
  }

  /// The office's file system was synced, and with it, if it lies there, this mailbox.
  package func wasSynced() {
    let (here, there) = (
      try? office.root.status(layout.root / ".").device, try? office.root.status(".").device
    )
    guard here == there else { return }
    (unsynced, left) = ([], [])
    for (place, goal) in takeGoals() where goal.path == layout[place] {
      if let size = try? goal.directory.file.status().size { sealIfFull(goal.path, size: size) }
    }
  }

  /// The same, for callers whose work is done: trouble is told.
  package func syncOrWarn() {
    do throws(PostError) { try syncSettled() } catch { office.warn(error.message) }
  }

  /// Whether the letter of a claim is still in `cur/`. If we cannot see, it is.
  package func isInHands(_ claim: Claim) -> Bool {
    do throws(Errno) {
      if try office.root.exists(layout[.cur] / claim.entry.path) { return true }
    } catch { return true }
    do throws(PostError) { return try flagged(claim.entry) != nil } catch { return true }
  }

  /// The name that a claimed letter has by now, if a mail reader has put its flags behind it. If the marks differ, it
  /// is another's claim.
  private func flagged(_ claim: EntryName) throws(PostError) -> Path? {
    try find(claim.id.path, in: [.cur]).first { EntryName($0.name) == claim }?.name
  }

  /// Ends a claim or a lease as the verdict says: a note is written before the letter moves, the log after it.
  /// - Parameters:
  ///   - name: the letter's file name in `cur/`.
  ///   - words: what the handler said; nil: the note is written already.
  @discardableResult
  fileprivate func settle(
    _ entry: EntryName, at name: Path, _ verdict: Verdict, _ settings: Settings, _ words: [UInt8]?
  ) throws(PostError) -> Settlement {
    let (id, attempt) = (entry.id, entry.attempt ?? 1)
    let settlement = Settlement(verdict, attempt: attempt, settings)
    let remark: String? =
      switch (settlement, verdict) {
      case (.later, _): "tried again in \(settings.delay(afterAttempt: attempt).postText)"
      case (.failed, .failed): "failed for good"
      case (.failed, _): "no tries left"
      case (.done, _), (.released, _): nil
      }
    if let words, let remark {
      note(id, "attempt \(attempt) of \(settings.tries): \(verdict.reason); \(remark)", words)
    }
    let (place, target, event) = settlement.target(id, attempt)
    try settle(name, as: target, in: place)
    log(event, id, "attempt=\(attempt)" + (remark == nil ? "" : " \(verdict.reason)"))
    // It will come back, and whoever puts it back may be another.
    if place == .later || place == .new, order == .strict { window.forget() }
    return settlement
  }

  private func settle(_ entry: Path, as name: EntryName, in place: Place) throws(PostError) {
    do throws(Errno) {
      do throws(Errno) {
        try settleIn(entry, from: layout[.cur], to: place, as: name)
      } catch .noEntry {
        guard let other = try? flagged(EntryName(entry)) else { throw .noEntry }
        try settleIn(other, from: layout[.cur], to: place, as: name)
      }
      unsynced.insert(place)
      left.insert(layout[.cur])
    } catch let error where error == .noEntry && EntryName(entry).until != nil {
      throw PostError(
        .notFound, "the lease of letter \(name.id) of mailbox \(self.name) is over; another may have it")
    } catch {
      let what =
        "cannot move letter \(name.id) of mailbox \(self.name) from \(layout[.cur]) to \(layout[place])"
      throw office.trouble(error, what, in: layout.root)
    }
  }

  /// Settles a leased letter by its ID, or the beginning of it.
  /// - Throws: not found; usage, if the beginning fits several.
  package func settleLeased(_ prefix: Path, _ verdict: Verdict) throws(PostError) {
    let found = try findOne(prefix, in: [.cur])
    left.insert(layout[.new])  // the claim, perhaps another process's, is not durable either
    let entry = EntryName(found.name)
    guard entry.until != nil else {
      throw PostError(
        .notFound, "letter \(entry.id) of mailbox \(name) is not leased: its holder will settle it")
    }
    try settle(entry, at: found.name, verdict, (try? settings()) ?? Settings(), [])
  }

  /// Puts a letter that failed, or waits for its next attempt, back into `new/` with all its tries.
  package func retry(_ entry: Entry) throws(PostError) {
    _ = try bringBack(entry, as: "retried")
  }

  /// Puts a letter that has ended, or waits for its next attempt, back into `new/` with all its tries.
  /// - Parameter event: what the log calls it.
  /// - Returns: false if it is no longer there.
  func bringBack(_ entry: Entry, as event: String) throws(PostError) -> Bool {
    let id = EntryName(entry.name).id
    do throws(Errno) {
      do throws(Errno) {
        try settleIn(entry.name, from: entry.folder, to: .new, as: EntryName(id))
        left.insert(entry.folder)
      } catch .noEntry {
        // Gone; or sealed since it was seen.
        guard let bag = try office.bag(with: entry.name, of: layout[entry.place]) else { return false }
        try settleIn(entry.name, from: bag, to: .new, as: EntryName(id))
        left.insert(bag)
      }
      unsynced.insert(.new)
    } catch .noEntry {
      return false
    } catch {
      let what = "cannot put letter \(id) of mailbox \(name) back into \(layout[.new])"
      throw office.trouble(error, what, in: layout.root)
    }
    log(event, id, "")
    return true
  }
}
