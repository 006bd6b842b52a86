// A group of letters that are sent together: each is written in the topic's tmp/; then all are made durable and
// renamed to new/, and are accepted. Then they are sorted: linked into every mailbox, made durable there, and
// renamed to cur/. A single letter is a group of one. What syncs cost, and why these: Syncs.md.
//
// From its first moment the sender holds the sorter's lock on byte 0 of a letter. Whoever finds a letter in tmp/
// or new/ without that lock knows that its sender is dead.
//
// A group is not all or nothing: each letter is. If one cannot be accepted, those before it are, and those after
// it are not, so that who sends knows by their number where to go on.

import Linux

/// Letters on their way into a topic. None is accepted before ``accept()``.
package final class SendBatch {
  private let topic: Topic
  private let writer: LetterWriter
  private let given: Durability?
  private var letters: [UnsortedLetter] = []
  private var length: Int64 = 0
  /// Takes the IDs of letters as soon as they are accepted and sorted, in their order.
  /// It cannot fail any more: the letters are accepted.
  package var onAccepted: ([LetterID]) -> Void = { _ in }

  private var office: Office { topic.office }
  private var layout: TopicLayout { topic.layout }

  /// The most letters, and the most bytes of bodies, that are accepted together.
  private static let limits = (letters: 256, bytes: 4 << 20 as Int64)
  /// Descriptors that are left for other things: standard streams, spool, input, a new/ and 16 mailboxes.
  private static let otherFiles = 26
  /// Up to so many letters are made durable one by one; beyond it, syncfs does all at once.
  static let fileSyncs = 8
  /// But syncfs also waits for what others have written: no more than so much for each of our letters, bytes.
  private static let othersShare: Int64 = 256 << 10

  /// - Parameter durability: nil: as the settings of the topic say.
  /// - Throws: bad data, if the envelope has a header that cannot stand in a letter.
  package init(_ topic: Topic, _ envelope: Envelope, durability: Durability? = nil) throws(PostError) {
    self.topic = topic
    writer = LetterWriter(topic, try envelope.fields())
    given = durability
  }

  deinit { for letter in letters { refuse(letter) } }

  /// No letter is waiting to be accepted.
  package var isEmpty: Bool { letters.isEmpty }

  /// It is time to accept the letters.
  package var isFull: Bool {
    if letters.isEmpty { return false }
    return letters.count >= SendBatch.limits.letters || length >= SendBatch.limits.bytes
      || letters.count >= SendBatch.descriptors
  }

  private static let descriptors = max(1, OpenFiles.limit - otherFiles)

  /// Writes a letter whose body comes in pieces, however long. It is not accepted yet.
  /// - Throws: then this letter is gone, and the others are still to be accepted.
  @discardableResult
  package func add(from source: BodySource) throws(PostError) -> LetterID {
    let letter = try makeLetter()
    do throws(PostError) {
      try topic.checkSpace(letter.file)
      length += try writer.write(letter, from: source)
    } catch {
      refuse(letter)
      throw error
    }
    letters.append(letter)
    return letter.id
  }

  /// Makes a letter's file; if too many are open, after the others were accepted. No input has been read by then.
  private func makeLetter() throws(PostError) -> UnsortedLetter {
    var what: String { "cannot write into \(office.path)/\(layout.tmp)" }
    do throws(Errno) { return try writer.makeLetter() } catch {
      let isShort = error == .processFiles || error == .systemFiles
      guard isShort, !letters.isEmpty else { throw office.trouble(error, what, in: layout.root) }
    }
    try accept()
    return try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try writer.makeLetter() }
  }

  /// Accepts and sorts the letters: they survive kill -9 and power loss, and reach every mailbox that is
  /// subscribed now. The group is empty afterwards, and can be used again.
  /// - Throws: then some, the last ones, were refused and reach nobody; those before are accepted.
  package func accept() throws(PostError) {
    guard !letters.isEmpty else { return }
    let all = letters
    letters = []
    length = 0
    let durability = given ?? office.topicSettings(topic.name).durability
    var (count, trouble) = durability == .full ? makeDurable(all) : (all.count, nil)
    let new: LetterDirectory
    do throws(PostError) {
      new = try office.attemptWrite("cannot open \(office.path)/\(layout.new)") { () throws(Errno) in
        durability == .full
          ? try LetterDirectory(opening: layout.new, of: office) : LetterDirectory(layout.new, of: office)
      }
      if count > 0 { (count, trouble) = try publish(all[..<count], in: new, durability, trouble) }
    } catch {
      for letter in all { refuse(letter) }
      throw error
    }
    for letter in all[count...] { refuse(letter) }
    if count > 0 {
      let accepted = Array(all[..<count])
      Delivery(topic, durability).sort(accepted, from: new)
      onAccepted(accepted.map(\.id))
    }
    if let trouble { throw trouble }
  }

  /// Makes the letters' contents durable, before they have any other name: else a power cut can show a letter of
  /// zeros under it.
  /// - Returns: how many are, from the first one on; and why the next is not.
  private func makeDurable(_ letters: [UnsortedLetter]) -> (count: Int, trouble: PostError?) {
    // An error may be another file's. Then each file tells for itself: its first fsync knows.
    if isForAll(letters.count), (try? letters[0].file.syncFileSystem()) != nil { return (letters.count, nil) }
    if letters.count > 1 { for letter in letters { letter.file.startWriting() } }
    for (index, letter) in letters.enumerated() {
      do throws(PostError) {
        var what: String { "cannot make the letter durable in \(office.path)/\(layout.tmp)" }
        try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try letter.file.sync() }
      } catch {
        return (index, error)
      }
    }
    return (letters.count, nil)
  }

  /// Since Linux 5.8 a syncfs that returns 0 means what it says.
  private static let hasTrueSyncfs = Host.hasKernel(5, 8)

  /// Whether one syncfs is better than a fsync for each of so many letters.
  private func isForAll(_ count: Int) -> Bool {
    guard count > SendBatch.fileSyncs, SendBatch.hasTrueSyncfs, let unwritten = Memory.unwritten else {
      return false
    }
    return unwritten <= Int64(count) * SendBatch.othersShare + SendBatch.limits.bytes
  }

  /// Puts letters into new/: the moment they are accepted.
  /// - Parameter trouble: why others are not among them.
  /// - Returns: how many are, from the first one on; and why the next is not.
  /// - Throws: then none is.
  private func publish(
    _ letters: ArraySlice<UnsortedLetter>, in new: LetterDirectory, _ durability: Durability,
    _ trouble: PostError?
  ) throws(PostError) -> (count: Int, trouble: PostError?) {
    var what: String { "cannot accept the letter into \(office.path)/\(layout.new)" }
    var count = 0
    var trouble = trouble
    do throws(PostError) {
      for letter in letters {
        try office.attemptWrite(what, in: layout.root) { () throws(Errno) in
          try new.change(letter.name) { (folder, name) throws(Errno) in
            try office.root.rename(layout.tmp / letter.name, to: folder, name)
          }
        }
        count += 1
      }
    } catch {
      if count == 0 { throw error }
      trouble = error
    }
    if durability == .full {
      let accepted = Array(letters.prefix(count))
      do throws(PostError) {
        try office.attemptWrite(what, in: layout.root) { () throws(Errno) in try new.sync(for: accepted) }
      } catch {
        for letter in accepted {
          do throws(Errno) {
            try new.change(letter.name) { (folder, name) throws(Errno) in try folder.remove(name) }
          } catch .noEntry {} catch let why {
            // A disk that fails, and is read-only by now.
            throw PostError(
              error.kind,
              "\(error.message); letter \(letter.id) can not be taken back either, and may still be delivered: \(why)"
            )
          }
        }
        throw error
      }
    }
    return (count, trouble)
  }

  /// Takes a letter away that was not accepted.
  private func refuse(_ letter: UnsortedLetter) {
    try? office.root.remove(layout.tmp / letter.name)
    try? office.root.remove(layout.new / letter.name)
  }
}
