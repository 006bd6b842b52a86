// The text of --help: sections with empty lines between them. The words are those of the grammar; this file arranges them.

extension Grammar {
  /// The program's help: usage, a line for each command, global options, footer.
  package func help() -> String {
    let list = commands.map { ($0.name, $0.summary) }
    return page([
      Columns.wrapped("Usage: \(usage(of: nil))"),
      Columns.wrapped(sentence(summary)),
      section("Commands (more with: \(program) help COMMAND):", list),
      section("Options:", rows(flags + [.help, .version])),
      paragraphs(footer),
    ])
  }

  /// One command's help: usage, what it does, its options, operands and examples.
  package func help(for command: Command) -> String {
    let operands = command.operands.filter { !$0.help.isEmpty }
    let examples = command.examples.flatMap { example in
      ["  \(example.line)"] + Columns.wrapped(example.what, width: Columns.width - 6).map { "      \($0)" }
    }
    return page([
      Columns.wrapped("Usage: \(usage(of: command))"),
      Columns.wrapped(sentence(command.summary)),
      paragraphs(command.discussion),
      section("Options:", rows(command.flags)),
      section("Global options:", rows(flags + [.help])),
      section("Operands:", operands.map { ($0.name, $0.help) }),
      examples.isEmpty ? [] : ["Examples:"] + examples,
    ])
  }

  private func page(_ sections: [[String]]) -> String {
    sections.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") + "\n" }.joined(separator: "\n")
  }

  private func section(_ title: String, _ rows: [Columns.Row]) -> [String] {
    rows.isEmpty ? [] : [title] + Columns.lines(rows)
  }

  private func rows(_ flags: [Flag]) -> [Columns.Row] {
    flags.map { flag in
      let short = flag.short.map { "-\($0), " } ?? Columns.spaces(4)
      return (short + flag.spelling, flag.help)
    }
  }

  /// Paragraphs, each wrapped to the width.
  private func paragraphs(_ text: String) -> [String] {
    var paragraphs = [""]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty { paragraphs.append("") } else { paragraphs[paragraphs.count - 1] += line + " " }
    }
    let wrapped = paragraphs.filter { !$0.isEmpty }.map { Columns.wrapped(String($0.dropLast())) }
    return Array(wrapped.joined(separator: [""]))
  }

  /// A summary as a sentence of its own.
  private func sentence(_ summary: String) -> String {
    summary.isEmpty ? "" : summary.prefix(1).uppercased() + summary.dropFirst() + "."
  }
}
