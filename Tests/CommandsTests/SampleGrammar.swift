// A small made-up tool, with one of everything a table can declare.

import Commands

let sample = Grammar(
  program: "box", version: "1.2", summary: "put things into boxes and take them out",
  flags: [
    Flag("dir", value: .required("DIR"), help: "where the boxes are (default: /var/box)"),
    Flag("quiet", short: "q", help: "say less"),
    Flag("verbose", short: "v", repeats: true, help: "say more"),
  ],
  commands: [put, take, drop, list, check],
  footer: "Exit codes: 0 done, 1 nothing there, 64 usage.")

private let put = Command(
  "put", operands: [Operand("BOX", help: "made when it is not there"), Operand("FILE", .zeroOrMore)],
  summary: "put things into a box",
  flags: [
    Flag("message", short: "m", value: .required("TEXT"), help: "a text instead of a file"),
    Flag("header", short: "H", value: .required("LINE"), repeats: true, help: "a line before it"),
    Flag("lines", short: "l", help: "each line is a thing"),
  ])

private let take = Command(
  "take", operands: [Operand("BOX")], trailing: "COMMAND [ARG...]",
  summary: "take the oldest thing out of a box",
  discussion:
    "The thing goes to standard output,\nor to the standard input of COMMAND.\n\nA second paragraph.",
  flags: [
    Flag("count", short: "n", value: .required("N"), help: "take up to N things (default: 1)"),
    Flag("all", help: "take all there are"),
    Flag(
      "wait", short: "w", value: .optional("D"),
      help: "wait for a thing when there is none, for the duration D when it is given, else for ever"),
    Flag("a-flag-of-great-length", value: .required("N"), help: "first line\nsecond line"),
  ],
  examples: [
    Example("box take tools --wait=30s", "wait half a minute for a tool"),
    Example("box take tools -- sort -u"),
  ])

private let drop = Command(
  "drop", operands: [Operand("BOX"), Operand("ID", .oneOrMore)], summary: "throw things away")

private let list = Command("list", operands: [Operand("BOX", .optional)], summary: "show what there is")

private let check = Command(
  "check", summary: "look for damage", flags: [Flag("repair", help: "mend what can be mended")])

/// The words of a line as arguments; `''` is an empty one.
func words(_ line: String) -> [Bytes] {
  line.split(separator: " ").map { $0 == "''" ? [] : Bytes($0.utf8) }
}

func strings(_ arguments: [Bytes]) -> [String] {
  arguments.map { String(decoding: $0, as: UTF8.self) }
}
