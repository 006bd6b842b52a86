// The office: one spool directory, held open, and what every other room needs of it: making directories durably,
// setting files aside, the names of topics and mailboxes, the one way to warn.
//
// - A new directory is durable in its parent before it is used, also one that was there already: the process that made
//   it may have died before its sync (CrashSafety I15).
// - What cannot be made as a whole is removed again: half a topic or mailbox serves no one and may hold the last
//   inodes.
// - Setting aside loses nothing: no name is replaced.

import Linux

/// A post office: a spool of topics and mailboxes on one machine.
///
/// Not for use by several threads at once: open one office for each thread. Any number of processes may use a spool at
/// once, in any way.
public final class Office {
  /// The spool's directory, absolute.
  package let path: Path
  package let root: Directory
  package var ids = LetterIDs()
  /// Directories for held letters that this process has made durable, or found so.
  var sureHeld: Set<Path> = []
  /// The settings of the topics that letters were sent to last. A list, not a dictionary: with a key of our own type
  /// the runtime looks through all conformances, which costs each start 0.1 ms.
  var topicSettings: [ReadSettings] = []
  /// `user@host`, for the From of letters.
  package private(set) lazy var sender = "\(Host.userName)@\(ids.host)"

  /// Takes warnings, one line each: trouble that did not stop the work, such as a mailbox that could not take a letter.
  public var warn: (String) -> Void = { _ in }

  /// Directories that this process could not seal and does not try to seal again.
  var unsealable: Set<Path> = []
  /// How many directories mailboxes hold open, for letters that move.
  var openTargets = 0
  /// The warnings that were given once and are not repeated.
  private var told: Set<String> = []
  package func tellOnce(_ warning: String) { if told.insert(warning).inserted { warn(warning) } }

  /// Why letters that seem expired were not deleted, if no warning has said so yet.
  package var waitingForClock: String?
  /// Takes the progress of a long chore: the place, and how many expired letters were removed there.
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
        .notFound, "there is no spool at", "\(path)", remedy: "the first post send or post subscribe makes it"
      )
    } catch .notDirectory {
      throw PostError(
        .cannotCreate, "the spool \(path) is not a directory", remedy: "name another with --spool")
    } catch {
      throw PostError(error, "cannot open the spool", "\(path)")
    }
  }

  /// Opens the spool at a path and makes what is missing of it.
  public static func open(making path: String) throws(PostError) -> Office { try open(making: Path(path)) }

  package static func open(making path: Path) throws(PostError) -> Office {
    let path = path.withoutTrailingSlash
    let office: Office
    do throws(PostError) { office = try Office(at: path) } catch let error where error.kind == .notFound {
      try attempt("cannot make the spool", "\(path)") { () throws(Errno) in try makeFolders(path) }
      office = try Office(at: path)
    }
    let isNew = try attempt("cannot look into", "\(path)") { () throws(Errno) in
      try !office.root.exists(Layout.mailboxes)
    }
    if isNew { try office.furnish() }
    return office
  }

  /// The spool when none is named: `$POST_SPOOL`, else `/var/spool/post` if it exists,
  /// else `${XDG_STATE_HOME:-$HOME/.local/state}/post`. Never the current directory.
  package static func defaultPath() throws(PostError) -> Path {
    if let path = Host.environment("POST_SPOOL") { return path }
    let system: Path = "/var/spool/post"
    if (try? Directory(system)) != nil { return system }
    if let state = Host.environment("XDG_STATE_HOME"), state.isAbsolute { return state / "post" }
    if let home = Host.environment("HOME") { return home / ".local/state/post" }
    throw PostError(
      .usage, "no spool", cause: "POST_SPOOL and HOME are not set", remedy: "name one with --spool DIR")
  }

  /// mkdir -p, with each new name made durable in its parent. So is the name of the last folder that was there: the
  /// process that made it may have died before its sync. (A parent that this process may not open has none of its
  /// work.)
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

  /// Makes the first directories. `mailboxes` is last: a process that sees it relies on the rest (CrashSafety I15).
  private func furnish() throws(PostError) {
    try attemptWrite("cannot make", "\(path)/\(Layout.topics)") { () throws(Errno) in
      try make([Layout.topics], in: ".")
      // A parent that this process may not open was not made by it.
      do throws(Errno) { try Directory(path.parent).sync() } catch .denied {}
      try make([Layout.mailboxes], in: ".")
    }
    timeToDeleteBy(isFirst: true)
    Ballast(self).lay()
  }

  /// Makes those of the directories that are missing, and makes the names of all durable.
  func make(_ folders: [Path], in parent: Path) throws(Errno) {
    var made = [Path]()
    try make(folders, in: parent, noting: &made)
  }

  /// - Parameter made: gets the directories that were missing.
  func make(_ folders: [Path], in parent: Path, noting made: inout [Path]) throws(Errno) {
    for folder in folders {
      do throws(Errno) {
        try root.makeDirectory(folder)
        made.append(folder)
      } catch .exists {}
    }
    try root.directory(parent).sync()
  }

  /// Runs steps that make directories. If one fails, those that were made are removed again.
  func attemptMaking(
    _ place: @autoclosure () -> String, _ steps: (_ made: inout [Path]) throws(Errno) -> Void
  ) throws(PostError) {
    var made = [Path]()
    do throws(Errno) { try steps(&made) } catch {
      // Before the removal gives space back: the error tells how much there is.
      let trouble = trouble(error, "cannot make", place())
      for folder in made.reversed() { try? root.removeDirectory(folder) }
      throw trouble
    }
  }

  /// Moves a file that is no whole letter to a `corrupt/`, where the operator finds it and no other command meets it.
  /// If another file has its name there, it gets a new one.
  /// - Throws: no such entry, if another process has just moved it.
  func setAside(_ path: Path, in corrupt: Path, as name: Path? = nil) throws(Errno) {
    if try !root.exists(corrupt) { try make([corrupt], in: corrupt.parent) }
    let name = name ?? path.name
    do throws(Errno) { try root.rename(path, to: root, corrupt / name) } catch .exists {
      let (own, other) = (try root.status(path), try root.status(corrupt / name))
      if own.kind == .regular, own.inode == other.inode, own.device == other.device {
        return try root.remove(path)  // a second link to the same file
      }
      try root.rename(path, to: root, corrupt / ids.next(now: Clock.wall, foreign: true).path)
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
      throw PostError(error, "cannot list", "\(path)/\(folder)")
    }
    return found.sorted()
  }

  /// All topics that are complete and that this user may see, in order of their names.
  public func topicNames() throws(PostError) -> [Name] {
    try names(in: Layout.topics).filter { (try? root.exists(TopicLayout($0).subscribers)) == true }
  }

  /// All mailboxes that are complete and that this user may see, in order of their names.
  public func mailboxNames() throws(PostError) -> [Name] {
    try names(in: Layout.mailboxes).filter { (try? root.exists(MailboxLayout($0)[.new])) == true }
  }
}
