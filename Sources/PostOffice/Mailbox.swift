// A mailbox: a subscriber's own copy of every letter, and how far it is with each.

import Linux

/// A mailbox of an office.
public final class Mailbox {
  public let name: Name
  package let office: Office
  let layout: MailboxLayout
  /// The byte of a letter that a holder from this mailbox locks: the mailbox directory's inode number.
  let beaconByte: UInt64
  /// Names waiting to be claimed; refilled from `new/`.
  var window = Window()
  var windowSize = Window.usualSize
  /// Whether one letter may overtake another; nil: not read from the settings yet.
  var order: Settings.Order?
  /// Why the last claim got no letter although some may wait; nil: none waits.
  var block: Block?
  /// Names in `new/` that could not be opened; they are left alone, for others to be read.
  var unreadable: Set<Path> = []
  /// Whether lines of the log are kept back, to be written together with ``flushLog()``.
  var keepsLog = false
  /// Lines of the log that are not written yet, and their day.
  var unlogged: (date: String, lines: [UInt8]) = ("", [])
  /// Where letters went that are not yet durable there.
  var unsynced: Set<Place> = []
  /// Where those letters came from: a power cut may show them there still.
  var left: Set<Place> = []

  fileprivate init(_ name: Name, _ office: Office) throws(Errno) {
    self.name = name
    self.office = office
    layout = MailboxLayout(name)
    beaconByte = try office.root.status(layout.root / ".").inode
  }

  public func settings() throws(PostError) -> Settings { try office.settings(of: name) }

  /// Moves a letter within the mailbox. On a full disk the ballast is given up for it.
  func move(_ entry: Path, from place: Place, to target: Place, as name: EntryName) throws(Errno) {
    try Ballast(office).sparing(in: layout.root) { () throws(Errno) in
      try office.root.rename(layout[place] / entry, to: office.root, layout[target] / name.path)
    }
  }

  /// Like ``move(_:from:to:as:)``. If the new name is taken by the same letter (it was handled twice
  /// after a crash), one is enough. If it is taken by another, because a foreign program chose a name
  /// twice, this one gets a new ID.
  func settleIn(_ entry: Path, from place: Place, to target: Place, as name: EntryName) throws(Errno) {
    do throws(Errno) { try move(entry, from: place, to: target, as: name) } catch .exists {
      if try isSame(name.id, layout[place] / entry, layout[target] / name.path) {
        return try office.root.remove(layout[place] / entry)
      }
      let id = office.ids.next(now: Clock.wall, foreign: true)
      let other = EntryName(id, attempt: name.attempt, until: name.until, doneAt: name.doneAt)
      try move(entry, from: place, to: target, as: other)
    }
  }

  /// Whether two names of one ID are the same letter.
  func isSame(_ id: LetterID, _ one: Path, _ other: Path) throws(Errno) -> Bool {
    if id.isOurs { return true }
    let (first, second) = (try office.root.status(one), try office.root.status(other))
    return first.inode == second.inode
  }

  /// The letters in one place, in order of their IDs; names only.
  package func entries(in place: Place) throws(PostError) -> [Path] {
    try office.firstNames(in: layout[place], limit: Int.max / 4)
  }

  /// How many letters are in a place.
  public func count(_ place: Place) throws(PostError) -> Int {
    try office.count(layout[place])
  }

  /// The letters whose ID begins with these bytes, wherever they are.
  package func find(_ prefix: Path, in places: [Place] = Place.states) throws(PostError) -> [(
    place: Place, name: Path
  )] {
    var found = [(place: Place, name: Path)]()
    for place in places {
      do throws(Errno) {
        try office.root.directory(layout[place]).forEachName { bytes in
          if bytes.starts(with: prefix.bytes) { found.append((place, Path(bytes))) }
        }
      } catch .noEntry {} catch { throw PostError(error, "cannot list \(layout[place])") }
    }
    // A whole ID means that letter, even if it begins a longer one.
    let exact = found.filter { EntryName($0.name).id.path == prefix }
    return (exact.isEmpty ? found : exact).sorted { $0.name < $1.name }
  }

  /// The one letter whose ID begins with these bytes.
  /// - Throws: not found; usage, if there are several.
  package func findOne(_ prefix: Path, in places: [Place]) throws(PostError) -> (place: Place, name: Path) {
    let found = try find(prefix, in: places)
    guard let first = found.first else {
      let names = places.map { "\($0)/" }.joined(separator: " or ")
      throw PostError(.notFound, "no letter \(prefix) in \(names) of mailbox \(name)")
    }
    guard Set(found.map { EntryName($0.name).id }).count == 1 else {
      throw PostError(
        .usage, "\(prefix) could be any of \(found.count) letters of mailbox \(name); give more of the ID")
    }
    return first
  }
}

extension Office {
  /// - Throws: not found.
  public func mailbox(_ name: Name) throws(PostError) -> Mailbox { try mailbox(name, completing: true) }

  /// - Parameter completing: makes directories that are missing. Not when it may just be being removed.
  func mailbox(_ name: Name, completing: Bool) throws(PostError) -> Mailbox {
    do throws(Errno) {
      guard try root.exists(MailboxLayout(name)[.new]) else { throw .noEntry }
      var made = [Path]()
      if completing { try complete(MailboxLayout(name), noting: &made) }
      return try Mailbox(name, self)
    } catch .noEntry {
      throw PostError(
        .notFound, "there is no mailbox '\(name)' in \(path); post subscribe \(name) TOPIC makes it")
    } catch {
      throw trouble(error, "cannot open mailbox \(name) in \(path)")
    }
  }

  /// The mailbox of this name, made if it is missing.
  @discardableResult
  public func makeMailbox(_ name: Name) throws(PostError) -> Mailbox {
    let layout = MailboxLayout(name)
    try attemptMaking("cannot make \(path)/\(layout.root)") { (made) throws(Errno) in
      try complete(layout, noting: &made)
    }
    return try attempt("cannot open mailbox \(name) in \(path)") { () throws(Errno) in
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
    // Whoever sees these all relies on the rest being durable: they come after the syncs.
    try make(layout.required, in: layout.root, noting: &made)
  }

  /// How many letters a directory holds; none if it is missing.
  func count(_ folder: Path) throws(PostError) -> Int {
    var count = 0
    do throws(Errno) { try root.directory(folder).forEachName { _ in count += 1 } } catch .noEntry {} catch {
      throw PostError(error, "cannot list \(folder)")
    }
    return count
  }
}
