// Retention of done letters and logs.

import Linux
import Text

extension Mailbox {
  /// Removes letters that have been done for long enough, their notes, and old logs.
  public func prune() throws(PostError) { try prune(office.timeToDeleteBy()) }

  /// Seals the directory of a place if it is full; of done letters a few old bags go then. Settings that cannot be read
  /// are told of where they are needed more.
  func sealIfFull(_ folder: Path, size: Int64) {
    if office.sealIfFull(folder, size: size), folder == layout[.done] {
      try? prune(office.timeToDeleteBy(), bags: Office.bagsAfterSealing)
    }
  }

  /// - Parameter now: seconds since 1970. Time is counted in whole ones, as in the IDs by which topics go.
  func prune(_ now: Int64, bags: Int = .max) throws(PostError) {
    guard let keep = try settings().keepDone else { return }
    let oldest = now - keep.wholeSeconds
    // The note first: one without its letter would look like a loss.
    let forget = { (id: LetterID) in _ = try? self.office.root.remove(self.layout[.notes] / id.path) }
    try office.prune(layout[.done], before: oldest, now: now, bags: bags, willGo: forget) { _, entry in
      let done = entry.doneAt.map { $0 / 1000 }
      if entry.id.isIssued { return done ?? entry.id.sent }
      // For as long as the topic may keep it.
      return done.map { max($0, min(now, (entry.id.sent ?? 0) + LetterID.deliveryLimit)) }
    }
    if bags < .max { return }
    let lastDay = UTC(seconds: oldest).date
    try office.prune(layout[.log], before: oldest, now: now) { name, _ in
      let day = name.description
      return day.count == lastDay.count && day.first?.isNumber == true && day < lastDay ? .min : now
    }
  }
}
