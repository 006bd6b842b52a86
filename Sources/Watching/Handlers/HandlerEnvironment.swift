// The environment of a handler: the watcher's own, and what post-handler(7) promises about the letter.

import Linux
import PostOffice
import Text

/// What handlers inherit of our own environment: not what is about a letter, nor what the service manager
/// (sd_notify(3)) set for us alone.
private let inherited: [Path] = {
  let ours = ["POST_", "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="]
  return Host.allEnvironment.filter { entry in !ours.contains { entry.bytes.starts(with: $0.utf8) } }
}()

private func variables(_ own: [(name: String, value: Path)]) -> [Path] {
  own.map { Path(Array($0.name.utf8) + [UInt8(ascii: "=")] + $0.value.bytes) }
}

/// How many bytes execve(2) counts for these strings: each with its NUL and a pointer.
private func size(_ strings: [Path]) -> Int { strings.reduce(0) { $0 + $1.bytes.count + 9 } }

private let inheritedSize = size(inherited)

/// A letter whose headers take no more is not to blame. Bytes.
private let ordinarySize = 16 << 10
/// So much is left for the handler's arguments, and for what it starts itself. Bytes.
private let spareSize = 32 << 10

/// Whether it is a letter's fault that no handler can be started with these variables.
private func exceedsLimits(_ own: [Path]) -> Bool {
  if own.contains(where: { $0.bytes.count >= ExecLimits.longest }) { return true }
  let size = size(own)
  return size > ordinarySize && inheritedSize + size + spareSize > ExecLimits.all
}

extension Mailbox {
  /// The environment of a handler of several letters. What there is to know about each letter is in its file.
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

  /// The topic it came through; empty if unknown.
  package var topic: String {
    mailbox.office.topic(of: letter, at: mailbox.layout[.cur] / entry.path) ?? ""
  }

  /// The environment of a handler of one letter.
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
    let ownVariables = variables(own)
    if exceedsLimits(ownVariables) { throw .listTooLong }
    return inherited + ownVariables
  }
}
