// Bags, for tests: what lies in them, and directories that are full without many letters.

import Linux
import Testing

extension Sandbox {
  /// The directories in which the letters of a place lie: its bags, in order, and itself.
  /// - Parameter place: such as `spool/mailboxes/stock/new`.
  package func folders(of place: String) -> [String] {
    let path = Path(place)
    let kinds = path.name == "new" ? ["again", "new"] : [path.name.description]
    return kinds.flatMap { bags(of: path.parent.description, $0) } + [place]
  }

  /// The bags of a topic or mailbox.
  /// - Parameters:
  ///   - room: such as `spool/mailboxes/stock`.
  ///   - kind: of this directory alone.
  package func bags(of room: String, _ kind: String = "") -> [String] {
    names(in: "\(room)/bags").filter { kind.isEmpty || $0.hasPrefix(kind + ".") }.flatMap { name in
      let path = "\(room)/bags/\(name)"
      return isShelf(path) ? names(in: path).map { "\(path)/\($0)" } : [path]
    }
  }

  /// Whether it is a directory of bags.
  private func isShelf(_ path: String) -> Bool { path.hasSuffix("xx") }

  /// The bags of a topic or mailbox in which nothing lies.
  package func emptyBags(of room: String) -> [String] {
    let shelves = names(in: "\(room)/bags").map { "\(room)/bags/\($0)" }.filter(isShelf)
    return (bags(of: room) + shelves).filter { bag in
      var count = 0
      try? Directory(root / bag).forEachEntry { _, _ in count += 1 }
      return count == 0
    }
  }

  /// The letters of a place, those in its bags first.
  package func letters(in place: String) -> [(folder: String, name: String)] {
    folders(of: place).flatMap { folder in names(in: folder).map { (folder, $0) } }
  }

  /// Makes a directory as large as one that has held a thousand letters, and keeps its content: ext4 never
  /// shrinks one.
  package func swell(_ folders: String...) throws { try swell(folders) }

  package func swell(_ folders: [String]) throws {
    let names = (0..<300).map { Path("." + String(repeating: "x", count: 240) + "\(1000 + $0)") }
    for folder in folders {
      let path = root / folder
      if (try? Directory(root).exists(Path(folder))) != true {
        try Directory(path.parent).makeDirectory(path.name)
      }
      let directory = try Directory(path)
      // Names of one file: ext4 passes over inodes that were freed in the last minutes, one by one, and with thousands
      // of them each file that is made takes milliseconds.
      _ = try directory.open(names[0], .create(permissions: 0o600))
      for name in names.dropFirst() { try directory.link(names[0], into: directory, name) }
      for name in names { try directory.remove(name) }
    }
  }

  /// Sends numbers, a letter each.
  package func send(_ numbers: ClosedRange<Int>) throws {
    try must("send", "orders", "--lines", input: numbers.map { "\($0)\n" }.joined())
  }

  /// Makes directories full, and lets a sweep seal them.
  package func seal(_ places: String...) throws {
    try swell(places.map { "spool/\($0)" })
    try must("sweep")
    for place in places { #expect(try size(place) <= 64 << 10) }
  }

  package func size(_ place: String) throws -> Int64 { try Directory(spool).status(Path(place)).size }

  /// Letters 1 to 6: two in each of two bags, two in `new/`.
  package func fillBags() throws {
    for first in [1, 3] {
      try send(first...first + 1)
      try seal("mailboxes/stock/new")
    }
    try send(5...6)
    #expect(bagNames == ["new.0000000001", "new.0000000002"])
  }

  /// The bags of the mailbox.
  package var bagNames: [String] { names(in: "spool/mailboxes/stock/bags") }

  /// What the mailbox hands out, letter by letter.
  package func readOne() throws -> String { try must("read", "stock") }

  /// The functions for scripts: `bag PLACE NUMBER [COUNT]` makes the oldest letters of a place, such as
  /// `mailboxes/stock/new`, a bag, from number 100 on a shelf; all of them, if no count is given.
  package static let bagFunction = """
    bag() {
      local kind=$POST_SPOOL/${1%/*}/bags/${1##*/}
      local bag=$kind.$(printf %010d "$2")
      if test "$2" -ge 100; then bag=$kind.$(printf %08d $(($2 / 100)))xx/${bag##*/}; fi
      mkdir -p "$bag"
      ls "$POST_SPOOL/$1" | sed -n "1,${3:-100000}p" | while read -r name; do mv "$POST_SPOOL/$1/$name" "$bag/"; done
    }

    """
}
