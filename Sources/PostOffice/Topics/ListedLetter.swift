// A letter as it was listed in a directory.

import Linux

/// A letter in new/ that nobody is sorting; or one that is kept, or held.
struct ListedLetter {
  var name: Path
  var id: LetterID
  let status: Status
  /// Where it was seen.
  var folder: Path = ""

  init(name: Path, id: LetterID, status: Status, folder: Path = "") {
    (self.name, self.id, self.status, self.folder) = (name, id, status, folder)
  }

  /// In new/ a foreign name is taken whole: neither flags nor marks belong there.
  init(inNew name: Path, _ status: Status) {
    let id = EntryName(name).id
    self.init(name: name, id: id.isOurs ? id : LetterID(name), status: status)
  }
}
