// What a handler learns from its environment.

import Linux
import PostOffice
import Text

/// What handlers inherit of our own environment: not what is about a letter, nor what the manager of services
/// (sd_notify(3)) says to us alone.
private let inherited: [Path] = {
  let ours = ["POST_", "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="]
  return Host.allEnvironment.filter { entry in !ours.contains { entry.bytes.starts(with: $0.utf8) } }
}()

private func variables(_ own: [(name: String, value: Path)]) -> [Path] {
  own.map { Path(Array($0.name.utf8) + [UInt8(ascii: "=")] + $0.value.bytes) }
}

/// How much execve(2) counts for these strings, bytes: each with its NUL and a pointer.
private func size(_ strings: [Path]) -> Int { strings.reduce(0) { $0 + $1.bytes.count + 9 } }

private let inheritedSize = size(inherited)

/// A letter whose headers take no more is not to blame, bytes.
private let ordinarySize = 16 << 10
/// So much is left for the handler's arguments, and for what it starts itself.
private let spareSize = 32 << 10

/// Whether it is a letter's fault that a handler cannot be started with what is to be told of it.
private func exceedsLimits(_ own: [Path]) -> Bool {
  if own.contains(where: { $0.bytes.count >= ExecLimits.longest }) { return true }
  let size = size(own)
  return size > ordinarySize && inheritedSize + size + spareSize > ExecLimits.all
}

extension Mailbox {
  /// What a handler of several letters learns: where they come from. What there is to know about each
  /// stands in its file.
  func environment(_ settings: Settings) -> [Path] {
    inherited
      + variables([
        ("POST_SPOOL", office.path),
        ("POST_MAILBOX", Path(name.description)),
        ("POST_TRIES", Path(String(settings.tries))),
      ])
  }
}

extension Claim {
  /// Whether no handler can be started with this letter.
  package func isTooMuch(_ settings: Settings) -> Bool { (try? environment(settings)) == nil }

  /// The topic it came through; empty: nobody knows.
  package var topic: String {
    mailbox.office.topic(of: letter, at: mailbox.layout[.cur] / entry.path) ?? ""
  }

  /// What the handler of one letter learns.
  /// - Throws: list too long, if it is the letter's fault that the kernel would not take it.
  func environment(_ settings: Settings) throws(Errno) -> [Path] {
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
    let known: Set = ["POST-TOPIC", "DATE", "FROM", "SUBJECT", "CONTENT-TYPE"]
    var taken = Set<String>()
    for field in letter.headers.fields where !known.contains(field.name.uppercased()) {
      let bytes = field.name.uppercased().utf8.map { $0.isLetterOrDigit ? $0 : UInt8(ascii: "_") }
      let name = "POST_HEADER_" + String(decoding: bytes, as: UTF8.self)
      if taken.insert(name).inserted { own.append((name, Path(field.value))) }
    }
    let told = variables(own)
    if exceedsLimits(told) { throw .listTooLong }
    return inherited + told
  }
}
