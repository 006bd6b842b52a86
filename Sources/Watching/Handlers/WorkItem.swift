// Letters that were claimed together take one place in the schedule, until the last of them is settled or released.

final class WorkItem {
  /// How many letters are still in our hands.
  var open: Int
  /// When the first of them that will be tried again is due. Monotonic nanoseconds.
  var due: Int64?

  init(_ count: Int) { open = count }
}
