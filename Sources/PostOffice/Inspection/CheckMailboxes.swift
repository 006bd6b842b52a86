// Mailboxes: dead claims, debris, letters in two places at once, notes without a letter.

import Linux
import Text

extension Inspection {
  func check(mailbox name: Name) {
    let layout = MailboxLayout(name)
    guard let room = enter(layout.root, as: "mailbox") else { return }
    checkSettings(layout.settings, .mailbox)
    let isSubscribed = (try? office.topics(of: name).isEmpty) == false
    let make = { () throws(PostError) in try self.office.makeMailbox(name) }
    guard isMade(room, layout.required, "post subscribe \(name) TOPIC makes it", isUsed: isSubscribed, make)
    else { return }
    for folder in layout.required + [layout[.corrupt]] { checkDirectory(folder, of: room) }
    checkCorrupt(layout[.corrupt])
    checkDebris(in: layout[.tmp], of: room, layout[.corrupt])
    guard let mailbox = try? office.mailbox(name, completing: false) else { return }  // gone meanwhile
    if let words = mailbox.brokenHandler {
      found(
        .brokenHandler, layout.broken, visible(words), remedy: "put it right; the watcher goes on by itself")
    }
    checkClaims(of: mailbox)
    var count = 0
    checkBags(of: room)
    for place in Place.states where place != .corrupt {
      for folder in folders(of: layout[place]) {
        for entry in names(in: folder) {
          count += 1
          checkLetter(entry, in: folder, of: room) { (how) throws(PostError) in
            try setAside(entry, from: folder, of: mailbox, room, how)
          }
        }
      }
    }
    checkDuplicates(in: mailbox)
    checkNotes(of: mailbox)
    tell("looked at \(layout.root): \(letters(count))")
  }

  private func setAside(
    _ entry: Path, from folder: Path, of mailbox: Mailbox, _ room: Room, _ how: String
  ) throws(PostError) -> Outcome {
    if folder == mailbox.layout[.cur], isHeld(entry, mailbox) {
      return .left("somebody has it in hands; run it again when that is over")
    }
    let corrupt = mailbox.layout[.corrupt]
    return try settingAside(corrupt, of: room) { () throws(PostError) in
      guard try mailbox.setAside(entry, from: folder, because: how) != nil else { return .gone }
      return .done("set aside in \(corrupt)")
    }
  }

  private func isHeld(_ entry: Path, _ mailbox: Mailbox) -> Bool {
    if let until = EntryName(entry).until, until > Clock.wall / 1_000_000 { return true }
    let status = try? office.root.status(mailbox.layout[.cur] / entry)
    return status?.kind == .regular && mailbox.isHolderAlive(entry, try? mailbox.openBeacons())
  }

  // MARK: Claims

  private func checkClaims(of mailbox: Mailbox) {
    let folder = mailbox.layout[.cur]
    let entries = names(in: folder)
    let isDead = { (entry: Path) in
      EntryName(entry).attempt != nil && !self.isHeld(entry, mailbox)
        && (try? self.office.root.status(folder / entry).kind) == .regular
    }
    let dead = lasting(entries.filter(isDead)) { $0.filter(isDead) }
    let readers = entries.count { EntryName($0).attempt == nil }
    if readers > 0 {
      found(
        .movedByReader, folder,
        "a mail reader has moved \(letters(readers)) here, and post leaves them alone",
        remedy: "mv what shall be handled back to \(mailbox.layout[.new])")
    }
    if dead.isEmpty { return }
    var taken: [Path: Place]?
    if mayRepair {
      do throws(PostError) { taken = try mailbox.takeBack(dead) } catch { office.warn(error.message) }
    }
    for entry in dead {
      let isLease = EntryName(entry).until != nil
      let what = isLease ? "its lease is over" : "its holder is dead"
      found(isLease ? .expiredLease : .deadClaim, folder / entry, what, cure: "takes it back") {
        if let place = taken?[entry] { return .done("taken back into \(mailbox.layout[place])") }
        return isDead(entry) ? .left("it could not be taken back; post sweep tries again") : .gone
      }
    }
  }

