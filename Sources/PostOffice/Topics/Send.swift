// Sending one letter, for programs that use the library.

import Linux

extension Topic {
  /// Sends a letter. When this returns, it survives kill -9 and power loss and reaches every mailbox
  /// that is subscribed now. When it throws, it reaches nobody.
  /// - Parameter durability: whether it survives power loss; nil: as the settings of the topic say.
  /// - Throws: bad data (a header), try again (full disk, Min-Free), I/O error, no permission.
  @discardableResult
  public func send(
    _ body: [UInt8], _ envelope: Envelope = Envelope(), durability: Durability? = nil
  ) throws(PostError) -> LetterID {
    var rest = body[...]
    let group = try SendBatch(self, envelope, durability: durability)
    let id = try group.add { buffer in
      let count = min(buffer.count, rest.count)
      buffer.copyBytes(from: rest.prefix(count))
      rest = rest.dropFirst(count)
      return count
    }
    try group.accept()
    return id
  }
}
