// Letters that a mail reader put into a topic's cur/, and that never reached the subscribers.
//
// A mail reader that opens a topic moves letters from new/ to cur/ before they are delivered, and may save letters into
// cur/. Most of them get its flags (`:2,S`); but so do delivered letters when a user looks at them. One without flags
// shows by its mode and links that no finisher has delivered it.
//
// The file system does not tell for certain which is which: a mailbox may have handled a letter and forgotten it. So no
// command delivers such letters on its own. `post sweep` and `post check` report letters that a mailbox cannot have
// had: it has them in no state, they are younger than what it remembers (Keep-Done), and they were accepted after it
// subscribed. `post check --repair` delivers them.

import Linux
import Text

extension Topic {
  /// A letter that a mail reader put into cur/, and the mailboxes that cannot have had it.
  private struct Overlooked {
    var letter: ListedLetter
    /// A mailbox has it: its name is its ID.
    var isKnown = false
    /// A mailbox has another letter of that name.
    var isTaken = false
    var lacking: [Name] = []
  }

  /// The remedy for mailboxes that lack letters which a mail reader took.
  static let remedy = "post check --repair delivers them"
  /// Sweep looks into bags that were changed within this time, seconds: it runs more often.
  private static let sweepSpan: Int64 = 2 * 3600

  /// Says which letters mail readers put into cur/ and subscribers lack; nil: there are none.
  /// - Parameter isQuick: leaves out bags that have not changed lately.
  func reportOverlooked(isQuick: Bool = false) throws(PostError) -> String? {
    let found = try overlooked(since: isQuick ? Clock.wall / 1_000_000_000 - Topic.sweepSpan : nil)
    guard let first = found.first else { return nil }
    let letters = found.count == 1 ? "letter \(first.letter.id)" : "\(found.count) letters"
    let mailboxes = Set(found.flatMap(\.lacking)).sorted().map(\.description)
    return "\(letters) that a mail reader put there never reached \(mailboxes.joined(separator: ", "))"
  }

  /// Delivers these letters, with a warning for each that cannot be.
  /// - Returns: false if another finisher is at work in the topic.
  func deliverOverlooked() throws(PostError) -> Bool {
    var isNew = false
    let isDone = try withLock { () throws(PostError) in
      var letters = [Name: [ListedLetter]]()
      for var found in try overlooked() {
        do throws(Errno) {
          let letter = found.letter
          if EntryName.flags(of: letter.name).isEmpty {
            // It never had flags: a finisher delivers it from new/, this one below or another.
            try office.root.rename(letter.folder / letter.name, to: office.root, layout.new / letter.name)
            isNew = true
            continue
          }
          try accept(&found)
        } catch {
          office.warn(
            PostError(error, "cannot deliver", "\(found.letter.folder / found.letter.name)").message)
          continue
        }
        for name in found.lacking { letters[name, default: []].append(found.letter) }
      }
      for (name, letters) in letters.sorted(by: { $0.key < $1.key }) {
        do throws(Errno) { try Delivery(self).placeKept(letters, into: MailboxLayout(name)) } catch {
          office.warn(PostError(error, "cannot deliver to", "mailbox \(name)").message)
        }
      }
    }
    if isNew { try tidy() }
    return isDone
  }

  /// Does with a letter in cur/ what a finisher does with one in new/ before any mailbox has it: `Topic.prepare`.
  private func accept(_ found: inout Overlooked) throws(Errno) {
    let letter = found.letter
    let file = try office.root.open(letter.folder / letter.name, .read)
    try file.sync()
    if letter.status.links == 1 { try? file.protect() }
    if letter.id.isIssued || found.isKnown { return }
    let isAlone = try !office.root.exists(layout.cur / letter.id.path)
    if isAlone, !found.isTaken, letter.id.mayStay(at: Clock.wall / 1_000_000_000) { return }
    let id = office.ids.next(now: Clock.wall, foreign: true)
    found.letter.name = Path(id.path.bytes + EntryName.flags(of: letter.name))
    found.letter.id = id
    try office.root.rename(letter.folder / letter.name, to: office.root, letter.folder / found.letter.name)
    try office.root.directory(letter.folder).sync()
  }

  /// - Parameter since: bags in which nothing has changed since then are left out, seconds since 1970; nil: none is.
  private func overlooked(since: Int64? = nil) throws(PostError) -> [Overlooked] {
    var found = [LetterID: Overlooked]()
    try attempt("cannot list", "\(layout.cur)") { () throws(Errno) in
      try office.forEachFolder(of: layout.cur) { path, directory throws(Errno) in
        if let since, path != layout.cur, try directory.file.status().modified < since { return true }
        for name in try directory.names() {
          let id = EntryName(name).id
          let isFlagged = !EntryName.flags(of: name).isEmpty
          guard isFlagged || !id.isIssued, let status = try? directory.status(name), status.kind == .regular,
            status.size > 0, isFlagged || status.isUnsorted
          else { continue }
          // Of two with one name, the one that was never delivered.
          let isTaken = found[id] != nil
          found[id]?.isTaken = true
          if isTaken, !status.isUnsorted { continue }
          let letter = ListedLetter(name: name, id: id, status: status, folder: path)
          found[id] = Overlooked(letter: letter, isTaken: isTaken)
        }
        return true
      }
    }
    if found.isEmpty { return [] }
    let (subscribers, unfinished) = try roll()
    for name in subscribers where !unfinished.contains(name) {
      let target = MailboxLayout(name)
      guard let subscribed = try subscribedAt(name), let settings = try? office.settings(of: name) else {
        continue
      }
      let oldest = settings.keepDone.map { Clock.wall / 1_000_000_000 - $0.wholeSeconds } ?? .min
      // What a mailbox lacks that cannot be looked into is unknown.
      guard let matches = try? office.match(found.values.map(\.letter), in: target) else { continue }
      for id in found.keys {
        guard let letter = found[id]?.letter else { continue }
        let held = (try? office.root.exists(layout.held(for: name) / id.path)) == true
        if matches.taken.contains(id) { found[id]?.isTaken = true }
        if matches.found.contains(id) || held {
          found[id]?.isKnown = true
        } else if letter.putThereAt >= max(subscribed, oldest) {
          found[id]?.lacking.append(name)
        }
      }
    }
    return found.values.filter { !$0.lacking.isEmpty }.sorted { $0.letter.id < $1.letter.id }
  }

  /// When a mailbox was subscribed, seconds since 1970; nil: its symlink does not lead to a mailbox of this office.
  private func subscribedAt(_ mailbox: Name) throws(PostError) -> Int64? {
    let link = layout.subscriber(mailbox)
    return try attempt("cannot look at", "\(link)") { () throws(Errno) in
      do throws(Errno) {
        guard try office.root.readSymlink(link) == TopicLayout.subscriberTarget(mailbox) else { return nil }
        return try office.root.status(link).modified
      } catch .noEntry { return nil } catch .invalid { return nil }
    }
  }
}

extension Status {
  /// Whether a foreign letter in cur/ without flags seems never to have been delivered: a finisher takes away the
  /// rights to write it, and links it into mailboxes.
  var isUnsorted: Bool { permissions & 0o222 != 0 && links == 1 }
}

extension ListedLetter {
  /// When a letter in cur/ was accepted, seconds since 1970. A foreign letter with rights to write was never delivered,
  /// and its name may tell a time of years ago.
  fileprivate var putThereAt: Int64 {
    if !id.isIssued, status.permissions & 0o222 != 0 { return status.changed }
    return id.sent ?? status.changed
  }
}
