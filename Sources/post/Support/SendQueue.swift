// SendQueue: letters go in groups. Nobody waits for a group to fill up: before a read that may wait, the letters
// that were read are accepted.

import Linux
import PostOffice

/// Sends inputs, whole or in pieces, and counts what was accepted.
final class SendQueue {
  private let group: SendBatch
  private let call: CommandContext
  private var accepted = 0
  private var hasTold = false
  private let warn: (String) -> Void

  init(_ group: SendBatch, _ call: CommandContext, warn: @escaping (String) -> Void) {
    self.group = group
    self.warn = warn
    self.call = call
    group.onAccepted = { [unowned self] ids in
      accepted += ids.count
      if call.has("id") { tell(ids) }
    }
  }

  /// Takes an input, and sends it.
  /// - Throws: what failed first. It says how many letters were accepted: those before the one that failed.
  func send(_ open: () throws(PostError) -> Input) throws(PostError) {
    try counting { () throws(PostError) in
      let input = try open()
      input.beforeWaiting = { [group] () throws(PostError) in try group.accept() }
      input.mayWait = { [group] in !group.isEmpty }
      guard call.has("lines") || call.has("null") else {
        return try add { (buffer) throws(PostError) in try input.read(into: buffer) }
      }
      let pieces = Pieces(of: input, endedBy: call.has("null") ? 0 : UInt8(ascii: "\n"))
      while try pieces.next() {
        try add { (buffer) throws(PostError) in try pieces.read(into: buffer) }
      }
    }
  }

  /// Sends what is left.
  func finish() throws(PostError) {
    try counting { () throws(PostError) in try group.accept() }
  }

  private func add(_ source: BodySource) throws(PostError) {
    if group.isFull { try group.accept() }
    try group.add(from: source)
  }

  /// To open a FIFO may take as long as to read from it.
  func beforeOpening(_ path: Path) throws(PostError) {
    if group.isEmpty || path == "-" { return }
    if (try? File.status(of: path).kind) != .regular { try group.accept() }
  }

  /// After a failure the letters before it are accepted. If that fails as well, it is what failed first.
  private func counting(_ work: () throws(PostError) -> Void) throws(PostError) {
    do throws(PostError) { try work() } catch {
      var first = error
      do throws(PostError) { try group.accept() } catch { first = error }
      let before = accepted == 1 ? "1 letter was" : "\(accepted) letters were"
      throw accepted == 0 ? first : PostError(first.kind, "\(first.message); \(before) accepted")
    }
  }

  /// That nobody can read their IDs does not make letters less accepted; nor does it keep back those that are to come.
  private func tell(_ ids: [LetterID]) {
    do throws(PostError) { try print(ids.map { "\($0)\n" }.joined()) } catch {
      if hasTold { return }
      hasTold = true
      let which = ids.count == 1 ? "the ID \(ids[0])" : "the IDs of \(ids.count) letters"
      warn(
        "cannot print \(which): standard output takes no more; what is sent is accepted all the same"
      )
    }
  }
}
