// post check: looks the office over, and puts right what can be put right without guessing.

import Commands
import Linux
import PostOffice
import Watching

enum Check: Verb {
  static let name = "check"
  static let command = Command(
    name, summary: "look the office over, and tell what is wrong",
    discussion: """
      Looks at every letter, directory and settings file, and prints a line for each
      finding: the place, what is wrong, and what helps. Letters are compared with their
      length and digest; nothing is changed. With --repair, what can be put right without
      guessing is put right: debris is removed, unfinished work finished, dead claims are
      taken back, missing directories made; letters that are not what was sent are set
      aside in corrupt/, never removed.

      Harmless while others are at work; what is merely in motion is no finding. A remark,
      such as a file system that may not keep a promise, is no finding either. The exit
      code is 1 if anything was found, repaired or not. With -q nothing is printed.
      """,
    flags: [
      Flag("repair", help: "put right what can be put right without guessing"),
      Flag("json", help: "one JSON object a line"),
    ],
    examples: [
      Example("post check || post check --repair"),
      Example(
        "41 4 * * *  post check | grep -v ': remark: '", "in a crontab: mail only if something is wrong"),
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
      // What cannot be printed is still repaired.
      guard !call.isQuiet, failure == nil else { return }
      do throws(PostError) {
        try print(asJSON ? json(Line(finding)) : finding.line + "\n")
      } catch { failure = error }
    }
    if let failure { throw failure }
    return isClean ? 0 : 1
  }
}
