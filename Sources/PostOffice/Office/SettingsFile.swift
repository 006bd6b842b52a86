// Settings files: post.conf, topic.conf and mailbox.conf, in the letter's own header syntax with `#` comments. An unknown name
// or a bad value is an error that names file and line. A change replaces the file whole and keeps comments and order.

import Linux
import Text

/// The lines of a settings file. They are bytes: in a Swift String, CR LF is one character.
struct SettingsFile {
  /// The largest settings file that is read, bytes.
  static let limit = 64 << 10

  let path: Path
  private(set) var lines: [[UInt8]] = []

  init(path: Path, bytes: [UInt8]) {
    self.path = path
    lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }
    if lines.last == [] { lines.removeLast() }
  }

  /// Puts the values in force.
  /// - Throws: bad settings, naming file and line.
  func apply(to settings: inout Settings, scope: Setting.Scope) throws(PostError) {
    for (index, line) in lines.enumerated() {
      func trouble(_ cause: String, _ remedy: String? = nil) -> PostError {
        PostError(.badSettings, nil, "\(path)", line: index + 1, cause: cause, remedy: remedy)
      }
      guard let field = SettingsFile.field(line) else {
        if SettingsFile.isBlank(line) { continue }
        throw trouble("not of the form 'Name: value'")
      }
      guard let setting = Setting.named(field.name), setting.scopes.contains(scope) else {
        let (cause, remedy) = Setting.unknown(field.name, in: scope)
        throw trouble(cause, remedy)
      }
      if let cause = setting.put(field.value, into: &settings) { throw trouble(cause) }
    }
  }

  /// Gives a name a new value where it stands, or adds it at the end; comments and order stay.
  mutating func set(_ name: String, to value: String) {
    let line = Array("\(name): \(value)".utf8)
    let place = lines.lastIndex { SettingsFile.field($0)?.name.lowercased() == name.lowercased() }
    if let place { lines[place] = line } else { lines.append(line) }
  }

  var bytes: [UInt8] { lines.flatMap { $0 + [UInt8(ascii: "\n")] } }

  private static func isBlank(_ line: [UInt8]) -> Bool {
    let first = line.first { !$0.isBlank }
    return first == nil || first == UInt8(ascii: "#")
  }

  private static func field(_ line: [UInt8]) -> Headers.Field? {
    isBlank(line) ? nil : line.withUnsafeBytes { Headers.Field(line: $0[...]) }
  }
}

extension Office {
  /// The settings of a mailbox: its own, else the office's, else the defaults.
  public func settings(of mailbox: Name) throws(PostError) -> Settings {
    let settings = try settings(of: MailboxLayout(mailbox).settings, .mailbox)
    // Otherwise a batch would seem done that no handler has seen.
    if settings.handlerMode == .exec, settings.lettersAtOnce > 1, let line = settings.handler,
      ShellWords.plain(line) == nil, ShellWords.adding(filesTo: line) == nil
    {
      throw PostError(
        .badSettings, nil, "\(MailboxLayout(mailbox).settings)",
        cause: "Batch adds files at the end of the Handler line, which is a comment or an operator",
        remedy: "write \"$@\" where they belong")
    }
    return settings
  }

  /// The settings of the office itself: its own, else the defaults.
  package func settings() throws(PostError) -> Settings { try settings(of: nil, .office) }

  /// The settings of a topic: its own, else the office's, else the defaults.
  public func settings(ofTopic topic: Name) throws(PostError) -> Settings {
    try settings(of: TopicLayout(topic).settings, .topic)
  }

  private func settings(of file: Path?, _ scope: Setting.Scope) throws(PostError) -> Settings {
    var settings = Settings()
    try settingsFile(Layout.settings)?.apply(to: &settings, scope: .office)
    if let file { try settingsFile(file)?.apply(to: &settings, scope: scope) }
    return settings
  }

  /// What is wrong with a settings file; nil if nothing is, or if it is missing.
  func trouble(in path: Path, _ scope: Setting.Scope) -> PostError? {
    var settings = Settings()
    do throws(PostError) { try settingsFile(path)?.apply(to: &settings, scope: scope) } catch { return error }
    return nil
  }

  /// Changes some settings of a mailbox; the file is replaced whole.
  package func change(_ changes: [(name: String, value: String)], of mailbox: Name) throws(PostError) {
    guard !changes.isEmpty else { return }
    let layout = MailboxLayout(mailbox)
    var file = try settingsFile(layout.settings) ?? SettingsFile(path: layout.settings, bytes: [])
    for (name, value) in changes { file.set(name, to: value) }
    var checked = Settings()
    try file.apply(to: &checked, scope: .mailbox)
    try attemptWrite("cannot write", "\(layout.settings)", in: layout.root) { () throws(Errno) in
      try replace(layout.settings, with: String(decoding: file.bytes, as: UTF8.self), through: layout[.tmp])
    }
  }

  private func settingsFile(_ path: Path) throws(PostError) -> SettingsFile? {
    var (isRegular, bytes) = (false, [UInt8]())
    do throws(Errno) {
      let file = try root.open(path, .readSettings)
      isRegular = try file.status().kind == .regular
      if isRegular { bytes = try file.readAll(limit: SettingsFile.limit + 1) }
    } catch .noEntry {
      return nil
    } catch .noDeviceAddress {  // a socket
    } catch {
      // The operator must change some; other troubles may pass.
      let isForGood = [.noPermission, .cannotCreate].contains(PostError.Kind(of: error))
      throw PostError(error, "cannot read", "\(path)", kind: isForGood ? .badSettings : nil)
    }
    func bad(_ cause: String, _ remedy: String) -> PostError {
      PostError(.badSettings, nil, "\(path)", cause: cause, remedy: remedy)
    }
    guard isRegular else { throw bad("not a regular file", "put one in its place") }
    guard bytes.count <= SettingsFile.limit else {
      throw bad("longer than \(SettingsFile.limit) bytes", "shorten it")
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw bad("not UTF-8", "write it as UTF-8")
    }
    return SettingsFile(path: path, bytes: bytes)
  }
}
