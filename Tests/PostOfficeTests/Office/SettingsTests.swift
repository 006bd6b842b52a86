import Linux
import TestKit
import Testing

@testable import PostOffice
@testable import Text

@Suite struct SettingsTests {
  private func read(_ text: String, _ scope: Setting.Scope = .mailbox) throws -> Settings {
    var settings = Settings()
    try SettingsFile(path: "mailboxes/stock/mailbox.conf", text: text).apply(to: &settings, scope: scope)
    return settings
  }

  @Test func anEmptyFileChangesNothing() throws {
    for text in ["", "\n", "# nothing\n\n  # here\n"] { #expect(try read(text) == Settings()) }
  }

  @Test func eachSettingIsRead() throws {
    let settings = try read(
      """
      # the shop
      Handler:   book --all | tee "a: b"
      tries: 3
      TIMEOUT: 90s
      Retry: 250ms..5m
      Parallel: 4
      Keep-Done: 2d

      """)
    #expect(settings.handler == "book --all | tee \"a: b\"")
    #expect(settings.tries == 3)
    #expect(settings.timeout == .seconds(90))
    #expect(settings.retry == .milliseconds(250) ... .seconds(300))
    #expect(settings.parallel == 4)
    #expect(settings.keepDone == .seconds(172_800))
    #expect(try read("Timeout: none").timeout == nil)
    #expect(try read("Keep-Done: forever").keepDone == nil)
    #expect(try read("Keep: 1h", .topic).keep == .seconds(3600))
    #expect(try read("Min-Free: 100M", .topic).minFree == .bytes(104_857_600))
    #expect(try read("Min-Free: 5%", .office).minFree == .percent(5))
    #expect(try read("Retry: 5s").retry == .seconds(5) ... .seconds(5))
  }

  @Test(
    arguments: [
      ("Tries: 3\nTries: many\n", 2, "'many'"), ("\n# c\nColour: red\n", 3, "'Colour'"),
      ("Tries: 0", 1, "'0'"), ("Tries: 1000001", 1, "'1000001'"), ("Tries:", 1, "''"),
      ("Timeout: 0s", 1, "'0s'"), ("Timeout: 10", 1, "'10'"), ("Retry: 5m..1s", 1, "'5m..1s'"),
      ("Retry: 1s..", 1, "'1s..'"), ("Parallel: 257", 1, "'257'"), ("Parallel: -1", 1, "'-1'"),
      ("Handler:", 1, "''"), ("Keep: 1d", 1, "'Keep'"), ("Min-Free: 1M", 1, "'Min-Free'"),
      ("Handler-Mode: Stream", 1, "'Stream'"), ("Handler-Mode:", 1, "''"), ("Batch: 0", 1, "'0'"),
      ("Batch: 1001", 1, "'1001'"), ("Batch: ten", 1, "'ten'"), ("Order: strictly", 1, "'strictly'"),
      ("Order: fifo", 1, "'fifo'"), ("Umask: 1000", 1, "'1000'"), ("Umask: 8", 1, "'8'"),
      ("Umask: -1", 1, "'-1'"), ("Umask: u=rwx", 1, "'u=rwx'"), ("Max-Handlers: 4", 1, "'Max-Handlers'"),
      ("just words", 1, "'Name: value'"),
      ("Handler: a\n folded\n", 2, "'Name: value'"), ("Tries 3: x", 1, "'Name: value'"),
    ] as [(String, Int, String)])
  func errorsNameFileAndLine(text: String, line: Int, word: String) throws {
    let error = #expect(throws: PostError.self) { _ = try read(text) }
    #expect(error?.kind == .badSettings)
    #expect(error?.message.hasPrefix("mailboxes/stock/mailbox.conf, line \(line): ") == true)
    #expect(error?.message.contains(word) == true)
  }

  @Test func anUnknownNameIsExplained() {
    #expect(Setting.unknown("Tires", in: .mailbox) == ("unknown setting 'Tires'", "did you mean Tries?"))
    #expect(
      Setting.unknown("keepdone", in: .mailbox) == ("unknown setting 'keepdone'", "did you mean Keep-Done?"))
    #expect(
      Setting.unknown("Colour", in: .topic)
        == ("unknown setting 'Colour'", "known are Keep, Min-Free, Durability"))
    #expect(
      Setting.unknown("Keep", in: .mailbox) == (
        "'Keep' cannot be set here", "set it in topic.conf or post.conf"
      ))
  }

  @Test func aBadValueIsExplained() {
    let error = #expect(throws: PostError.self) { try read("Tries: x") }
    #expect(
      error?.message.hasSuffix(": invalid value 'x' for Tries: expected a number from 1 to 1000000") == true)
  }

  /// Each default is what the code does without the setting.
  @Test func aDefaultMaySetItself() throws {
    for setting in Setting.all {
      guard let usual = setting.usual else { continue }
      var settings = Settings()
      settings.tries = 7
      #expect(setting.put(usual, into: &settings) == nil)
      settings.tries = setting.name == "Tries" ? settings.tries : 20
      settings.batch = setting.name == "Batch" ? nil : settings.batch
      #expect(settings == Settings(), "\(setting.name): \(usual)")
    }
  }

  /// The README shows every setting with its documentation and its default.
  @Test func theReadmeShowsTheTable() throws {
    let readme = try ManPage.text(ManPage.house / "README.md")
    for setting in Setting.all {
      let line = "\n# \(setting.help)\n\(setting.name): " + (setting.usual.map { "\($0)\n" } ?? "")
      #expect(readme.contains(line), "\(line)")
    }
    let shown = readme.split(separator: "\n").filter { $0.hasPrefix("# ") && !$0.hasPrefix("# post") }
    #expect(shown.count == Setting.all.count, "\(shown)")
  }

  /// The manual page names every setting of a mailbox, and those of the office alone, with the same defaults.
  @Test func theManualTellsOfTheTable() throws {
    let page = try ManPage.text(ManPage.handler)
    let start = try #require(page.firstRange(of: ".Ss Settings")).upperBound
    let end = try #require(page.firstRange(of: ".Ss How a handler is run")).lowerBound
    var defaults: [String: Substring] = [:]
    for item in page[start..<end].split(separator: ".It Li ").dropFirst() {
      let text = item.replacing("\n.Li", with: "")
      let usual = text.firstRange(of: "Default: ").map {
        text[$0.upperBound...].prefix { !",\n ".contains($0) }
      }
      defaults[String(item.prefix { $0 != " " })] = usual.map { $0.last == "." ? $0.dropLast() : $0 } ?? ""
    }
    let told = Setting.all.filter { $0.scopes.contains(.mailbox) || $0.scopes == .office }
    #expect(Set(defaults.keys) == Set(told.map(\.name)))
    for setting in told where setting.usual != nil {
      #expect(defaults[setting.name].map(String.init) == setting.usual)
    }
  }

  @Test func aSettingStandsOnlyWhereItBelongs() throws {
    #expect(throws: PostError.self) { _ = try read("Handler: x", .topic) }
    #expect(throws: PostError.self) { _ = try read("Handler: x", .office) }
    #expect(throws: PostError.self) { _ = try read("Parallel: 2", .topic) }
    #expect(try read("Keep: 1d\nTries: 2", .office).tries == 2)
  }

  @Test func howLettersAreHandedOverIsRead() throws {
    let settings = try read("Handler-Mode: stream\nBatch: 1000\nOrder: strict\nUmask: 027\n")
    #expect(settings.handlerMode == .stream && settings.batch == 1000)
    #expect(settings.order == .strict && settings.umask == 0o027)
    let others = try read("handler-mode: exec\nBATCH: 1\norder: any\numask: 0")
    #expect(others.handlerMode == .exec && others.batch == 1 && others.order == .any && others.umask == 0)
    #expect(try read("Umask: 0777").umask == 0o777)
  }

  @Test func theOfficeSaysHowManyHandlersThereAre() throws {
    #expect(Settings().maxHandlers == 256)
    for count in [1, 256] { #expect(try read("Max-Handlers: \(count)", .office).maxHandlers == count) }
    for bad in ["0", "257", "-1", "many", ""] {
      #expect(throws: PostError.self) { _ = try read("Max-Handlers: \(bad)", .office) }
    }
    #expect(throws: PostError.self) { _ = try read("Max-Handlers: 4", .topic) }
  }

  @Test func aStreamGetsSeveralLettersUnlessTheSettingsSayOtherwise() throws {
    #expect(try read("").lettersAtOnce == 1)
    #expect(try read("Batch: 7").lettersAtOnce == 7)
    #expect(try read("Handler-Mode: stream").lettersAtOnce == 64)
    #expect(try read("Handler-Mode: stream\nBatch: 1").lettersAtOnce == 1)
  }

  @Test func windowsLineEndsAreNoPartOfAValue() throws {
    #expect(try read("Tries: 3\r\nHandler: cat\r\n\r\n").handler == "cat")
    #expect(try read("# a comment\r\nTries: 3\r\n").tries == 3)
  }

  @Test func settingAValueKeepsCommentsAndOrder() throws {
    var file = SettingsFile(path: "f", text: "# first\nTries: 3\n\n# second\nhandler: old\n# last")
    file.set("Handler", to: "new")
    file.set("Parallel", to: "2")
    #expect(file.text == "# first\nTries: 3\n\n# second\nHandler: new\n# last\nParallel: 2\n")
    file.set("Parallel", to: "3")
    #expect(file.text.hasSuffix("# last\nParallel: 3\n"))
  }

  @Test func ofSeveralLinesTheLastIsInForceAndIsTheOneThatIsSet() throws {
    #expect(try read("Tries: 3\nTries: 4").tries == 4)
    var file = SettingsFile(path: "f", text: "Tries: 3\nTries: 4\n")
    file.set("Tries", to: "5")
    var settings = Settings()
    try file.apply(to: &settings, scope: .mailbox)
    #expect(settings.tries == 5)
  }

  @Test func commentsAreNotSet() {
    var file = SettingsFile(path: "f", text: "# Tries: 3\n")
    file.set("Tries", to: "5")
    #expect(file.text == "# Tries: 3\nTries: 5\n")
  }
}

extension SettingsFile {
  init(path: Path, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}
