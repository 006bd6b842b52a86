// The letters of one post send go in batches that share their syncs. No letter waits for its batch to fill up: before a read
// that may wait, the letters read so far are accepted. When it fails, the message says how many letters were accepted.

import Linux
import PostOffice

/// Sends inputs, whole or in pieces, and counts the accepted letters.
final class SendQueue {
  private let batch: SendBatch
  private let call: CommandContext
  private var accepted = 0
  private var hasWarned = false
  private let warn: (String) -> Void

  init(_ batch: SendBatch, _ call: CommandContext, warn: @escaping (String) -> Void) {
    self.batch = batch
    self.warn = warn
    self.call = call
    batch.onAccepted = { [unowned self] ids in
      accepted += ids.count
      if call.has("id") { printIDs(ids) }
    }
  }

  /// Sends an input.
  /// - Throws: what failed first, and how many letters before it were accepted.
  func send(_ open: () throws(PostError) -> Input) throws(PostError) {
    try counting { () throws(PostError) in
      let input = try open()
      input.beforeWaiting = { [batch] () throws(PostError) in try batch.accept() }
      input.hasWork = { [batch] in !batch.isEmpty }
      guard call.has("lines") || call.has("null") else {
        return try add { (buffer) throws(PostError) in try input.read(into: buffer) }
      }
      let pieces = Pieces(of: input, endedBy: call.has("null") ? 0 : UInt8(ascii: "\n"))
      while try pieces.next() {
        try add { (buffer) throws(PostError) in try pieces.read(into: buffer) }
      }
    }
  }

  /// Sends the rest.
  func finish() throws(PostError) {
    try counting { () throws(PostError) in try batch.accept() }
  }

  private func add(_ source: BodySource) throws(PostError) {
    if batch.isFull { try batch.accept() }
    try batch.add(from: source)
  }

  /// Sends the letters read so far before a file is opened that may block: opening a FIFO waits for its writer.
  func prepareToOpen(_ path: Path) throws(PostError) {
    if batch.isEmpty || path == "-" { return }
    if (try? File.status(of: path).kind) != .regular { try batch.accept() }
  }

  /// Accepts the letters before a failure. If that fails as well, it is what failed first.
  private func counting(_ work: () throws(PostError) -> Void) throws(PostError) {
    do throws(PostError) { try work() } catch {
      var first = error
      do throws(PostError) { try batch.accept() } catch { first = error }
      let before = accepted == 1 ? "1 letter was" : "\(accepted) letters were"
      throw accepted == 0 ? first : first.adding(outcome: "\(before) accepted")
    }
  }

  /// A failure to print is a warning: these letters are accepted all the same, and the next ones will be.
  private func printIDs(_ ids: [LetterID]) {
    do throws(PostError) { try print(ids.map { "\($0)\n" }.joined()) } catch {
      if hasWarned { return }
      hasWarned = true
      let which = ids.count == 1 ? "the ID \(ids[0])" : "the IDs of \(ids.count) letters"
      warn("cannot print \(which): writing to standard output fails; the letters are accepted all the same")
    }
  }
}
