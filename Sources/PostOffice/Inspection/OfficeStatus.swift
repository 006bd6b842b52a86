// The state of an office at a glance: counts, and the problems that an operator should know of, each with what to do. It
// reads directories and settings and changes nothing; letters that move meanwhile may be counted twice or not at all.

import Linux

/// Counts and problems of an office. The keys of its parts are those of `post status --json`.
package struct OfficeStatus {
  package let topics: [TopicStatus]
  package let mailboxes: [MailboxStatus]
  package let disk: DiskStatus

  package struct TopicStatus: Encodable {
    let kind = "topic"
    package let name: String
    package let kept, unsorted, held, corrupt: Int
    package let subscribers: [String]
    let trouble: [String]
  }

  package struct MailboxStatus: Encodable {
    let kind = "mailbox"
    package let name: String
    package let waiting, inHands, later, done, failed, corrupt: Int
    package let handler: String?
    let trouble: [String]

    enum CodingKeys: String, CodingKey {
      case kind, name, waiting, later, done, failed, corrupt, handler, trouble
      case inHands = "in_hands"
    }
  }

  package struct DiskStatus: Encodable {
    let kind = "disk"
    /// Bytes.
    let free, size: Int64
    let freeInodes, inodes: Int64
    let trouble: [String]

    enum CodingKeys: String, CodingKey {
      case kind, free, size, inodes, trouble
      case freeInodes = "free_inodes"
    }
  }

  /// A line for each problem: where, what, and what to do.
  package var problems: [String] {
    var lines = disk.trouble.map { "disk: \($0)" }
    for topic in topics { lines += topic.trouble.map { "\(topic.name): \($0)" } }
    for mailbox in mailboxes { lines += mailbox.trouble.map { "\(mailbox.name): \($0)" } }
    for topic in topics where topic.held > 0 {
      lines.append("\(topic.name): \(topic.held) held for mailboxes that could not take them")
    }
    for topic in topics where topic.corrupt > 0 {
      lines.append("\(topic.name): \(topic.corrupt) corrupt; see topics/\(topic.name)/corrupt")
    }
    for topic in topics where topic.unsorted > 0 {
      lines.append(
        "\(topic.name): \(topic.unsorted) accepted but not delivered; if the sender is gone, run post sweep")
    }
    return lines
  }
}

extension Office {
  package func status() throws(PostError) -> OfficeStatus {
    OfficeStatus(
      topics: try topicNames().map { (name) throws(PostError) in try topic(name).status() },
      mailboxes: try mailboxNames().map { (name) throws(PostError) in try mailbox(name).status() },
      disk: try diskStatus())
  }

  private func diskStatus() throws(PostError) -> OfficeStatus.DiskStatus {
    let space = try attempt("cannot see how much space is free in", "\(path)") { () throws(Errno) in
      try root.space()
    }
    return OfficeStatus.DiskStatus(
      free: space.free, size: space.size, freeInodes: space.freeInodes, inodes: space.inodes,
      trouble: try shortages())
  }
}

extension Topic {
  fileprivate func status() throws(PostError) -> OfficeStatus.TopicStatus {
    var trouble = [String]()
    do throws(PostError) { _ = try office.settings(ofTopic: name) } catch { trouble.append(error.message) }
    return OfficeStatus.TopicStatus(
      name: name.description, kept: try count(.cur), unsorted: try count(.new), held: try heldCount(),
      corrupt: try count(.corrupt), subscribers: try subscribers().map(\.description), trouble: trouble)
  }
}

extension Mailbox {
  fileprivate func status() throws(PostError) -> OfficeStatus.MailboxStatus {
    var trouble = [String]()
    var handler: String?
    do throws(PostError) { handler = try settings().handler } catch { trouble.append(error.message) }
    if let brokenHandler { trouble.append(brokenHandler) }
    if let pausedBy { trouble.append("\(pausedBy); post resume \(name)") }
    let (failed, corrupt) = (try count(.failed), try count(.corrupt))
    if failed > 0 {
      trouble.append("\(failed) failed; see post list \(name), then run post retry \(name) ALL")
    }
    if corrupt > 0 { trouble.append("\(corrupt) corrupt; see mailboxes/\(name)/corrupt") }
    return OfficeStatus.MailboxStatus(
      name: name.description, waiting: try count(.new), inHands: try count(.cur), later: try count(.later),
      done: try count(.done), failed: failed, corrupt: corrupt, handler: handler, trouble: trouble)
  }
}
