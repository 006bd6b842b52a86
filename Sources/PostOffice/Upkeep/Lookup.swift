// Lookup: letters by the beginning of their IDs, anywhere in the office, and the topic of a letter. It claims and
// changes nothing. `find` goes through all letters: it is for people, not for commands that move letters.

import Linux

/// A letter that was found by its ID.
package struct FoundLetter {
  private let office: Office
  private let path: Path
  package let attempt: Int

  fileprivate init(_ office: Office, _ path: Path) {
    self.office = office
    self.path = path
    attempt = EntryName(path.name).attempt ?? 0
  }

  /// The topic that it came through; nil: unknown.
  package func topic(of letter: Letter) -> String? { office.topic(of: letter, at: path) }

  package func open() throws(PostError) -> Letter { try office.open(path) }
}

extension Office {
  /// The letters whose IDs begin with these bytes, each in one of the places where it is.
  package func find(_ prefix: Path) throws(PostError) -> [LetterID: FoundLetter] {
    var places = [Path]()
    for name in try topicNames() {
      let layout = TopicLayout(name)
      places += [layout.cur, layout.new, layout.corrupt]
    }
    for name in try mailboxNames() { places += Place.states.map { MailboxLayout(name)[$0] } }
    var found = [LetterID: FoundLetter]()
    for place in places {
      try attempt("cannot list", "\(place)") { () throws(Errno) in
        try forEachLetter(of: place) { folder, bytes, _ in
          guard bytes.starts(with: prefix.bytes) else { return }
          let name = Path(bytes)
          found[EntryName(name).id] = FoundLetter(self, folder / name)
        }
      }
    }
    // A whole ID means that letter, even if it begins a longer one.
    if let exact = found[LetterID(prefix)] { return [LetterID(prefix): exact] }
    return found
  }

  /// The topic that a letter came through; nil: unknown. A letter of ours says it. What a foreign letter says counts
  /// only if none of the mailbox's topics has the letter any more.
  /// - Parameter path: where it is.
  package func topic(of letter: Letter, at path: Path) -> String? {
    if letter.id.isOurs { return letter.topic }
    let parts = path.bytes.split(separator: UInt8(ascii: "/"))
    guard parts.count > 1, let owner = Name(bytes: parts[1]) else { return letter.topic }
    if path.bytes.starts(with: Layout.topics.bytes) { return owner.description }
    let topics = (try? topics(of: owner)) ?? []
    if topics.count == 1 { return topics[0].name.description }
    let file = try? root.status(path)
    let found =
      topics.first { $0.has(letter.id, as: file?.inode) } ?? topics.first { $0.has(letter.id, as: nil) }
      ?? topics.first { $0.has(original: file, of: letter.id) }
      ?? topics.first { $0.name.description == letter.topic }
    return found?.name.description
  }
}

extension Topic {
  /// Whether it has a letter of this ID.
  /// - Parameter inode: of the letter's file; nil: any, for the mailbox may have a copy.
  fileprivate func has(_ id: LetterID, as inode: UInt64?) -> Bool {
    let bag = (try? office.bag(with: id.path, of: layout.cur)) ?? nil
    return [layout.new, layout.cur, bag].contains { folder in
      let found = folder.flatMap { try? office.root.status($0 / id.path).inode }
      return found != nil && found == inode ?? found
    }
  }

  /// Whether it has the letter under another ID: the mailbox's is that of a copy, or was given because another letter
  /// had the name. Goes through all that the topic keeps.
  fileprivate func has(original file: Status?, of id: LetterID) -> Bool {
    let wanted = id.copiedInode ?? file?.inode
    var isFound = false
    for place in [layout.new, layout.cur] where !isFound {
      try? office.forEachLetter(of: place) { folder, bytes, inode in
        let name = Path(bytes)
        guard inode == wanted, !isFound, let status = try? office.root.status(folder / name) else { return }
        isFound =
          id.copiedInode == nil
          ? status.device == file?.device
          : [EntryName(name).id, nil].contains { LetterID(copyOf: status, of: $0) == id }
      }
    }
    return isFound
  }
}

extension Mailbox {
  /// The topic that a letter of this mailbox came through; nil: unknown.
  package func topic(of letter: Letter, at entry: Entry) -> String? {
    office.topic(of: letter, at: entry.folder / entry.name)
  }
}
