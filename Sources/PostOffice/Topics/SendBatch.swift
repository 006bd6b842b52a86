// Sending a group of letters. Each is written in the topic's tmp/; then all are made durable, renamed to new/, and
// accepted. Then they are delivered and moved to cur/ (Delivery.swift). A single letter is a group of one. What syncs
// this costs, and why these: Syncs.md.
//
// - A letter is accepted when its content is durable and new/ was synced with its name in it (CrashSafety I1, I2). Only
//   then its ID is reported.
// - A refused letter has no name in the spool, or the error says that it may still be delivered (CrashSafety I3).
// - The sender holds the lock of a letter from before it reads any input until the letter is in cur/ (CrashSafety I4).
// - Each letter is accepted or refused by itself. If one cannot be accepted, those before it are, and those after it
//   are not: their number tells the caller where to go on.
// - A sync that failed is not repeated: that letter is refused (CrashSafety I16).

import Linux

/// Letters of one topic and envelope that are accepted together. None is accepted before ``accept()``.
package final class SendBatch {
  private let topic: Topic
  private let writer: LetterWriter
  private let given: Durability?
  private var letters: [UnsortedLetter] = []
  private var length: Int64 = 0
  /// Takes the IDs of letters as soon as they are accepted and delivered, in their order. It cannot refuse them any
  /// more.
  package var onAccepted: ([LetterID]) -> Void = { _ in }

  private var office: Office { topic.office }
  private var layout: TopicLayout { topic.layout }

  /// The most letters, and the most bytes of bodies, that are accepted together.
  private static let limits = (letters: 256, bytes: 4 << 20 as Int64)
  /// Descriptors that are left for other things: standard streams, spool, input, a new/ and 16 mailboxes.
  private static let otherFiles = 26
  /// Up to so many letters are made durable one by one; more of them by one syncfs.
  static let fileSyncs = 8
  /// But syncfs also waits for what other processes have written: at most so much of that for each letter, bytes.
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
  /// - Throws: then this letter is refused, and the others are still to be accepted.
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

  /// Makes a letter's file. If too many files are open, it accepts the other letters first, which closes theirs. No
  /// input has been read by then.
  private func makeLetter() throws(PostError) -> UnsortedLetter {
    let (operation, tmp) = ("cannot write into", layout.tmp)
    do throws(Errno) { return try writer.makeLetter() } catch {
      let isShort = error == .processFiles || error == .systemFiles
      guard isShort, !letters.isEmpty else {
        throw office.trouble(error, operation, "\(office.path)/\(tmp)", in: layout.root)
      }
    }
    try accept()
    return try office.attemptWrite(operation, "\(office.path)/\(tmp)", in: layout.root) { () throws(Errno) in
      try writer.makeLetter()
    }
  }

  /// Accepts and delivers the letters: they survive kill -9 and power loss, and reach every mailbox that is subscribed
  /// now. The group is empty afterwards, and can be used again.
  /// - Throws: then the last letters were refused, and reach no mailbox; those before them are accepted.
  package func accept() throws(PostError) {
    guard !letters.isEmpty else { return }
    let all = letters
    letters = []
    length = 0
    let durability = given ?? office.topicSettings(topic.name).durability
    var (count, trouble) = durability == .full ? makeDurable(all) : (all.count, nil)
    let new: LetterDirectory
    do throws(PostError) {
      new = try office.attemptWrite("cannot open", "\(office.path)/\(layout.new)") { () throws(Errno) in
        durability == .full
          ? try LetterDirectory(openingOrDropBox: layout.new, of: office)
          : LetterDirectory(layout.new, of: office)
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

  /// Makes the contents of letters durable before they have any other name, under which a power cut could else show
  /// zeros.
  /// - Returns: how many are durable, from the first one on, and why the next is not.
  private func makeDurable(_ letters: [UnsortedLetter]) -> (count: Int, trouble: PostError?) {
    // Its error may be about another file. The first fsync of each letter reports that letter's own.
    if isForAll(letters.count), (try? letters[0].file.syncFileSystem()) != nil { return (letters.count, nil) }
    if letters.count > 1 { for letter in letters { letter.file.startWriting() } }
    for (index, letter) in letters.enumerated() {
      do throws(PostError) {
        try office.attemptWrite(
          "cannot make the letter durable in", "\(office.path)/\(layout.tmp)", in: layout.root
        ) { () throws(Errno) in try letter.file.sync() }
      } catch {
        return (index, error)
      }
    }
    return (letters.count, nil)
  }

  /// syncfs reports errors since Linux 5.8.
  private static let hasTrueSyncfs = Host.hasKernel(5, 8)

  /// Whether one syncfs is better than a fsync for each of so many letters.
  private func isForAll(_ count: Int) -> Bool {
    guard count > SendBatch.fileSyncs, SendBatch.hasTrueSyncfs, let unwritten = Memory.unwritten else {
      return false
    }
    return unwritten <= Int64(count) * SendBatch.othersShare + SendBatch.limits.bytes
  }

  /// Renames letters to new/ and makes that durable: then they are accepted.
  /// - Parameter trouble: why the letters after these are not among them.
  /// - Returns: how many are accepted, from the first one on, and why the next is not.
  /// - Throws: then none is.
  private func publish(
    _ letters: ArraySlice<UnsortedLetter>, in new: LetterDirectory, _ durability: Durability,
    _ trouble: PostError?
  ) throws(PostError) -> (count: Int, trouble: PostError?) {
    let operation = "cannot accept the letter into"
    var place: String { "\(office.path)/\(layout.new)" }
    var count = 0
    var trouble = trouble
    do throws(PostError) {
      for letter in letters {
        try office.attemptWrite(operation, place, in: layout.root) { () throws(Errno) in
          try new.take(layout.tmp / letter.name, as: letter.name)
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
        try office.attemptWrite(operation, place, in: layout.root) { () throws(Errno) in
          try new.sync(for: accepted)
        }
      } catch {
        for letter in accepted {
          do throws(Errno) { try new.remove(letter.name) } catch .noEntry {} catch let why {
            // The disk fails, and is read-only by now.
            throw error.adding(
              outcome: "letter \(letter.id) cannot be taken back either, and may still be delivered: \(why)")
          }
        }
        throw error
      }
    }
    return (count, trouble)
  }

  /// Removes a letter that was not accepted.
  private func refuse(_ letter: UnsortedLetter) {
    try? office.root.remove(layout.tmp / letter.name)
    try? office.root.remove(layout.new / letter.name)
  }
}

extension Topic {
  /// Sends a letter. When this returns, the letter survives kill -9 and power loss, and reaches every mailbox that is
  /// subscribed now. When it throws, the letter reaches no mailbox.
  /// - Parameter durability: whether it survives power loss; nil: as the settings of the topic say.
  /// - Throws: bad data (a header), try again (full disk, Min-Free), I/O error, no permission.
  @discardableResult
  public func send(
    _ body: [UInt8], _ envelope: Envelope = Envelope(), durability: Durability? = nil
  ) throws(PostError) -> LetterID {
    var rest = body[...]
    let batch = try SendBatch(self, envelope, durability: durability)
    let id = try batch.add { buffer in
      let count = min(buffer.count, rest.count)
      buffer.copyBytes(from: rest.prefix(count))
      rest = rest.dropFirst(count)
      return count
    }
    try batch.accept()
    return id
  }
}
