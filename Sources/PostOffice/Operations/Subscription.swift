// Subscribing and unsubscribing: the mailbox first, then the topic's symlink to it and the backlog, so that a
// subscriber always has a mailbox (see Topic.add for the order within the topic).

import Linux

extension Office {
  /// Subscribes a mailbox to a topic; makes either if it is missing. A second time changes nothing.
  public func subscribe(_ mailbox: Name, to topic: Name, from backlog: Backlog = .start) throws(PostError) {
    let topic = try makeTopic(topic)
    try makeMailbox(mailbox)
    try topic.add(mailbox, backlog)
  }

  /// Ends a subscription. The mailbox and its letters stay.
  /// - Throws: not found, if there is no such subscription.
  public func unsubscribe(_ mailbox: Name, from topic: Name) throws(PostError) {
    try self.topic(topic).drop(mailbox)
  }

  /// The topics that a mailbox is subscribed to, in order. Topics that this user may not see are left out.
  public func topics(of mailbox: Name) throws(PostError) -> [Topic] {
    var found = [Topic]()
    for name in try names(in: Layout.topics) {
      guard (try? root.exists(TopicLayout(name).subscriber(mailbox))) == true else { continue }
      if let topic = try? topic(name) { found.append(topic) }
    }
    return found
  }
}
