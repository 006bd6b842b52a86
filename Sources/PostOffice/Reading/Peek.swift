// Looking at letters that wait, and leaving them where they are.

extension Mailbox {
  /// Shows the oldest waiting letters. One that is corrupt or cannot be read hides none behind it.
  /// - Returns: how many were shown.
  /// - Throws: what `show` throws; if none could be shown, what was wrong with the last one.
  package func peek(
    limit: Int, _ show: (Letter, Entry) throws(PostError) -> Void
  ) throws(PostError) -> Int {
    try refresh()
    var shown = 0
    var trouble: PostError?
    try forEachEntry(in: .new) { (entry) throws(PostError) in
      let letter: Letter
      do throws(PostError) {
        letter = try open(entry)
        try letter.check()
        if letter.bodyLength > bodyLimit { throw Letter.Flaw.tooLarge.asPostError("\(letter.id)") }
      } catch let error where error.kind == .notFound {
        return true  // claimed meanwhile
      } catch {
        if let earlier = trouble { office.warn(earlier.message) }
        trouble = error
        return true
      }
      try show(letter, entry)
      shown += 1
      return shown < limit
    }
    if let trouble {
      if shown == 0 { throw trouble }
      office.warn(trouble.message)
    }
    return shown
  }
}
