// The rules of the house, as far as a test can check them.

import Linux
import Testing

@Suite struct TidyTests {
  /// The top of the repository: this file lies two folders below it.
  static let house = Path(#filePath).parent.parent.parent

  private struct Source {
    let path: Path
    /// Lines; comments that take a whole line are left empty.
    let code: [Substring]
    let lineCount: Int
  }

  private func sources(under folder: Path) throws -> [Source] {
    var found = [Source]()
    let directory = try Directory(folder)
    for name in try directory.names() {
      let path = folder / name.description
      if try directory.status(name).kind == .directory {
        found += try sources(under: path)
      } else if name.description.hasSuffix(".swift") {
        let text = String(decoding: try File(path, .read).readAll(limit: 1 << 20), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let code = lines.map { $0.drop(while: \.isWhitespace).hasPrefix("//") ? "" : $0 }
        found.append(Source(path: path, code: code, lineCount: lines.count - 1))
      }
    }
    return found
  }

  /// The names of the files with a line that a pattern fits.
  private func files(in room: Path, having pattern: Regex<Substring>) throws -> [String] {
    try sources(under: TidyTests.house / room.description)
      .filter { source in source.code.contains { $0.firstMatch(of: pattern) != nil } }
      .map(\.path.name.description)
  }

  private func text(of file: String) throws -> String {
    String(decoding: try File(TidyTests.house / file, .read).readAll(limit: 1 << 20), as: UTF8.self)
  }

  // MARK: Rooms

  /// The targets, and what each may import of the house.
  private static let rooms: [(room: String, below: Set<String>)] = [
    ("Text", []), ("Scheduling", []),
    ("Linux", ["CLinux", "Text"]),
    ("PostOffice", ["Linux", "Scheduling", "Text"]),
    ("Watching", ["PostOffice", "Linux", "Scheduling", "Text"]),
    ("Commands", ["Text"]),
    ("post", ["Watching", "PostOffice", "Linux", "Text", "Commands"]),
  ]
  private static let all = Set(rooms.map(\.room) + ["CLinux"])

  @Test(arguments: rooms) func aRoomImportsRoomsBelowIt(room: String, below: Set<String>) throws {
    for source in try sources(under: TidyTests.house / "Sources" / room) {
      for line in source.code {
        guard let name = line.firstMatch(of: /\bimport (\w+)/)?.1 else { continue }
        let isOurs = TidyTests.all.contains(String(name))
        #expect(!isOurs || below.contains(String(name)), "\(source.path): \(line)")
      }
    }
  }

  @Test func allRoomsAreKnown() throws {
    let folders = try Directory(TidyTests.house / "Sources").names().map(\.description)
    #expect(Set(folders) == TidyTests.all.union(["share"]))
  }

  @Test(arguments: ["Text", "Scheduling"]) func aPureRoomImportsNothing(room: String) throws {
    let pattern = /^ *(?:@\w+ )?(?:\w+ )?import\b/
    #expect(try files(in: Path("Sources/" + room), having: pattern).isEmpty)
  }

  @Test func oneRoomNamesLibc() throws {
    let pattern = /import (?:Glibc|Musl|CLinux|Foundation$)/
    for (room, _) in TidyTests.rooms where room != "Linux" {
      #expect(try files(in: Path("Sources/" + room), having: pattern).isEmpty, "\(room)")
    }
    #expect(try !files(in: "Sources/Linux", having: pattern).isEmpty)
  }

  /// A reader who looks for a file finds its folder at a glance.
  @Test(arguments: ["Sources", "Tests"]) func noFolderIsCrowded(top: String) throws {
    var counts = [Path: Int]()
    for source in try sources(under: TidyTests.house / top) { counts[source.path.parent, default: 0] += 1 }
    for (folder, count) in counts { #expect(count <= 16, "\(folder)") }
  }

  // MARK: The map

  private static let map = "Sources/PostOffice/PostOffice.docc/PostOffice.md"

  /// The names of Swift files in backticks, as often as they stand in the map; a path counts as its last part.
  private func namesInMap() throws -> [Substring] {
    try text(of: TidyTests.map).matches(of: /`(?:[\w\/+.-]*\/)?([\w+-]+\.swift)`/).map(\.1)
  }

  /// Whether the map lists files in a table.
  private static let hasTable = {
    let page = try? File(house / map, .read).readAll(limit: 1 << 20)
    return String(decoding: page ?? [], as: UTF8.self).contains(/\n\|[^|\n]*`[\w\/+.-]+\.swift`/)
  }()

  @Test(.enabled(if: hasTable, "the map has no table of files yet"))
  func theMapNamesEveryFileAndNoOther() throws {
    var named = [String: Int]()
    for name in try namesInMap() { named[String(name), default: 0] += 1 }
    var there = [String: Int]()
    for source in try sources(under: TidyTests.house / "Sources") {
      there[source.path.name.description, default: 0] += 1
    }
    for (name, count) in there { #expect(named[name, default: 0] >= count, "\(name) is missing") }
    #expect(Set(named.keys).subtracting(there.keys) == [])
  }

  // MARK: Dangerous calls

  @Test func oneFileMakesHardLinks() throws {
    for (room, _) in TidyTests.rooms {
      let owner: [String] =
        switch room {
        case "Linux": ["Directory.swift"]
        case "PostOffice": ["Placement.swift"]
        default: []
        }
      #expect(try files(in: Path("Sources/" + room), having: /linkat\(|\.link\(/) == owner, "\(room)")
    }
  }

  /// A lock that other processes wait for, or are refused by: of a file's byte, or of a directory.
  @Test func exclusiveLocksAreTakenByTheirOwners() throws {
    let owners: Set = [
      // Files that are written under a name of their own: letters, copies, marks, settings, bodies.
      "Draft.swift",
      // The directory of a topic, for one finisher at a time; of a mailbox, for one claimer or reclaimer.
      "Topic.swift", "ClaimQueue.swift", "Reclaiming.swift",
      // Sealers.
      "BagSealing.swift",
      // The lock that shows that a watcher runs.
      "InotifyHealth.swift",
    ]
    // A beacon is shared.
    let pattern = /tryLock\(\.exclusive|\.tryLock\(\)|\b(?!beacon\.)\w+\.lock\(\)/
    let takers = try TidyTests.rooms.filter { $0.room != "Linux" }.flatMap {
      try files(in: Path("Sources/" + $0.room), having: pattern)
    }
    #expect(Set(takers) == owners)
  }

  @Test func directoriesOfTheSpoolAreSpelledInOneFile() throws {
    let pattern = /["\/](?:topics|mailboxes|subscribers)["\/]/
    for room in ["PostOffice", "Watching"] {
      let owner = room == "PostOffice" ? ["Layout.swift"] : []
      #expect(try files(in: Path("Sources/" + room), having: pattern) == owner)
    }
  }

  // MARK: The rest

  @Test func thereAreNoPackageDependencies() throws {
    let text = try text(of: "Package.swift")
    #expect(!text.contains(".package("))
    #expect(text.contains("dependencies: [],"))
    #expect(try !Directory(TidyTests.house).exists("Package.resolved"))
  }

  @Test func noFileIsTooLong() throws {
    let all = try sources(under: TidyTests.house / "Sources")
    #expect(all.count > 30)
    for source in all { #expect(source.lineCount <= 400, "\(source.path)") }
  }

  @Test func theTopLevelHasNothingElse() throws {
    let allowed: Set<Path> = ["Package.swift", "Sources", "Tests", "spool", "Makefile", "README.md"]
    let visible = Set(try Directory(TidyTests.house).names())
    #expect(visible.subtracting(allowed).isEmpty)
    #expect(visible.isSuperset(of: ["Package.swift", "Sources", "Tests", "Makefile", "README.md"]))
  }
}
