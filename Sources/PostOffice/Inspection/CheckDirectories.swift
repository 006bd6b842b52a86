// Directories with their modes and owners, and settings files. A repair creates missing directories; modes and owners
// are for the operator to change. What root creates in another user's topic or mailbox it gives to that user.

import Linux

extension Inspection {
  /// Checks the directory of a topic or a mailbox itself.
  /// - Returns: nil if it is no such directory.
  func checkRoot(_ folder: Path, as role: String) -> Subject? {
    do throws(Errno) {
      let status = try office.root.status(folder / ".")
      checkMode(folder, status)
      let spoolOwner = try office.root.status(".").owner
      if status.owner != spoolOwner {
        report(.otherOwner, folder, "belongs to user \(status.owner), the spool to user \(spoolOwner)")
      }
      checkFileSystem(of: folder, at: folder)
      return Subject(root: folder, owner: status.owner)
    } catch .noEntry {
      if (try? office.root.exists(folder)) == true {
        report(
          .missing, folder, "is a broken symlink, so it is no \(role)",
          remedy: "restore its target, or remove it")
      }
    } catch .notDirectory {
      report(.stray, folder, "is not a directory, so it is no \(role)", remedy: "move it elsewhere")
    } catch { reportUnreadable(folder, error) }
    return nil
  }

  /// Checks that the spool, a topic or a mailbox has all its directories.
  /// - Parameters:
  ///   - creator: the command that creates it.
  ///   - isUsed: it was created, even if all its directories are missing.
  ///   - make: creates all that are missing.
  /// - Returns: false if it has not been created yet.
  func checkParts(
    _ parts: [Path], of subject: Subject, creator: String, isUsed: Bool = false,
    _ make: () throws(PostError) -> some Any
  ) -> Bool {
    let isMissing = { (folder: Path) in (try? self.office.root.exists(folder / ".")) == false }
    let missing = recheck(parts) { $0.filter(isMissing) }
    if missing.count == parts.count, !isUsed {
      report(.notMade, subject.root, "has not been created yet; \(creator) creates it")
      return false
    }
    for folder in missing {
      if (try? office.root.exists(folder)) == true {
        reportUnreadable(folder, .notDirectory)
        continue
      }
      report(.missing, folder, "is missing", repair: "creates it") { () throws(PostError) in
        if isMissing(folder) { _ = try make() }
        guard !isMissing(folder) else { return .failed("put a directory in its place") }
        giveAway(folder, to: subject)
        return .repaired("created")
      }
    }
    return true
  }

  /// Gives a directory that root has created to the owner of its topic or mailbox. If that fails, the next check
  /// reports it.
  private func giveAway(_ folder: Path, to subject: Subject) {
    guard Host.userID == 0, subject.owner != 0 else { return }
    do throws(Errno) {
      let directory = try office.root.open(folder, .read)
      let status = try directory.status()
      guard status.kind == .directory, status.owner == 0 else { return }
      let group = try office.root.status(folder.parent / ".").group
      try directory.setOwner(subject.owner, group: group)
    } catch {}
  }

  /// Runs a repair that may create a directory for corrupt letters.
  func setAside<Failure: Error>(
    in corrupt: Path, of subject: Subject, _ move: () throws(Failure) -> Outcome
  ) throws(Failure) -> Outcome {
    let isNew = (try? office.root.exists(corrupt)) == false
    let outcome = try move()
    if isNew { giveAway(corrupt, to: subject) }
    return outcome
  }

  // MARK: Modes and owners

  /// Checks a directory of a topic or mailbox, if it is there.
  func checkDirectory(_ folder: Path, of subject: Subject) {
    guard let status = status(folder / ".", at: folder) else { return }
    checkMode(folder, status)
    let mayOthersWork = status.permissions & 0o007 == 0o007 || status.permissions & 0o070 == 0o070
    if subject.owner != 0, status.owner != subject.owner, !mayOthersWork {
      report(
        .badOwner, folder,
        "belongs to user \(status.owner): user \(subject.owner), the owner of \(subject.root), cannot use it",
        remedy: "chown it")
    }
  }

  func checkMode(_ folder: Path, _ status: Status) {
    let mode = String(status.permissions, radix: 8)
    if status.permissions & 0o1002 == 0o002 {
      report(
        .badMode, folder, "has mode \(mode): any user may delete what is in it",
        remedy: "chmod o-w, or chmod +t if other users deliver to it")
    }
    if status.owner != 0, status.permissions & 0o700 != 0o700 {
      report(
        .badMode, folder, "has mode \(mode): its owner, user \(status.owner), cannot use it",
        remedy: "chmod u+rwx")
    }
  }

  // MARK: Settings

  func checkSettings(_ path: Path, _ scope: Setting.Scope) {
    // An editor may be writing the file.
    if let trouble = recheck({ office.trouble(in: path, scope) }) {
      report(.badSettings, path, trouble.problem, remedy: trouble.remedy)
    }
    guard let status = try? office.root.open(path, .readSettings).status() else { return }
    if status.permissions & 0o002 != 0 {
      report(
        .badMode, path, "is writable by any user, and decides which programs run", remedy: "chmod o-w")
    }
  }
}
