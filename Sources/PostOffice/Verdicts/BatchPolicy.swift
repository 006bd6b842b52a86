// What happens after a batch, or one of its letters, failed. Pure: the reader and the watcher ask here, so that both treat
// a batch in the same way.

/// Which letters of a batch a handler gets next.
package enum BatchPolicy {
  /// Whether each letter of a batch is handled once more, alone, because of this verdict on the whole batch: one bad letter
  /// may have spoilt it for all. Else the verdict holds for every letter.
  package static func splits(after verdict: Verdict) -> Bool {
    switch verdict {
    case .retry, .failed: true
    case .done, .broken, .release, .abandoned: false
    }
  }

  /// Whether the next letter of a split batch is handled after this verdict on the one before. Else the rest is released:
  /// no letter is tried with a broken handler, and in strict order none overtakes one that is tried again.
  package static func goesOn(after verdict: Verdict, in order: Settings.Order) -> Bool {
    switch verdict {
    case .done, .failed: true
    case .retry: order == .any
    case .broken, .release, .abandoned: false
    }
  }
}
