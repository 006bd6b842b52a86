// The office: one spool directory, held open, and what every room needs of it.

import Linux

/// A post office: a spool of topics and mailboxes on one machine.
///
/// Not for use by several threads at once; open one office a thread. Several processes may use a
/// spool at once in any way.
public final class Office {
  /// The spool's directory, absolute.
  package let path: Path
  package let root: Directory
  package var ids = LetterIDs()
  /// Directories for held letters that are durable, as this process has seen to.
  var sureHeld: Set<Path> = []
  /// The settings of the topics that were sent to last. A list: a dictionary of our own type makes the runtime look
  /// through all conformances, which costs each start 0.1 ms.
  var topicSettings: [ReadSettings] = []
  /// `user@host`, for the From of letters.
  package private(set) lazy var sender = "\(Host.userName)@\(ids.host)"

  /// Takes words for people about what went wrong without stopping the work: a mailbox that could
  /// not take a letter, a file that is no letter. One line each.
  public var warn: (String) -> Void = { _ in }

  /// Directories that this process could not seal, and does not try to again.
  var unsealable: Set<Path> = []
  /// How many directories mailboxes hold open, for letters that move.
  var openTargets = 0
  /// What need not be told time and again.
  private var told: Set<String> = []
  package func tellOnce(_ words: String) { if told.insert(words).inserted { warn(words) } }

  /// Why what seems old enough may not have been deleted, if that was not told yet.
  package var waitingForClock: String?
  /// Takes how far a long chore is: the place, and how many old letters were removed there.
  package var progress: (String, Int) -> Void = { _, _ in }

  /// Opens the spool at a path.
  /// - Throws: not found, if there is none.
  public convenience init(at path: String) throws(PostError) { try self.init(at: Path(path)) }

  package init(at path: Path) throws(PostError) {
    let path = path.withoutTrailingSlash
    do throws(Errno) {
      self.path = path.isAbsolute ? path : try Host.workingDirectory() / path
      root = try Directory(path)
    } catch .noEntry {
      throw PostError(
        .notFound, "there is no spool at \(path); the first post send or post subscribe makes it")
    } catch .notDirectory {
      throw PostError(.cannotCreate, "the spool \(path) is not a directory; name another with --spool")
    } catch {
      throw PostError(error, "cannot open the spool \(path)")
    }
  }

  /// Opens the spool at a path and makes what is missing of it.
  public static func open(making path: String) throws(PostError) -> Office { try open(making: Path(path)) }

  package static func open(making path: Path) throws(PostError) -> Office {
    let path = path.withoutTrailingSlash
    let office: Office
    do throws(PostError) { office = try Office(at: path) } catch let error where error.kind == .notFound {
      try attempt("cannot make the spool \(path)") { () throws(Errno) in try makeFolders(path) }
      office = try Office(at: path)
    }
    let isNew = try attempt("cannot look into \(path)") { () throws(Errno) in
      try !office.root.exists(Layout.mailboxes)
    }
    if isNew { try office.furnish() }
    return office
  }

  /// Which spool is meant when none is named: `$POST_SPOOL`, else `/var/spool/post` if it exists,
  /// else `${XDG_STATE_HOME:-$HOME/.local/state}/post`. Never the current directory.
  package static func defaultPath() throws(PostError) -> Path {
    if let path = Host.environment("POST_SPOOL") { return path }
    let system: Path = "/var/spool/post"
    if (try? Directory(system)) != nil { return system }
    if let state = Host.environment("XDG_STATE_HOME"), state.isAbsolute { return state / "post" }
    if let home = Host.environment("HOME") { return home / ".local/state/post" }
    throw PostError(.usage, "no spool: POST_SPOOL and HOME are not set; name one with --spool DIR")
  }

  /// mkdir -p, each new name made durable in its parent. So is that of the last folder that was there:
  /// whoever made it may have died on the way. (Where we may not open its parent, we did not make it.)
  private static func makeFolders(_ path: Path) throws(Errno) {
    var missing = [Path]()
    var next = path
    while missing.count < 128 {
      do throws(Errno) {
        _ = try Directory(next)
        break
      } catch .noEntry {
        missing.append(next)
        next = next.parent
      }
    }
    do throws(Errno) { try Directory(next.parent).sync() } catch .denied {} catch .invalid {}
    for folder in missing.reversed() {
      let parent = try Directory(folder.parent)
      do throws(Errno) { try parent.makeDirectory(folder.name) } catch .exists {}
      try parent.sync()
    }
  }

