// Letters held for mailboxes that could not take them.

import Linux

extension Topic {
  /// How many held letters are delivered at once; each is open meanwhile.
  private static let heldGroup = 128

  /// Gives held letters to their mailboxes, as far as they can take them now.
  func deliverHeld() throws(PostError) -> Remainder {
    let waiting = try office.names(in: layout.held)
    if waiting.isEmpty { return .nothing }
    var rest = Remainder.nothing
    let isDone = try withLock { () throws(PostError) in
      for mailbox in waiting {
        // A mailbox that still cannot take them is no news: post status tells how many are held.
        do throws(PostError) { try deliverHeld(to: mailbox) } catch { rest = .inTrouble }
      }
    }
    return isDone ? rest : .inOthersHands
  }

  package func deliverHeld(to mailbox: Name) throws(PostError) {
    for _ in 0..<Topic.passes { if try deliverSomeHeld(to: mailbox) < Topic.heldGroup { return } }
  }

  /// - Returns: how many there were, of those that it takes up at once.
  private func deliverSomeHeld(to mailbox: Name) throws(PostError) -> Int {
    let held = layout.held(for: mailbox)
    let link = layout.subscriber(mailbox)
    let names = try office.firstNames(in: held, limit: Topic.heldGroup)
    try attempt("cannot deliver what is held for \(mailbox)") { () throws(Errno) in
      let isSubscribed = try office.root.exists(link)
      let target = isSubscribed ? MailboxLayout(throughSymlink: link) : MailboxLayout(mailbox)
      var letters = [ListedLetter]()
      for name in names {
        letters.append(
          ListedLetter(name: name, id: LetterID(name), status: try office.root.status(held / name)))
      }
      let new = try LetterDirectory(opening: target[.new], of: office)
      let known = try office.known(letters, in: target)
      let delivery = Delivery(self)
      var parcels = [UnsortedLetter]()
      // What does not fit keeps back no other.
      var trouble: Errno?
      var left = Set<Path>()
      for letter in letters {
        do throws(Errno) {
          let parcel = UnsortedLetter(
            letter.name, letter.id, file: try office.root.open(held / letter.name, .read))
          if !known.contains(letter.id) {
            _ = try delivery.place(held / letter.name, letter.id, file: parcel.file, into: target, new)
          }
          parcels.append(parcel)
        } catch .noSpace {
          trouble = .noSpace
          left.insert(letter.name)
        }
      }
      try new.sync(for: parcels)
      // Whether the one who placed them before us came to sync them, we cannot know.
      if !known.isEmpty { try office.syncSealed(target[.new], parcels) }
      for letter in letters where !left.contains(letter.name) { try office.root.remove(held / letter.name) }
      new.sealIfFull(after: parcels)
      if let trouble { throw trouble }
      do throws(Errno) { try office.root.removeDirectory(held) } catch .notEmpty {} catch .exists {}
    }
    return names.count
  }
}
