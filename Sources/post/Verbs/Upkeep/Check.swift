// post check: reports damage, and repairs what it can without guessing.

import Commands
import Linux
import PostOffice
import Watching

enum Check: Verb {
  static let name = "check"
  static let command = Command(
    name, summary: "check the spool for damage",
    discussion: """
      Examines every letter, directory and settings file, compares each letter with its
      length and digest, and prints a line for each finding: the place, what is wrong,
      and what helps. It changes nothing. With --repair it repairs what it can without
      guessing: it removes debris, finishes interrupted work, takes letters back from
      dead holders and makes missing directories. It moves letters that are not what was
      sent to corrupt/; it never deletes a letter.

      It is safe to run while other commands work: a letter in motion is no finding. A
      remark, such as a file system that may not keep a promise, is no finding either.
      The exit code is 1 if anything was found, repaired or not. With -q it prints
      nothing.
      """,
    flags: [
      Flag("repair", help: "repair what can be repaired without guessing"),
      Flag("json", help: "print one JSON object per line"),
    ],
    examples: [
      Example("post check || post check --repair"),
      Example(
        "41 4 * * *  post check | grep -v ': remark: '", "in a crontab: mails only findings"),
    ])

  private struct Line: Encodable {
    let kind, place, what: String
    let remedy, repair: String?
    let remark: Bool

    init(_ finding: Finding) {
      kind = finding.kind.rawValue
      (place, what) = (finding.place, finding.what)
      (remedy, repair) = (finding.remedy, finding.repair)
      remark = finding.kind.isRemark
    }
  }

  static func run(_ call: CommandContext) throws(PostError) -> Int32 {
    let office = try call.office()
    let asJSON = call.has("json")
    var isClean = true
    var failure: PostError?
    let progress = { (line: String) in if call.isVerbose { Streams.error("post: \(line)\n") } }
    office.check(repair: call.has("repair"), progress: progress) { finding in
      if !finding.kind.isRemark { isClean = false }
      // If printing fails, the repair goes on.
      guard !call.isQuiet, failure == nil else { return }
      do throws(PostError) {
        try print(asJSON ? json(Line(finding)) : finding.line + "\n")
      } catch { failure = error }
    }
    if let failure { throw failure }
    return isClean ? 0 : 1
  }
}
