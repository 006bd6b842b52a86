// Listing and counting the letters of a topic. Nothing is changed; letters that move meanwhile may be met once, or not.

import Linux

/// Where a letter is in its topic, as the user sees it.
package enum TopicPlace: String, CaseIterable, Sendable {
  /// Accepted, and being delivered.
  case new
  /// Delivered, and kept for replay.
  case cur = "kept"
  /// No letter, or not what was sent: set aside.
  case corrupt

  package var word: String { rawValue }
}

extension Topic {
  private func folder(_ place: TopicPlace) -> Path {
    switch place {
    case .new: layout.new
    case .cur: layout.cur
    case .corrupt: layout.corrupt
    }
  }

  /// Goes through the letters in one place, bag by bag, in each in the order of their names.
  /// - Parameter body: gets a letter's file and its name, and returns whether to go on.
  package func forEachEntry(
    in place: TopicPlace, _ body: (_ file: Path, _ name: EntryName) throws(PostError) -> Bool
  ) throws(PostError) {
    try office.forEachEntry(of: folder(place)) { (folder, name) throws(PostError) in
      try body(folder / name, EntryName(name))
    }
  }

  package func count(_ place: TopicPlace) throws(PostError) -> Int { try office.count(folder(place)) }

  /// How many letters are held for mailboxes, all together.
  package func heldCount() throws(PostError) -> Int {
    var count = 0
    for mailbox in try office.names(in: layout.held) { count += try office.count(layout.held(for: mailbox)) }
    return count
  }

  package func open(_ file: Path) throws(PostError) -> Letter { try office.open(file) }
}