  /// Makes the first directories. `mailboxes` is last: whoever sees it knows that the rest is durable.
  private func furnish() throws(PostError) {
    try attemptWrite("cannot make \(path)/\(Layout.topics)") { () throws(Errno) in
      try make([Layout.topics], in: ".")
      // A parent that we cannot open was not made by us.
      do throws(Errno) { try Directory(path.parent).sync() } catch .denied {}
      try make([Layout.mailboxes], in: ".")
    }
    timeToDeleteBy(isFirst: true)
    Ballast(self).lay()
  }

  /// Makes directories, those that exist stay, and makes their names durable.
  func make(_ folders: [Path], in parent: Path) throws(Errno) {
    var made = [Path]()
    try make(folders, in: parent, noting: &made)
  }

  /// The same, and notes which ones it made.
  func make(_ folders: [Path], in parent: Path, noting made: inout [Path]) throws(Errno) {
    for folder in folders {
      do throws(Errno) {
        try root.makeDirectory(folder)
        made.append(folder)
      } catch .exists {}
    }
    try root.directory(parent).sync()
  }

  /// Runs steps that make directories. If one fails, what was made goes again: half a topic or mailbox is of
  /// use to nobody, and on a full disk it may have taken the last inodes.
  func attemptMaking(
    _ what: @autoclosure () -> String, _ steps: (_ made: inout [Path]) throws(Errno) -> Void
  ) throws(PostError) {
    var made = [Path]()
    do throws(Errno) { try steps(&made) } catch {
      let trouble = trouble(error, what())  // before there is space again
      for folder in made.reversed() { try? root.removeDirectory(folder) }
      throw trouble
    }
  }

  /// Moves what is no whole letter to a place where nobody trips over it again. Nothing is lost: if the
  /// name is taken there, by another file, this one gets a new name.
  /// - Throws: no such entry, if somebody else has just done so.
  func setAside(_ path: Path, in corrupt: Path, as name: Path? = nil) throws(Errno) {
    if try !root.exists(corrupt) { try make([corrupt], in: corrupt.parent) }
    let name = name ?? path.name
    do throws(Errno) { try root.rename(path, to: root, corrupt / name) } catch .exists {
      let (one, other) = (try root.status(path), try root.status(corrupt / name))
      if one.kind == .regular, one.inode == other.inode, one.device == other.device {
        return try root.remove(path)  // a second link: the first is enough
      }
      try root.rename(path, to: root, corrupt / ids.next(now: Clock.wall, foreign: true).path)
    }
  }

  /// Replaces a small file whole: a settings file, a sign.
  /// - Parameter tmp: the directory in which it is written first. The writer's lock says that it is no debris.
  package func replace(_ path: Path, with text: String, through tmp: Path) throws(Errno) {
    let draft = tmp / ids.next(now: Clock.wall).path
    let file = try root.open(draft, .create(permissions: 0o666))
    do throws(Errno) {
      guard try file.tryLock(.exclusive, byte: sorterByte), try file.status().links > 0 else { throw .again }
      try file.write(text)
      try file.sync()
      try root.replace(path, with: draft)
      try root.directory(path.parent).sync()
    } catch {
      try? root.remove(draft)
      throw error
    }
  }

  /// All valid names in a directory, in order; a missing directory has none.
  package func names(in folder: Path) throws(PostError) -> [Name] {
    var found = [Name]()
    do throws(Errno) {
      try root.forEachName(in: folder) { bytes in
        if let name = Name(bytes: Array(bytes)[...]) { found.append(name) }
      }
    } catch .noEntry {
      return []
    } catch {
      throw PostError(error, "cannot list \(path)/\(folder)")
    }
    return found.sorted()
  }

  /// All topics, in order of their names. What is not complete, or not for us to see, is left out.
  public func topicNames() throws(PostError) -> [Name] {
    try names(in: Layout.topics).filter { (try? root.exists(TopicLayout($0).subscribers)) == true }
  }

  /// All mailboxes, in order of their names. What is not complete, or not for us to see, is left out.
  public func mailboxNames() throws(PostError) -> [Name] {
    try names(in: Layout.mailboxes).filter { (try? root.exists(MailboxLayout($0)[.new])) == true }
  }
}
