// Large letters take long to verify and to copy: the watcher does it a slice at a time, between polls, one letter after
// the other in turn. So a letter of gigabytes delays no other mailbox.

import Linux
import PostOffice

/// Letters that were claimed together, of which the last is verified, or copied for its handler.
final class Preparation {
  fileprivate let claims: [Claim]
  fileprivate let item: WorkItem
  fileprivate let worker: MailboxWorker
  /// Who gets it; nil: a handler that is started then.
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
  ///   - claims: those that were claimed together with it, itself the last.
  ///   - copies: its body is to become a handler's standard input.
  func prepare(
    _ large: Claim, of claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker,
    for stream: StreamHandler? = nil,
    copies: Bool
  ) throws(PostError) {
    let body: BodyCopy
    do throws(Letter.Flaw) { body = try BodyCopy(large, copies: copies) } catch {
      return try spoiled(large, error, of: claims, item, worker)
    }
    preparations.append(Preparation(body, claims, item, worker, stream, copies: copies))
    stream?.expected += 1
  }

  /// Takes up the next slice of the letter whose turn it is.
  func prepareSlice() {
    if preparations.isEmpty { return }
    let next = preparations.removeFirst()
    do throws(PostError) { try prepareSlice(of: next) } catch {
      office.warn("mailbox \(next.worker.name): \(error.message)")
      next.worker.isInTrouble(error)
    }
    closeIfOver(next.worker)
  }

  private func prepareSlice(of next: Preparation) throws(PostError) {
    // It takes long, and much may have changed.
    guard mayGoOn(next.worker, next.settings), next.stream?.isClosed != true else {
      return try giveBack(next)
    }
    let file: File?
    do throws(Letter.Flaw) {
      if !next.body.isOver { try next.body.step() }
      guard next.body.isOver else { return preparations.append(next) }
      file = next.copies ? try next.body.take() : nil
    } catch {
      next.stream?.expected -= 1
      return try spoiled(next.body.claim, error, of: next.claims, next.item, next.worker)
    }
    guard let stream = next.stream else { return try run(next.claims, file, next.item, next.worker) }
    stream.expected -= 1
    stream.give(next.body.claim, next.item)
    stream.send()
    next.worker.makeRoom()
  }

  private func giveBack(_ next: Preparation) throws(PostError) {
    next.stream?.expected -= 1
    do throws(PostError) { try settleAll(next.claims, next.item, .release, next.worker) } catch {
      // It shows to be held for as long as the stream lives.
      next.stream?.close()
      throw error
    }
  }

  /// A claimed letter is not what was sent, or cannot be read. The others of its batch go on.
  /// - Throws: what makes the mailbox pause.
  func spoiled(
    _ claim: Claim, _ flaw: Letter.Flaw, of claims: [Claim], _ item: WorkItem, _ worker: MailboxWorker
  ) throws(PostError) {
    let mailbox = worker.mailbox
    var trouble: PostError?
    var isOurs = true
    switch flaw {
    case .corrupt(let how):
      do throws(PostError) {
        let told = try mailbox.setAside(claim.entry.path, from: mailbox.layout[.cur], because: how)
        if let told { office.warn(told.message) }
        worker.giveUp(claim, of: item, due: nil)
        isOurs = false
      } catch { trouble = error }
    case .errno(let errno):
      let cause = PostError(errno, "cannot read letter \(claim.letter.id)")
      if cause.kind == .tryAgain || worker.isLastChance {
        trouble = cause
      } else {
        office.warn(cause.message)
      }
      if cause.kind != .tryAgain {
        mailbox.skip(claim)
      }
    }
    if isOurs {
      do throws(PostError) { try settleAll([claim], item, .release, worker) } catch {
        trouble = trouble ?? error
      }
    }
    let rest = Array(claims.dropLast())
    if trouble != nil {
      try settleAll(rest, item, .release, worker)
    } else if !rest.isEmpty {
      try start(rest, item, worker)
    }
    if let trouble { throw trouble }
  }

  /// Gives all back that are being prepared.
  func dropPreparations() {
    let dropped = preparations
    preparations = []
    for one in dropped {
      do throws(PostError) { try giveBack(one) } catch { office.warn(error.message) }
      closeIfOver(one.worker)
    }
  }
}
