// Looking: what a person wants to see of letters, without claiming or changing anything.

import Linux

/// Where in its topic a letter is.
package enum TopicPlace: CaseIterable, Sendable {
  /// Accepted, being sorted.
  case new
  /// Sorted, kept for replay.
  case cur
  /// Not what was sent: set aside.
  case corrupt

  package var word: String {
    switch self {
    case .new: "new"
    case .cur: "kept"
    case .corrupt: "corrupt"
    }
  }
}

extension Topic {
  private func folder(_ place: TopicPlace) -> Path {
    switch place {
    case .new: layout.new
    case .cur: layout.cur
    case .corrupt: layout.corrupt
    }
  }

  /// Goes through the letters in one place, bag by bag, in each in the order of their IDs.
  /// - Parameter body: gets a letter's file, and its entry's name; says whether to go on.
  package func forEachEntry(
    in place: TopicPlace, _ body: (_ file: Path, _ name: EntryName) throws(PostError) -> Bool
  ) throws(PostError) {
    try office.forEachEntry(of: folder(place)) { (folder, name) throws(PostError) in
      try body(folder / name, EntryName(name))
    }
  }

  package func count(_ place: TopicPlace) throws(PostError) -> Int { try office.count(folder(place)) }

  /// How many letters are held for mailboxes that could not take them.
  package func heldCount() throws(PostError) -> Int {
    var count = 0
    for mailbox in try office.names(in: layout.held) { count += try office.count(layout.held(for: mailbox)) }
    return count
  }

  package func open(_ file: Path) throws(PostError) -> Letter { try office.open(file) }
}

extension Mailbox {
  /// Why the watcher has paused this mailbox; nil if it has not.
  package var brokenHandler: String? { firstLine(of: layout.broken) }

  /// The first line of a small file; nil if there is none.
  func firstLine(of path: Path) -> String? {
    guard let bytes = try? office.root.open(path, .read).readAll(limit: 4096) else { return nil }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
  }

  /// Opens a letter where it lies, without claiming it.
  package func open(_ entry: Entry) throws(PostError) -> Letter { try office.open(entry.folder / entry.name) }

  /// The topic that a letter here came through; nil: nobody knows.
  package func topic(of letter: Letter, at entry: Entry) -> String? {
    office.topic(of: letter, at: entry.folder / entry.name)
  }
}

extension Letter {
  /// - Throws: bad data, if the letter is not what was sent.
  public func check() throws(PostError) {
    do throws(Flaw) { try verify() } catch { throw error.asPostError("letter \(id)") }
  }
}

extension Letter.Flaw {
  fileprivate func asPostError(_ place: String) -> PostError {
    switch self {
    case .errno(let errno): PostError(errno, "cannot read \(place)")
    case .corrupt(let how): PostError(.badData, "\(place) \(how)")
    }
  }
}

extension LetterID {
  /// When the letter was sent, as RFC 3339 writes it; nil if the name does not tell.
  package var sentText: String? { sent.map { UTC(seconds: $0).timestamp } }
}

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
  func topic(of letter: Letter, at path: Path) -> String? {
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

  fileprivate func open(_ path: Path) throws(PostError) -> Letter {
    do throws(Letter.Flaw) {
      return try Letter(path, in: root, id: EntryName(path.name).id)
    } catch { throw error.asPostError("\(path)") }
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
