// Recovery: whoever passes by finishes what others began and could not end. Four kinds of remains:
// a letter in a topic's new/ that nobody sorts, debris in tmp/, letters held for a mailbox, and a
// subscription whose backlog was not linked to the end. A fifth, dead claims, is in Reclaiming.swift.

import Linux

/// What is left in a topic after somebody tidied up.
enum Remainder: Comparable {
  case nothing
  /// Living senders or other finishers are at work: there may be something to come back for soon.
  case inOthersHands
  /// What could not be done now: the disk is full, a mailbox is gone.
  case inTrouble
}

extension Topic {
  /// How many letters whose sender is dead are sorted at once; each is open meanwhile.
  private static let finishGroup = 128
  /// How many passes are made before others get their turn.
  static let passes = 64

  /// Finishes what was left in this topic. One subscriber's trouble is told, and stops nobody else.
  /// - Returns: what there is still to come back for.
  @discardableResult
  func tidy() throws(PostError) -> Remainder {
    office.clearDebris(in: layout.tmp)
    var rest = try finishSorting()
    if try !roll().unfinished.isEmpty { rest = max(rest, try finishSubscriptions()) }
    return max(rest, try deliverHeld())
  }

  /// What a sender does for the office in passing. Its own letters are accepted: trouble is only told.
  package func tidyAfterSending() {
    do throws(PostError) { try tidy() } catch { office.warn(error.message) }
    Ballast(office).lay()
  }

  /// Sorts letters in new/ whose sender is dead or was a foreign program.
  private func finishSorting() throws(PostError) -> Remainder {
    var rest = Remainder.nothing
    var last: Path?
    for _ in 0..<Topic.passes {
      var orphans = [ListedLetter]()
      let names = try office.firstNames(in: layout.new, limit: Office.passLimit) { name in
        last.map { name > $0 } ?? true
      }
      for name in names {
        switch office.isAbandoned(layout.new / name) {
        case .abandoned(let status): orphans.append(ListedLetter(inNew: name, status))
        case .inHands: rest = max(rest, .inOthersHands)
        case .noLetter(let reason): setAside(name, from: layout.new, because: reason)
        case .gone: break
        case .unreadable(let errno): office.warn(PostError(errno, "cannot sort \(layout.new / name)").message)
        }
      }
      last = names.last
      if orphans.isEmpty, names.count < Office.passLimit { return rest }
      if orphans.isEmpty { continue }
      // One finisher at a time: else two would each see a mailbox without the letter and deliver twice.
      let isDone = try withLock { () throws(PostError) in
        if try !finish(orphans, try look(for: orphans)) { rest = .inTrouble }
      }
      // Another finisher may have listed new/ before our orphans came.
      if !isDone { return max(rest, .inOthersHands) }
      if rest == .inTrouble || names.count < Office.passLimit { return rest }
    }
    return .inOthersHands
  }

  /// Sorts orphans, those together that the same mailboxes have already.
  /// - Returns: false if some are still to be sorted.
  private func finish(_ orphans: [ListedLetter], _ sighting: Sighting) throws(PostError) -> Bool {
    var isDone = true
    var rest = orphans[...]
    while let first = rest.first {
      let owners = sighting.owners(of: first)
      var group = [UnsortedLetter]()
      while let orphan = rest.first, group.count < Topic.finishGroup, sighting.owners(of: orphan) == owners {
        do throws(Errno) {
          if let letter = try prepare(orphan, sighting) { group.append(letter) }
          rest.removeFirst()
        } catch let error where !group.isEmpty && (error == .processFiles || error == .systemFiles) {
          break  // these first: then they are closed
        } catch .noEntry { rest.removeFirst() } catch {
          rest.removeFirst()
          office.warn(PostError(error, "cannot sort \(layout.new / orphan.name)").message)
          isDone = false
        }
      }
      if group.isEmpty { continue }
      // Whoever put them here may not have come to sync their names, and some have just got new ones. Delivered to
      // some, a letter must not vanish from here, or get yet another ID, before the others have it.
      try attempt("cannot make letters durable in \(layout.new)") { () throws(Errno) in
        try office.root.directory(layout.new).sync()
      }
      let new = LetterDirectory(layout.new, of: office)
      if !Delivery(self).sort(group, from: new, having: owners, blind: sighting.blind) { isDone = false }
    }
    return isDone
  }
}
