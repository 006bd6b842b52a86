// Large letters take long to verify and to copy. The watcher does one slice between two polls, of one letter after
// another in turn: so a letter of gigabytes delays no other mailbox.

import Linux
import PostOffice

/// Letters that were claimed together, of which the last is being verified, and copied if its handler reads it.
final class Preparation {
  fileprivate let claims: [Claim]
  fileprivate let item: WorkItem
  fileprivate let worker: MailboxWorker
  /// The handler that gets it; nil: one that is started then.
  let stream: StreamHandler?
  fileprivate let settings: Settings
  fileprivate let body: BodyCopy
  fileprivate let copies: Bool

  fileprivate init(
    _ body: BodyCopy, _ claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker, _ stream: StreamHandler?,
    copies: Bool
  ) {
    (self.body, self.claims, self.item, self.worker) = (body, claims, item, worker)
    (self.stream, self.copies, settings) = (stream, copies, worker.settings)
  }
}

extension Watcher {
  /// Begins to prepare a large letter.
  /// - Parameters:
  ///   - claims: those that were claimed together, the large letter last.
  ///   - copies: its body becomes a handler's standard input.
  func prepare(
    _ large: Claim, of claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker,
    for stream: StreamHandler? = nil,
    copies: Bool
  ) throws(PostError) {
    let body: BodyCopy
    do throws(Letter.Flaw) { body = try BodyCopy(large, copies: copies) } catch {
      return try dropFlawed(large, error, of: claims, item, worker)
    }
    work.preparations.append(Preparation(body, claims, item, worker, stream, copies: copies))
    stream?.expected += 1
  }

  /// Prepares the next slice of the letter whose turn it is.
  func prepareSlice() {
    if work.preparations.isEmpty { return }
    let next = work.preparations.removeFirst()
    do throws(PostError) { try prepareSlice(of: next) } catch {
      office.warn("mailbox \(next.worker.name): \(error.message)")
      next.worker.noteTrouble(error)
    }
    removeIfFinished(next.worker)
  }

  private func prepareSlice(of next: Preparation) throws(PostError) {
    // Much may have changed since the last slice.
    guard mayGoOn(next.worker, next.settings), next.stream?.isClosed != true else {
      return try release(next)
    }
    let file: File?
    do throws(Letter.Flaw) {
      if !next.body.isComplete { try next.body.copySlice() }
      guard next.body.isComplete else { return work.preparations.append(next) }
      file = next.copies ? try next.body.takeFile() : nil
    } catch {
      next.stream?.expected -= 1
      return try dropFlawed(next.body.claim, error, of: next.claims, next.item, next.worker)
    }
    guard let stream = next.stream else { return try run(next.claims, file, next.item, next.worker) }
    stream.expected -= 1
    stream.give(next.body.claim, next.item)
    stream.send()
    next.worker.makeRoom()
  }

  private func release(_ preparation: Preparation) throws(PostError) {
    preparation.stream?.expected -= 1
    do throws(PostError) {
      try settleAll(preparation.claims, preparation.item, .release, preparation.worker)
    } catch {
      preparation.stream?.close()  // the letter counts as claimed for as long as the stream lives
      throw error
    }
  }

  /// Releases all letters that are being prepared.
  func releasePreparations() {
    let released = work.preparations
    work.preparations = []
    for preparation in released {
      do throws(PostError) { try release(preparation) } catch { office.warn(error.message) }
      removeIfFinished(preparation.worker)
    }
  }

  /// Sets a claimed letter aside that is corrupt, or releases one that cannot be read. The others that were claimed
  /// with it go to their handler.
  /// - Throws: what makes the mailbox pause. Then the others are released.
  func dropFlawed(
    _ claim: Claim, _ flaw: Letter.Flaw, of claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker
  ) throws(PostError) {
    let mailbox = worker.mailbox
    var trouble: PostError?
    var isClaimed = true
    switch flaw {
    case .corrupt(let how):
      do throws(PostError) {
        let warning = try mailbox.setAside(claim.entry.path, from: mailbox.layout[.cur], because: how)
        if let warning { office.warn(warning.message) }
        worker.giveUp(claim, of: item, due: nil)
        isClaimed = false
      } catch { trouble = error }
    case .errno, .tooLarge:
      let cause = flaw.asPostError("letter \(claim.letter.id)")
      if cause.kind == .tryAgain || worker.isLastChance {
        trouble = cause
      } else {
        office.warn(cause.message)
      }
      if cause.kind != .tryAgain {
        mailbox.skip(claim)
      }
    }
    if isClaimed {
      do throws(PostError) { try settleAll([claim], item, .release, worker) } catch {
        trouble = trouble ?? error
      }
    }
    let rest = Array(claims.dropLast())
    if let trouble {
      try settleAll(rest, item, .release, worker)
      throw trouble
    }
    if !rest.isEmpty { try start(rest, item, worker) }
  }
}
