// Sending: a letter is written in the topic's tmp/, made durable, renamed to new/, and is accepted.
// Then it is sorted: linked into every mailbox, made durable there, and renamed to cur/.
//
// From its first moment the sender holds the sorter's lock on byte 0 of the letter. Whoever finds a
// letter in tmp/ or new/ without that lock knows that its sender is dead.

import Linux

/// What a publisher says about a letter.
public struct Envelope: Sendable {
  public var subject: String?
  public var contentType: String?
  /// Further headers, in their order.
  public var headers: [Headers.Field] = []

  public init(subject: String? = nil, contentType: String? = nil) {
    self.subject = subject
    self.contentType = contentType
  }

  /// Written by the office; a publisher cannot set them.
  package static let reserved = [
    "Message-ID", "Date", "From", "Post-Topic", "Content-Length", "Content-Digest",
  ]

  /// - Throws: bad data, naming the header that cannot stand in a letter.
  func fields() throws(PostError) -> [Headers.Field] {
    var fields = [Headers.Field]()
    if let subject { fields.append(try Headers.Field("Subject", subject)) }
    if let contentType { fields.append(try Headers.Field("Content-Type", contentType)) }
    for field in headers {
      if let name = Envelope.reserved.first(where: { $0.lowercased() == field.name.lowercased() }) {
        throw PostError(.badData, "header \(name) is written by the post office; leave it out")
      }
      fields.append(field)
    }
    let size = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 3 }
    guard size <= Headers.blockLimit / 2 else {
      throw PostError(
        .badData, "the headers take more than \(Headers.blockLimit / 2) bytes; put them into the body")
    }
    return fields
  }
}

/// What a letter's body is read from: fills the buffer with some bytes and says how many; 0 is the end.
package typealias BodySource = (UnsafeMutableRawBufferPointer) throws(PostError) -> Int

extension Topic {
  /// The most that is read before the header is written: such a letter takes one write.
  private static let firstPiece = 64 << 10

  /// Sends a letter. When this returns, it survives kill -9 and power loss and reaches every mailbox
  /// that is subscribed now. When it throws, it reaches nobody.
  /// - Throws: bad data (a header), try again (full disk, Min-Free), I/O error, no permission.
  @discardableResult
  public func send(_ body: [UInt8], _ envelope: Envelope = Envelope()) throws(PostError) -> LetterID {
    var rest = body[...]
    return try send(envelope) { buffer in
      let count = min(buffer.count, rest.count)
      buffer.copyBytes(from: rest.prefix(count))
      rest = rest.dropFirst(count)
      return count
    }
  }

  /// Sends a letter whose body comes in pieces, however long.
  package func send(_ envelope: Envelope, from source: BodySource) throws(PostError) -> LetterID {
    let fields = try envelope.fields()
    let draft = try makeDraft()
    do throws(PostError) {
      try checkSpace(draft.file)
      try write(draft, fields, source)
      try accept(draft)
    } catch {
      try? office.root.remove(layout.tmp / draft.id.path)
      try? office.root.remove(layout.new / draft.id.path)
      throw error
    }
    Delivery(self).sort(draft.id.path, draft.id, file: draft.file)
    return draft.id
  }

  /// A letter being written; the sorter's lock lasts as long as its file is open.
  private struct Draft: ~Copyable {
    let id: LetterID
    let file: File
  }

  /// Makes the letter's file and takes the sorter's lock on it, before any input is read.
  private func makeDraft() throws(PostError) -> Draft {
    try office.attemptWrite("cannot write into \(office.path)/\(layout.tmp)", in: layout.root) {
      () throws(Errno) in
      while true {
        let id = office.ids.next(now: Clock.wall)
        let file: File
        do throws(Errno) {
          // The mode is for good, less the umask: mailboxes share the inode, so nobody may write it.
          file = try office.root.open(layout.tmp / id.path, .create(permissions: 0o444))
        } catch .exists { continue }
        // A cleaner may have met the file before it was locked: then it is gone, or about to go.
        guard try file.tryLock(.exclusive, byte: sorterByte), try file.status().links > 0 else { continue }
        return Draft(id: id, file: file)
      }
    }
  }

  private func write(
    _ draft: borrowing Draft, _ fields: [Headers.Field], _ source: BodySource
  ) throws(PostError) {
    let place = "cannot write the letter into \(office.path)/\(layout.tmp)"
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Topic.firstPiece, alignment: 16)
    defer { buffer.deallocate() }
    var length: Int64 = 0
    var crc = CRC32C()
    var filled = 0
    var isWhole = false
    while filled < buffer.count {
      let count = try source(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if count == 0 {
        isWhole = true
        break
      }
      filled += count
    }
    func take(_ count: Int) {
      crc.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      length += Int64(count)
    }
    take(filled)
    var first = header(draft.id, fields, length: isWhole ? length : nil, crc)
    first += buffer[..<filled]
    try office.attemptWrite(place, in: layout.root) { () throws(Errno) in try draft.file.write(first) }
    if isWhole { return }

    while true {
      let count = try source(buffer)
      if count == 0 { break }
      take(count)
      try office.attemptWrite(place, in: layout.root) { () throws(Errno) in
        try draft.file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    // Now length and digest are known; the header was written with room for them.
    let final = header(draft.id, fields, length: length, padded: true, crc)
    try office.attemptWrite(place, in: layout.root) { () throws(Errno) in
      try draft.file.seek(to: 0)
      try draft.file.write(final)
    }
  }

  /// The header block. Padded, it is of the same length whatever the numbers are.
  private func header(
    _ id: LetterID, _ fields: [Headers.Field], length: Int64?, padded: Bool = false, _ crc: CRC32C
  ) -> [UInt8] {
    let local = id.description.dropLast(office.ids.host.count + 1)
    let digits = String(length ?? 0)
    let padding = padded || length == nil ? String(repeating: " ", count: 19 - digits.count) : ""
    var text = "Message-ID: <\(local)@\(office.ids.host)>\n"
    text += "Date: \(UTC(seconds: id.sent ?? 0).mailDate)\n"
    text += "From: \(office.sender)\n"
    text += "Post-Topic: \(name)\n"
    for field in fields { text += "\(field.name): \(field.value)\n" }
    text += "Content-Length: \(padding)\(digits)\n"
    text += "Content-Digest: \(crc.digestField)\n\n"
    return Array(text.utf8)
  }

  /// Makes the letter durable and puts it into new/: the moment it is accepted.
  private func accept(_ draft: borrowing Draft) throws(PostError) {
    let place = "\(office.path)/\(layout.tmp)"
    try office.attemptWrite("cannot make the letter durable in \(place)", in: layout.root) {
      () throws(Errno) in
      // Before any other name exists: else a power cut can show a letter of zeros under it.
      try draft.file.sync()
    }
    let goal = "\(office.path)/\(layout.new)"
    try office.attemptWrite("cannot accept the letter into \(goal)", in: layout.root) { () throws(Errno) in
      try office.root.rename(layout.tmp / draft.id.path, to: office.root, layout.new / draft.id.path)
      try office.syncNames(in: layout.new, of: draft.file)
    }
  }
}

/// Byte 0 of a letter: locked by its sender until it is sorted.
let sorterByte: UInt64 = 0

extension Office {
  /// Makes new names in a directory durable. One that may be written but not read (a drop box)
  /// cannot be opened for that: then the letter itself is synced once more, which commits its names
  /// as well (shown on ext4, xfs and btrfs).
  func syncNames(in folder: Path, of letter: borrowing File) throws(Errno) {
    do throws(Errno) { try root.directory(folder).sync() } catch .denied { try letter.sync() }
  }
}
