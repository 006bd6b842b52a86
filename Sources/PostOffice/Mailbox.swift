// A mailbox: a subscriber's own copy of every letter, and how far it is with each.

import Linux

/// A mailbox of an office.
public final class Mailbox {
  public let name: Name
  package let office: Office
  let layout: MailboxLayout
  /// The byte of a letter that a holder from this mailbox locks: the mailbox directory's inode number.
  let beaconByte: UInt64
  /// Names waiting to be claimed, the oldest last; refilled from `new/`.
  var window: [Path] = []

  /// How many names are looked at in one go. Memory does not grow with the backlog.
  static let windowSize = 256

  fileprivate init(_ name: Name, _ office: Office) throws(Errno) {
    self.name = name
    self.office = office
    layout = MailboxLayout(name)
    beaconByte = try office.root.status(layout.root / ".").inode
  }

  public func settings() throws(PostError) -> Settings { try office.settings(of: name) }

  /// Moves a letter within the mailbox. On a full disk the ballast is given up for it.
  func move(_ entry: Path, from place: Place, to target: Place, as name: EntryName) throws(Errno) {
    try Ballast(office).sparing { () throws(Errno) in
      try office.root.rename(layout[place] / entry, to: office.root, layout[target] / name.path)
    }
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
  public func mailbox(_ name: Name) throws(PostError) -> Mailbox {
    do throws(Errno) {
      guard try root.exists(MailboxLayout(name)[.new]) else { throw .noEntry }
      return try Mailbox(name, self)
    } catch .noEntry {
      throw PostError(
        .notFound, "there is no mailbox '\(name)' in \(path); post subscribe \(name) TOPIC makes it")
    } catch {
      throw PostError(error, "cannot open mailbox \(name) in \(path)")
    }
  }

  /// The mailbox of this name, made if it is missing.
  @discardableResult
  public func makeMailbox(_ name: Name) throws(PostError) -> Mailbox {
    let layout = MailboxLayout(name)
    return try attempt("cannot make \(path)/\(layout.root)") { () throws(Errno) in
      var isComplete = true
      for place in Place.required where isComplete { isComplete = try root.exists(layout[place]) }
      if !isComplete {
        try make([layout.root], in: Layout.mailboxes)
        try make(Place.required.map { layout[$0] }, in: layout.root)
        try root.sync()
      }
      return try Mailbox(name, self)
    }
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
