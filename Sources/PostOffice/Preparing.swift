// Large letters take long to verify and to copy: the watcher does it a slice at a time, between polls, one letter after
// the other in turn. So a letter of gigabytes delays no other mailbox.

import Linux

/// Letters that were claimed together, of which the last is verified, or copied for its handler.
final class Preparation {
  fileprivate let claims: [Claim]
  fileprivate let errand: Desk.Errand
  fileprivate let desk: Desk
  /// Who gets it; nil: a handler that is started then.
  let stream: StreamHandler?
  fileprivate let settings: Settings
  fileprivate let body: BodyCopy
  fileprivate let copies: Bool

  fileprivate init(
    _ body: BodyCopy, _ claims: [Claim], _ errand: Desk.Errand, _ desk: Desk, _ stream: StreamHandler?,
    copies: Bool
  ) {
    (self.body, self.claims, self.errand, self.desk) = (body, claims, errand, desk)
    (self.stream, self.copies, settings) = (stream, copies, desk.settings)
  }
}

extension Watcher {
  /// Begins to prepare a large letter.
  /// - Parameters:
  ///   - claims: those that were claimed together with it, itself the last.
  ///   - copies: its body is to become a handler's standard input.
  func prepare(
    _ large: Claim, of claims: [Claim], _ errand: Desk.Errand, _ desk: Desk, for stream: StreamHandler? = nil,
    copies: Bool
  ) throws(PostError) {
    let body: BodyCopy
    do throws(Letter.Flaw) { body = try BodyCopy(large, copies: copies) } catch {
      return try spoiled(large, error, of: claims, errand, desk)
    }
    preparations.append(Preparation(body, claims, errand, desk, stream, copies: copies))
    stream?.expected += 1
  }

  /// Takes up the next slice of the letter whose turn it is.
  func prepareSlice() {
    if preparations.isEmpty { return }
    let next = preparations.removeFirst()
    do throws(PostError) { try prepareSlice(of: next) } catch {
      office.warn("mailbox \(next.desk.name): \(error.message)")
      next.desk.isInTrouble(error)
    }
    closeIfOver(next.desk)
  }

  private func prepareSlice(of next: Preparation) throws(PostError) {
    // It takes long, and much may have changed.
    guard mayGoOn(next.desk, next.settings), next.stream?.isClosed != true else { return try giveBack(next) }
    let file: File?
    do throws(Letter.Flaw) {
      if !next.body.isOver { try next.body.step() }
      guard next.body.isOver else { return preparations.append(next) }
      file = next.copies ? try next.body.take() : nil
    } catch {
      next.stream?.expected -= 1
      return try spoiled(next.body.claim, error, of: next.claims, next.errand, next.desk)
    }
    guard let stream = next.stream else { return try run(next.claims, file, next.errand, next.desk) }
    stream.expected -= 1
    stream.give(next.body.claim, next.errand)
    stream.send()
    next.desk.makeRoom()
  }

  private func giveBack(_ next: Preparation) throws(PostError) {
    next.stream?.expected -= 1
    do throws(PostError) { try release(next.claims, next.errand, next.desk) } catch {
      // It shows to be held for as long as the stream lives.
      next.stream?.close()
      throw error
    }
  }

  /// A claimed letter is not what was sent, or cannot be read. The others of its batch go on.
  /// - Throws: what makes the mailbox pause.
  func spoiled(
    _ claim: Claim, _ flaw: Letter.Flaw, of claims: [Claim], _ errand: Desk.Errand, _ desk: Desk
  ) throws(PostError) {
    let mailbox = desk.mailbox
    var trouble: PostError?
    var isOurs = true
    switch flaw {
    case .corrupt(let how):
      do throws(PostError) {
        let told = try mailbox.setAside(claim.entry.path, from: mailbox.layout[.cur], because: how)
        if let told { office.warn(told.message) }
        desk.giveUp(claim, of: errand, due: nil)
        isOurs = false
      } catch { trouble = error }
    case .errno(let errno):
      let cause = PostError(errno, "cannot read letter \(claim.letter.id)")
      if cause.kind == .tryAgain || desk.isLastChance { trouble = cause } else { office.warn(cause.message) }
      if cause.kind != .tryAgain {
        mailbox.unreadable.insert(EntryName(claim.letter.id, attempt: claim.attempt - 1).path)
      }
    }
    if isOurs {
      do throws(PostError) { try release([claim], errand, desk) } catch { trouble = trouble ?? error }
    }
    let rest = Array(claims.dropLast())
    if trouble != nil {
      try release(rest, errand, desk)
    } else if !rest.isEmpty {
      try start(rest, errand, desk)
    }
    if let trouble { throw trouble }
  }

  /// Gives all back that are being prepared.
  func dropPreparations() {
    let dropped = preparations
    preparations = []
    for one in dropped {
      do throws(PostError) { try giveBack(one) } catch { office.warn(error.message) }
      closeIfOver(one.desk)
    }
  }
}
