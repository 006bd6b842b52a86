// What a mailbox deletes for its age: letters that are done, their notes, and logs. Letters that wait, are claimed or
// have failed stay, whatever their age (CrashSafety I30).

import Linux
import Text

extension Mailbox {
  /// Deletes expired letters that are done, their notes, and old logs.
  public func prune() throws(PostError) { try prune(office.timeToDeleteBy()) }

  /// - Parameter now: seconds since 1970. Time is counted in whole ones, as in the IDs by which topics go.
  func prune(_ now: Int64) throws(PostError) { try office.prune(mailbox: name, now) }
}

extension Office {
  /// Seals the directory of a place of a mailbox if it is full. Of done letters, a few old bags are deleted then.
  func sealIfFull(_ folder: Path, size: Int64, of mailbox: Name) {
    guard sealIfFull(folder, size: size), folder == MailboxLayout(mailbox)[.done] else { return }
    // Settings that cannot be read are reported where they are needed more.
    try? prune(mailbox: mailbox, timeToDeleteBy(), bags: Office.bagsAfterSealing)
  }

  fileprivate func prune(mailbox: Name, _ now: Int64, bags: Int = .max) throws(PostError) {
    guard let keep = try settings(of: mailbox).keepDone else { return }
    let layout = MailboxLayout(mailbox)
    let oldest = now - keep.wholeSeconds
    // The note first: one without its letter would look like a loss.
    let forget = { (id: LetterID) in _ = try? self.root.remove(layout[.notes] / id.path) }
    try prune(layout[.done], before: oldest, now: now, bags: bags, willGo: forget) { _, entry in
      let done = entry.doneAt.map { $0 / 1000 }
      if entry.id.isIssued { return done ?? entry.id.sent }
      // For as long as the topic may keep it.
      return done.map { max($0, min(now, (entry.id.sent ?? 0) + LetterID.deliveryLimit)) }
    }
    if bags < .max { return }
    let lastDay = UTC(seconds: oldest).date
    try prune(layout[.log], before: oldest, now: now) { name, _ in
      let day = name.description
      return day.count == lastDay.count && day.first?.isNumber == true && day < lastDay ? .min : now
    }
  }
}
