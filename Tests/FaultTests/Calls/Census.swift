// A census of a spool, taken from the directories alone: where each letter is, identified by its body, and
// what should not be there. The tests of faults judge by it, not by what post reports.

import Linux
import TestKit

/// What lies in a spool at a quiet moment.
struct Census {
  /// For each mailbox, where the letter with a body is: "stock" -> "4711" -> ["done"].
  private(set) var mailboxes: [String: [String: [String]]] = [:]
  /// For each topic, the bodies in its directories: "orders" -> "cur" -> ["4711"].
  private(set) var topics: [String: [String: [String]]] = [:]
  /// Files that no healthy office leaves: debris, torn letters, letters that no finisher delivers.
  private(set) var leftovers: [String] = []
  /// Files whose content is none of the whole letters.
  private(set) var torn: [String] = []

  /// Bags with nothing in them: the next sweep removes them.
  private(set) var emptyBags: [String] = []

  private let spool: Path
  private let box: Sandbox

  /// - Parameters:
  ///   - known: the bodies of all letters ever written.
  ///   - leased: whether letters may be in hands.
  init(of box: Sandbox, known: Set<String>, leased: Bool = false) {
    spool = box.spool
    self.box = box
    for topic in names("topics") {
      var places = [String: [String]]()
      for place in ["tmp", "new", "cur", "corrupt"] {
        places[place] = letters(in: "topics/\(topic)/\(place)", known)
        if place != "cur" {
          leftovers += names("topics/\(topic)/\(place)").map { "topics/\(topic)/\(place)/\($0)" }
        }
      }
      for mailbox in names("topics/\(topic)/held") {
        leftovers.append("topics/\(topic)/held/\(mailbox)")
      }
      leftovers += marks(of: topic) + strangeBags(of: "topics/\(topic)", ["cur"])
      topics[topic] = places
    }
    for mailbox in names("mailboxes") {
      var found = [String: [String]]()
      for place in ["new", "cur", "later", "done", "failed"] {
        for body in letters(in: "mailboxes/\(mailbox)/\(place)", known) {
          found[body, default: []].append(place)
        }
      }
      let empty = leased ? ["tmp", "corrupt"] : ["tmp", "corrupt", "cur"]
      for place in empty {
        leftovers += names("mailboxes/\(mailbox)/\(place)").map { "mailboxes/\(mailbox)/\(place)/\($0)" }
      }
      leftovers += strangeBags(of: "mailboxes/\(mailbox)", ["new", "again", "later", "done", "failed"])
      mailboxes[mailbox] = found
    }
  }

  /// Bags of directories that are never sealed. Notes the empty ones.
  private mutating func strangeBags(of room: String, _ kinds: [String]) -> [String] {
    emptyBags += box.emptyBags(of: "spool/\(room)")
    return box.bags(of: "spool/\(room)").filter { bag in !kinds.contains { bag.contains("/bags/\($0).") } }
  }

  private func names(_ folder: String) -> [String] {
    ((try? Directory(spool / Path(folder)).names()) ?? []).map(\.description)
  }

  private func marks(of topic: String) -> [String] {
    var found = [String]()
    try? Directory(spool / Path("topics/\(topic)/subscribers")).forEachEntry { name, _ in
      if name.first == UInt8(ascii: ".") { found.append("mark \(Path(name))") }
    }
    return found
  }

  /// The bodies of the letters in a directory; what is no whole letter counts as torn, unless it is in tmp/.
  private mutating func letters(in folder: String, _ known: Set<String>) -> [String] {
    var bodies = [String]()
    for (folder, name) in box.letters(in: "spool/\(folder)") {
      let text = (try? File(box.root / folder / name, .read).readAll(limit: 1 << 24)) ?? []
      let body = Census.body(of: text)
      if let body, known.contains(body) {
        bodies.append(body)
      } else if !folder.hasSuffix("/tmp") {
        torn.append("\(folder)/\(name): \(text.count) bytes")
      }
    }
    return bodies
  }

  /// What follows the first empty line; of a long body its beginning and its length.
  private static func body(of letter: [UInt8]) -> String? {
    guard let end = letter.firstRange(of: [10, 10])?.upperBound else { return nil }
    return name(of: letter[end...])
  }

  /// The name of a body in a census.
  static func name<Bytes: Collection>(of body: Bytes) -> String where Bytes.Element == UInt8 {
    if body.count <= 64 { return String(decoding: body, as: UTF8.self) }
    return String(decoding: body.prefix(16), as: UTF8.self)
      + "... \(body.count), sum \(body.reduce(0) { $0 &* 31 &+ Int($1) })"
  }

  /// How often a mailbox has a letter, in any state.
  func count(of body: String, in mailbox: String) -> Int { mailboxes[mailbox]?[body]?.count ?? 0 }

  /// Whether a letter is where its mailbox puts it when it is settled for good.
  func hasEnded(_ body: String, in mailbox: String) -> Bool {
    place(of: body, in: mailbox).map { ["done", "failed"].contains($0) } == true
  }

  /// Where a mailbox has a letter; nil if nowhere, or in several places.
  func place(of body: String, in mailbox: String) -> String? {
    let places = mailboxes[mailbox]?[body] ?? []
    return places.count == 1 ? places[0] : nil
  }
}
