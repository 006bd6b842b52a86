// Finishing what others began in a topic. Each command that works with the topic does this: it is a finisher.
//
// A dead process may have left a letter in new/ that it had not delivered to all, debris in tmp/, and a subscription
// whose backlog was not linked to the end; and letters may be held for a mailbox that can take them now. (Claims of
// dead holders are in Reclaiming.swift.)
//
// - One finisher works on a topic at a time, under the topic's lock. It looks under the lock which mailboxes have a
//   letter, so it gives no mailbox a letter twice (CrashSafety I8, I9). No finisher waits for another, or for a living
//   sender.
// - It syncs what a dead process may have made and not synced, before it relies on it (CrashSafety I10).
// - Trouble with one letter or mailbox is reported, and stops nothing else.

import Linux

/// What is left to finish in a topic.
enum Unfinished: Comparable {
  case nothing
  /// Living senders or another finisher are at work: there may soon be something to finish.
  case inOthersHands
  /// Something could not be finished: the disk is full, a mailbox is gone.
  case inTrouble
}

extension Topic {
  /// How many letters whose sender is dead are delivered together; each is open meanwhile.
  private static let finishGroup = 128
  /// How many passes are made before other topics and mailboxes get their turn.
  static let passes = 64

  /// Finishes what others left in this topic.
  @discardableResult
  func tidy() throws(PostError) -> Unfinished {
    office.clearDebris(in: layout.tmp)
    var rest = try finishSorting()
    if try !roll().unfinished.isEmpty { rest = max(rest, try finishSubscriptions()) }
    return max(rest, try deliverHeld())
  }

  /// What a sender finishes after its own letters are accepted: trouble is a warning.
  package func tidyAfterSending() {
    do throws(PostError) { try tidy() } catch { office.warn(error.message) }
    Ballast(office).lay()
  }

  /// Sorts the letters in new/ whose sender is dead or was a foreign program.
  private func finishSorting() throws(PostError) -> Unfinished {
    var rest = Unfinished.nothing
    var last: Path?
    for _ in 0..<Topic.passes {
      var letters = [ListedLetter]()
      let names = try office.firstNames(in: layout.new, limit: Office.passLimit) { name in
        last.map { name > $0 } ?? true
      }
      for name in names {
        switch office.writerState(of: layout.new / name) {
        case .dead(let status): letters.append(ListedLetter(inNew: name, status))
        case .alive: rest = max(rest, .inOthersHands)
        case .noLetter(let reason): setAside(name, from: layout.new, because: reason)
        case .gone: break
        case .unreadable(let errno):
          office.warn(PostError(errno, "cannot sort", "\(layout.new / name)").message)
        }
      }
      last = names.last
      if !letters.isEmpty {
        let isDone = try withLock { () throws(PostError) in
          if try !finish(letters, try survey(letters)) { rest = .inTrouble }
        }
        // The other finisher may have listed new/ before these letters came.
        if !isDone { return max(rest, .inOthersHands) }
      }
      if rest == .inTrouble || names.count < Office.passLimit { return rest }
    }
    return .inOthersHands
  }

  /// Sorts letters, in groups of those that the same mailboxes have already.
  /// - Returns: false if some are still to be sorted.
  private func finish(_ letters: [ListedLetter], _ survey: LetterSurvey) throws(PostError) -> Bool {
    var isDone = true
    var rest = letters[...]
    while let first = rest.first {
      let owners = survey.owners(of: first)
      var group = [UnsortedLetter]()
      while let next = rest.first, group.count < Topic.finishGroup, survey.owners(of: next) == owners {
        do throws(Errno) {
          if let letter = try prepare(next, survey) { group.append(letter) }
        } catch let error where !group.isEmpty && (error == .processFiles || error == .systemFiles) {
          break  // this group first: then its files are closed
        } catch .noEntry {} catch {
          office.warn(PostError(error, "cannot sort", "\(layout.new / next.name)").message)
          isDone = false
        }
        rest.removeFirst()
      }
      if group.isEmpty { continue }
      // Their deliverers may have died before they synced new/, and some letters have just got other names. A letter
      // that some mailboxes have must not vanish from here, or get yet another ID, before the others have it.
      try attempt("cannot make letters durable in", "\(layout.new)") { () throws(Errno) in
        try office.root.directory(layout.new).sync()
      }
      let new = LetterDirectory(layout.new, of: office)
      if !Delivery(self).sort(group, from: new, owners: owners, unreadable: survey.unreadable) {
        isDone = false
      }
    }
    return isDone
  }
}
