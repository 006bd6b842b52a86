// A letter as a directory showed it.

import Linux

/// A letter in a topic's `new/` that has no living sender, or one that the topic keeps or holds. It may have moved
/// since.
struct ListedLetter {
  var name: Path
  var id: LetterID
  let status: Status
  /// The directory that showed it.
  let folder: Path

  init(name: Path, id: LetterID, status: Status, folder: Path = "") {
    (self.name, self.id, self.status, self.folder) = (name, id, status, folder)
  }

  /// In new/, a foreign name is the ID as a whole: neither flags nor marks belong there.
  init(inNew name: Path, _ status: Status) {
    let id = EntryName(name).id
    self.init(name: name, id: id.isOurs ? id : LetterID(name), status: status)
  }
}