  // MARK: Letters in two places

  /// One letter stands in two states. No command does that, but a copy by hand may. It is only told: which
  /// of the two is meant nobody can know, even if one is done (somebody may want it handled again), and
  /// whoever removes one may meet the holder of the other removing that. Twice is better than never.
  private func checkDuplicates(in mailbox: Mailbox) {
    let layout = mailbox.layout
    let places: [Place] = [.new, .cur, .later, .failed, .done]
    // Hashes are enough at first: most letters are in one place.
    var met = Set<Int>()
    var often = Set<Int>()
    forEachLetter(in: mailbox, places) { _, name in
      let hash = EntryName(name).id.hashValue
      if !met.insert(hash).inserted { often.insert(hash) }
    }
    if often.isEmpty { return }
    var groups: [LetterID: [Path]] = [:]
    forEachLetter(in: mailbox, places) { folder, name in
      let id = EntryName(name).id
      if often.contains(id.hashValue) { groups[id, default: []].append(folder / name) }
    }
    // Done twice is no trouble: its holder died between the work and saying so.
    let pairs = groups.sorted { $0.key < $1.key }.filter { $0.value[0].place != layout[.done].name }
      .flatMap { _, names in names.dropFirst().map { (names[0], $0) } }
    let together = { (pairs: [(Path, Path)]) in pairs.filter { self.isTwice($0.0, $0.1) } }
    for (one, other) in lasting(together(pairs), together) {
      found(
        .duplicate, one, "is the same letter as \(other), and may be handled once more",
        remedy: "remove the one that is not meant")
    }
  }

  /// Whether these are one letter in two places, at one moment.
  private func isTwice(_ one: Path, _ other: Path) -> Bool {
    guard let first = try? office.root.status(one), let second = try? office.root.status(other),
      (try? office.root.exists(one)) == true
    else { return false }
    return EntryName(one.name).id.isOurs || (first.inode == second.inode && first.device == second.device)
  }

  private func forEachLetter(in mailbox: Mailbox, _ places: [Place], _ body: (Path, Path) -> Void) {
    for place in places {
      try? office.forEachLetter(of: mailbox.layout[place]) { folder, bytes, _ in body(folder, Path(bytes)) }
    }
  }

  // MARK: Notes

  /// A note is written before its letter moves, and kept for whoever wonders. Seconds.
  private static let noteAge: Int64 = 86_400

  private func checkNotes(of mailbox: Mailbox) {
    let folder = mailbox.layout[.notes]
    let now = office.timeToDeleteBy(noting: false)
    let suspects = lone(names(in: folder), in: mailbox).filter { name in
      let written = (try? office.root.status(folder / name).modified) ?? .max
      return now - written > Inspection.noteAge
    }
    for name in lasting(suspects, { self.lone($0, in: mailbox) }) {
      found(.loneNote, folder / name, "is about a letter that is nowhere", cure: "removes it") {
        () throws(PostError) in
        try puttingRight("cannot be removed") { () throws(Errno) in
          try office.root.remove(folder / name)
          return .done("removed")
        }
      }
    }
  }

  /// Those of these notes that are there, and whose letters are in no state.
  private func lone(_ notes: [Path], in mailbox: Mailbox) -> [Path] {
    var lone = Set(notes)
    for place in Place.searchOrder where !lone.isEmpty {
      do throws(Errno) {
        try office.forEachLetter(of: mailbox.layout[place]) { _, bytes, _ in
          lone.remove(EntryName(Path(bytes)).id.path)
        }
      } catch { return [] }  // what cannot be seen may be there
    }
    return lone.filter { (try? office.root.exists(mailbox.layout[.notes] / $0)) == true }.sorted()
  }
}
