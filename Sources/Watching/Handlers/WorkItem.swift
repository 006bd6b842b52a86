// Letters that were claimed together.

import Linux
import PostOffice

/// Letters that were claimed together take one place on the schedule, until the last of them has ended.
final class WorkItem {
  var open: Int
  var due: Int64?

  init(_ count: Int) { open = count }
}
