// What `post check` finds and repairs.

import Linux
import Testing

extension Sandbox {
  /// Opens an office with the letters a, b and c for `stock` and `invoice`.
  package func openWithLetters() throws {
    try open("stock", "invoice")
    try must("send", "orders", "--lines", input: "a\nb\nc")
  }

  /// What `post check` finds; its exit code must say the same. Remarks depend on the machine: they are left out.
  package func check(_ words: String..., at location: SourceLocation = #_sourceLocation) throws -> [String] {
    let ended = try run([Sandbox.binary, "check"] + words.map { Path($0) })
    let found = ended.lines.filter { !$0.contains(": remark: ") }
    #expect(ended.code == (found.isEmpty ? 0 : 1), "\(ended.text) \(ended.errors)", sourceLocation: location)
    return found
  }

  package func remarks() throws -> [String] { try post("check").lines.filter { $0.contains(": remark: ") } }

  package func expectClean(at location: SourceLocation = #_sourceLocation) throws {
    #expect(try check(at: location) == [], sourceLocation: location)
  }

  /// Checks, repairs and checks again.
  /// - Parameters:
  ///   - place: the place of the only finding.
  ///   - what: the expected wording of the finding.
  ///   - repaired: the expected wording of the repair.
  package func expectRepair(
    _ place: String, _ what: String, repaired: String, at location: SourceLocation = #_sourceLocation
  ) throws {
    let before = try script("find spool | sort")
    let found = try check(at: location)
    #expect(found.count == 1, "\(found)", sourceLocation: location)
    #expect(found.first?.hasPrefix("\(place): \(what)") == true, "\(found)", sourceLocation: location)
    #expect(found.first?.contains("; post check --repair ") == true, "\(found)", sourceLocation: location)
    let after = try script("find spool | sort")
    #expect(after == before, "who only looks changes nothing", sourceLocation: location)
    let cured = try check("--repair", at: location)
    #expect(cured.count == 1, "\(cured)", sourceLocation: location)
    #expect(cured.first?.hasPrefix("\(place): \(what)") == true, "\(cured)", sourceLocation: location)
    #expect(cured.first?.hasSuffix("; repaired: \(repaired)") == true, "\(cured)", sourceLocation: location)
    // What was set aside waits for the operator.
    let left = try check(at: location)
    if left.isEmpty { return }
    #expect(left.count == 1, "\(left)", sourceLocation: location)
    #expect(
      left.first?.contains("/corrupt: has 1 letter set aside") == true, "\(left)",
      sourceLocation: location)
    try script("rm -rf spool/*/*/corrupt")
    try expectClean(at: location)
  }
}
