// Delivering letters that are held for mailboxes that could not take them.
//
// - Under the topic's lock, as every finisher's work; a mailbox gets only letters that it has in no state (CrashSafety
//   I9).
// - A letter leaves held/ after it is durable in the mailbox. One that does not fit on a full disk stays, and keeps
//   back no other.
// - For a mailbox that was unsubscribed since, the letters go to the mailbox of that name.

import Linux

extension Topic {
  /// How many held letters are delivered together; each is open meanwhile.
  private static let heldGroup = 128

  /// Gives the held letters to their mailboxes, as far as these can take them now.
  func deliverHeld() throws(PostError) -> Unfinished {
    let mailboxes = try office.names(in: layout.held)
    if mailboxes.isEmpty { return .nothing }
    var rest = Unfinished.nothing
    let isDone = try withLock { () throws(PostError) in
      for mailbox in mailboxes {
        // No warning for a mailbox that still cannot take them: post status shows how many are held.
        do throws(PostError) { try deliverHeld(to: mailbox) } catch { rest = .inTrouble }
      }
    }
    return isDone ? rest : .inOthersHands
  }

  /// The same for one mailbox, under the topic's lock.
  func deliverHeld(to mailbox: Name) throws(PostError) {
    let held = layout.held(for: mailbox)
    for _ in 0..<Topic.passes {
      let names = try office.firstNames(in: held, limit: Topic.heldGroup)
      try attempt("cannot deliver what is held for", "\(mailbox)") { () throws(Errno) in
        try deliver(names, from: LetterDirectory(held, of: office), to: mailbox)
      }
      if names.count < Topic.heldGroup { return }
    }
  }

  private func deliver(_ names: [Path], from held: LetterDirectory, to mailbox: Name) throws(Errno) {
    let link = layout.subscriber(mailbox)
    let isSubscribed = try office.root.exists(link)
    let target = isSubscribed ? MailboxLayout(throughSymlink: link) : MailboxLayout(mailbox)
    var listed = [ListedLetter]()
    for name in names {
      let status = try office.root.status(held.path / name)
      listed.append(ListedLetter(name: name, id: LetterID(name), status: status))
    }
    let new = try LetterDirectory(openingOrDropBox: target[.new], of: office)
    let known = try office.known(listed, in: target)
    let delivery = Delivery(self)
    var delivered = [UnsortedLetter]()
    var trouble: Errno?
    for name in names {
      let id = LetterID(name)
      do throws(Errno) {
        let letter = UnsortedLetter(name, id, file: try office.root.open(held.path / name, .read))
        if !known.contains(id) { _ = try delivery.place(letter, from: held, into: new) }
        delivered.append(letter)
      } catch .noSpace { trouble = .noSpace }  // a shorter one may fit
    }
    try new.sync(for: delivered)
    // The process that placed those that are known may have died before it synced them.
    if !known.isEmpty { try office.syncSealed(target[.new], delivered) }
    for letter in delivered { try office.root.remove(held.path / letter.name) }
    new.sealIfFull(after: delivered)
    if let trouble { throw trouble }
    do throws(Errno) { try office.root.removeDirectory(held.path) } catch .notEmpty {} catch .exists {}
  }
}
