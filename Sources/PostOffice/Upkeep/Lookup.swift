// Looking: what a person wants to see of letters, without claiming or changing anything.

import Linux

/// A letter that was found by its ID.
package struct FoundLetter {
  private let office: Office
  private let path: Path
  package let attempt: Int

  /// The topic it came through; nil: nobody knows.
  package func topic(of letter: Letter) -> String? { office.topic(of: letter, at: path) }

  fileprivate init(_ office: Office, _ path: Path) {
    self.office = office
    self.path = path
    attempt = EntryName(path.name).attempt ?? 0
  }

  package func open() throws(PostError) -> Letter { try office.open(path) }
}

extension Topic {
  /// Whether it has a letter, by its ID.
  /// - Parameter inode: of the letter's file; nil: it may be a copy.
  fileprivate func has(_ id: LetterID, as inode: UInt64?) -> Bool {
    func isThere(_ folder: Path) -> Bool {
      guard let found = (try? office.root.status(folder / id.path))?.inode else { return false }
      return found == inode ?? found
    }
    if isThere(layout.new) || isThere(layout.cur) { return true }
    let bag = (try? office.bag(with: id.path, of: layout.cur)) ?? nil
    return bag.map(isThere) ?? false
  }
}

extension Topic {
  /// Whether it has a letter under another ID than the mailbox's: that is a copy's, or was given because another letter
  /// had the name. Goes through all that the topic keeps.
  fileprivate func has(copy id: LetterID, as file: Status?) -> Bool {
    let wanted = id.copied ?? file?.inode
    var isFound = false
    for folder in [layout.new, layout.cur] {
      try? office.forEachLetter(of: folder) { folder, bytes, inode in
        let name = Path(bytes)
        guard inode == wanted, !isFound, let status = try? office.root.status(folder / name) else { return }
        isFound =
          id.copied == nil
          ? status.device == file?.device
          : [EntryName(name).id, nil].contains { LetterID(copyOf: status, of: $0) == id }
      }
    }
    return isFound
  }
}

extension Office {
  /// The topic that a letter came through; nil: nobody knows. In one of ours it is written. What a foreign program wrote
  /// is believed only where the letter is in no topic any more.
  /// - Parameter path: where it lies.
  package func topic(of letter: Letter, at path: Path) -> String? {
    if letter.id.isOurs { return letter.topic }
    let words = path.bytes.split(separator: UInt8(ascii: "/"))
    guard words.count > 1, let room = Name(bytes: words[1]) else { return letter.topic }
    if path.bytes.starts(with: Layout.topics.bytes) { return room.description }
    let topics = (try? topics(of: room)) ?? []
    if topics.count == 1 { return topics[0].name.description }
    let file = try? root.status(path)
    let found =
      topics.first { $0.has(letter.id, as: file?.inode) } ?? topics.first { $0.has(letter.id, as: nil) }
      ?? topics.first { $0.has(copy: letter.id, as: file) }
      ?? topics.first { $0.name.description == letter.topic }
    return found?.name.description
  }

  /// The letters whose ID begins with these bytes, each at one of the places where it is.
  package func find(_ prefix: Path) throws(PostError) -> [LetterID: FoundLetter] {
    var folders = [Path]()
    for name in try topicNames() {
      let layout = TopicLayout(name)
      folders += [layout.cur, layout.new, layout.corrupt]
    }
    for name in try mailboxNames() { folders += Place.states.map { MailboxLayout(name)[$0] } }
    var found = [LetterID: FoundLetter]()
    for folder in folders {
      try attempt("cannot list \(folder)") { () throws(Errno) in
        try forEachLetter(of: folder) { folder, bytes, _ in
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
}

extension Mailbox {
  /// The topic that a letter here came through; nil: nobody knows.
  package func topic(of letter: Letter, at entry: Entry) -> String? {
    office.topic(of: letter, at: entry.folder / entry.name)
  }
}
