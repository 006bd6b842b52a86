// What a handler learns from its environment.

import Linux

/// What handlers inherit of our own environment: not what is about a letter, nor what the manager of services
/// (sd_notify(3)) says to us alone.
private let inherited: [Path] = {
  let ours = ["POST_", "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="]
  return Host.allEnvironment.filter { entry in !ours.contains { entry.bytes.starts(with: $0.utf8) } }
}()

private func environment(_ own: [(name: String, value: Path)]) -> [Path] {
  inherited + own.map { Path(Array($0.name.utf8) + [UInt8(ascii: "=")] + $0.value.bytes) }
}

extension Mailbox {
  /// What a handler of several letters learns: where they come from. What there is to know about each
  /// stands in its file.
  func environment(_ settings: Settings) -> [Path] {
    PostOffice.environment([
      ("POST_SPOOL", office.path),
      ("POST_MAILBOX", Path(name.description)),
      ("POST_TRIES", Path(String(settings.tries))),
    ])
  }
}

extension Claim {
  /// The topic it came through; empty: nobody knows.
  package var topic: String {
    mailbox.office.topic(of: letter, at: mailbox.layout[.cur] / entry.path) ?? ""
  }

  /// What the handler of one letter learns.
  func environment(_ settings: Settings) -> [Path] {
    var own: [(name: String, value: Path)] = [
      ("POST_SPOOL", mailbox.office.path),
      ("POST_ID", letter.id.path),
      ("POST_TOPIC", Path(topic)),
      ("POST_MAILBOX", Path(mailbox.name.description)),
      ("POST_ATTEMPT", Path(String(attempt))),
      ("POST_TRIES", Path(String(settings.tries))),
      ("POST_DATE", Path(letter.date ?? "")),
      ("POST_FROM", Path(letter.from ?? "")),
      ("POST_SUBJECT", Path(letter.subject ?? "")),
      ("POST_TYPE", Path(letter.contentType ?? "")),
      ("POST_FILE", path),
    ]
    let told: Set = ["POST-TOPIC", "DATE", "FROM", "SUBJECT", "CONTENT-TYPE"]
    var taken = Set<String>()
    for field in letter.headers.fields where !told.contains(field.name.uppercased()) {
      let bytes = field.name.uppercased().utf8.map { $0.isLetterOrDigit ? $0 : UInt8(ascii: "_") }
      let name = "POST_HEADER_" + String(decoding: bytes, as: UTF8.self)
      if taken.insert(name).inserted { own.append((name, Path(field.value))) }
    }
    return PostOffice.environment(own)
  }
}
