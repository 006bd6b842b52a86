// The rules of the house, as far as a test can see them.

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

  @Test func oneFileMakesHardLinks() throws {
    #expect(try files(in: "Sources/PostOffice", having: /linkat|\.link\(/) == ["Placement.swift"])
    #expect(try files(in: "Sources/Linux", having: /linkat\(/) == ["Directory.swift"])
    #expect(try files(in: "Sources/post", having: /linkat|\.link\(/).isEmpty)
  }

  @Test func oneRoomNamesLibc() throws {
    for room in ["PostOffice", "Commands", "post"] as [Path] {
      #expect(
        try files(in: "Sources" / room.description, having: /import (?:Glibc|CLinux|Foundation$)/).isEmpty)
    }
    #expect(try !files(in: "Sources/Linux", having: /import Glibc/).isEmpty)
  }

  @Test func nothingLooksBackUp() throws {
    #expect(try files(in: "Sources/Linux", having: /import (?:PostOffice|Commands|post)/).isEmpty)
    #expect(try files(in: "Sources/PostOffice", having: /import (?:Commands|post)/).isEmpty)
    #expect(try files(in: "Sources/Commands", having: /import (?:PostOffice|Linux)/).isEmpty)
  }

  @Test func thereAreNoPackageDependencies() throws {
    let text = String(
      decoding: try File(TidyTests.house / "Package.swift", .read).readAll(limit: 1 << 20), as: UTF8.self)
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

  @Test func directoriesOfTheSpoolAreSpelledInOneFile() throws {
    let pattern = /["\/](?:topics|mailboxes|subscribers)["\/]/
    #expect(try files(in: "Sources/PostOffice", having: pattern) == ["Layout.swift"])
  }
}
