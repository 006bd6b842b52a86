// Mailboxes: claims whose holder has died, letters in two places, notes without a letter.

import Linux
import Text

extension Inspection {
  func check(mailbox name: Name) {
    let layout = MailboxLayout(name)
    guard let subject = checkRoot(layout.root, as: "mailbox") else { return }
    checkSettings(layout.settings, .mailbox)
    let isSubscribed = (try? office.topics(of: name).isEmpty) == false
    let make = { () throws(PostError) in try self.office.makeMailbox(name) }
    guard
      checkParts(
        layout.required, of: subject, creator: "post subscribe \(name) TOPIC", isUsed: isSubscribed, make)
    else { return }
    for folder in layout.required + [layout[.corrupt]] { checkDirectory(folder, of: subject) }
    checkCorrupt(layout[.corrupt])
    checkDebris(in: layout[.tmp], of: subject, corrupt: layout[.corrupt])
    guard let mailbox = try? office.mailbox(name, completing: false) else { return }  // gone meanwhile
    if let words = mailbox.brokenHandler {
      report(
        .brokenHandler, layout.broken, visible(words),
        remedy: "correct it; the watcher then goes on by itself")
    }
    checkClaims(of: mailbox)
    checkBags(of: subject)
    var count = 0
    for place in Place.states where place != .corrupt {
      count += checkLetters(in: folders(of: layout[place]), of: subject) {
        (entry, folder, why) throws(PostError) in
        try setAside(entry, from: folder, of: mailbox, subject, why)
      }
    }
    checkDuplicates(in: mailbox)
    checkNotes(of: mailbox)
    progress("checked \(layout.root): \(letters(count))")
  }

  private func setAside(
    _ entry: Path, from folder: Path, of mailbox: Mailbox, _ subject: Subject, _ why: String
  ) throws(PostError) -> Outcome {
    if folder == mailbox.layout[.cur], isClaimed(entry, mailbox) {
      return .failed("a living holder has claimed it; run post check again later")
    }
    let corrupt = mailbox.layout[.corrupt]
    return try setAside(in: corrupt, of: subject) { () throws(PostError) in
      guard try mailbox.setAside(entry, from: folder, because: why) != nil else { return .gone }
      return .repaired("set aside in \(corrupt)")
    }
  }

  /// Whether a lease is in force on a letter of cur/, or its holder lives.
  private func isClaimed(_ entry: Path, _ mailbox: Mailbox) -> Bool {
    if let until = EntryName(entry).until, until > Clock.wall / 1_000_000 { return true }
    let status = try? office.root.status(mailbox.layout[.cur] / entry)
    return status?.kind == .regular && mailbox.isHolderAlive(entry, try? mailbox.openBeacons())
  }

  // MARK: Claims

  private func checkClaims(of mailbox: Mailbox) {
    let folder = mailbox.layout[.cur]
    let entries = names(in: folder)
    let foreign = entries.count { EntryName($0).attempt == nil }
    if foreign > 0 {
      report(
        .movedByReader, folder,
        "a mail reader has moved \(letters(foreign)) here, and post leaves them alone",
        remedy: "to have them handled, move them back to \(mailbox.layout[.new])")
    }
    let isDead = { (entry: Path) in
      EntryName(entry).attempt != nil && !self.isClaimed(entry, mailbox)
        && (try? self.office.root.status(folder / entry).kind) == .regular
    }
    let dead = recheck(entries) { $0.filter(isDead) }
    if dead.isEmpty { return }
    var putBack: [Path: Place]?
    if mayRepair {
      do throws(PostError) { putBack = try mailbox.takeBack(dead) } catch { office.warn(error.message) }
    }
    for entry in dead {
      let isLease = EntryName(entry).until != nil
      report(
        isLease ? .expiredLease : .deadClaim, folder / entry,
        isLease ? "its lease has ended" : "its holder is dead", repair: "puts it back"
      ) {
        if let place = putBack?[entry] { return .repaired("put back into \(mailbox.layout[place])") }
        return isDead(entry) ? .failed("it could not be put back; post sweep tries again") : .gone
      }
    }
  }

  // MARK: Letters in two places

  /// Reports letters that are in two states, as no command leaves them, but a copy by hand may. There is no repair:
  /// post cannot know which of the two the operator wants, even if one is done, and in removing one it might meet a
  /// holder that removes the other. Twice is better than never.
  private func checkDuplicates(in mailbox: Mailbox) {
    let places: [Place] = [.new, .cur, .later, .failed, .done]
    // Most letters are in one place, so hashes do for the first round.
    var met = Set<Int>()
    var repeated = Set<Int>()
    forEachLetter(in: mailbox, places) { _, name, _ in
      let hash = EntryName(name).id.hashValue
      if !met.insert(hash).inserted { repeated.insert(hash) }
    }
    if repeated.isEmpty { return }
    var groups: [LetterID: [(path: Path, place: Place)]] = [:]
    forEachLetter(in: mailbox, places) { path, name, place in
      let id = EntryName(name).id
      if repeated.contains(id.hashValue) { groups[id, default: []].append((path, place)) }
    }
    // Done twice is no trouble: the holder died between the work and the settlement.
    let pairs = groups.sorted { $0.key < $1.key }.map(\.value).filter { $0[0].place != .done }
      .flatMap { letters in letters.dropFirst().map { (letters[0].path, $0.path) } }
    for (one, other) in recheck(pairs, { $0.filter(areOneLetter) }) {
      report(
        .duplicate, one, "is the same letter as \(other), and may be handled twice",
        remedy: "remove the one that you do not want")
    }
  }

  /// Whether both names exist at one moment and are one letter.
  private func areOneLetter(_ one: Path, _ other: Path) -> Bool {
    guard let first = try? office.root.status(one), let second = try? office.root.status(other),
      (try? office.root.exists(one)) == true
    else { return false }
    return EntryName(one.name).id.isOurs || (first.inode == second.inode && first.device == second.device)
  }

  private func forEachLetter(
    in mailbox: Mailbox, _ places: [Place], _ body: (_ path: Path, _ name: Path, Place) -> Void
  ) {
    for place in places {
      try? office.forEachLetter(of: mailbox.layout[place]) { folder, bytes, _ in
        let name = Path(bytes)
        body(folder / name, name, place)
      }
    }
  }

  // MARK: Notes

  /// A note is written before its letter moves (CrashSafety I24), and kept for a day, seconds, for the operator.
  private static let noteAge: Int64 = 86_400

  private func checkNotes(of mailbox: Mailbox) {
    let folder = mailbox.layout[.notes]
    let oldest = office.timeToDeleteBy(noting: false) - Inspection.noteAge
    let old = names(in: folder).filter { name in
      (try? office.root.status(folder / name)).map { $0.modified < oldest } ?? false
    }
    for name in recheck(old, { lone($0, in: mailbox) }) {
      report(.loneNote, folder / name, "is about a letter that is not here", repair: "removes it") {
        () throws(Errno) in
        try office.root.remove(folder / name)
        return .repaired("removed")
      }
    }
  }

  /// Those of these notes whose letters are in no state.
  private func lone(_ notes: [Path], in mailbox: Mailbox) -> [Path] {
    var lone = Set(notes)
    for place in Place.searchOrder where !lone.isEmpty {
      do throws(Errno) {
        try office.forEachLetter(of: mailbox.layout[place]) { _, bytes, _ in
          lone.remove(EntryName(Path(bytes)).id.path)
        }
      } catch { return [] }  // a letter that cannot be seen may be there
    }
    return lone.filter { (try? office.root.exists(mailbox.layout[.notes] / $0)) == true }.sorted()
  }
}
