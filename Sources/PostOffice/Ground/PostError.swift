// The error of the post office: what could not be done, where, why, and what to do about it, each in a field of its own.
// No function of the library throws another type, but for Errno below it. The verb or the watcher prints an error once,
// as one line that joins the fields; no code takes a message apart.

import Linux

/// An error of the post office. An error loses no letter: one that was not accepted has no name in the spool, and one
/// that was accepted stays where it was.
public struct PostError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of error; the raw value is the exit code, after sysexits.h.
  public enum Kind: Int32, Sendable {
    case usage = 64
    case badData = 65
    /// No such topic, mailbox or letter.
    case notFound = 66
    /// A bug in this program.
    case bug = 70
    case cannotCreate = 73
    case io = 74
    /// The same command may succeed later: the disk or quota is full, or no descriptor is free.
    case tryAgain = 75
    case noPermission = 77
    case badSettings = 78

    /// What a failed system call means for the caller.
    package init(of errno: Errno) {
      self =
        switch errno {
        case .noSpace, .quota, .processFiles, .systemFiles, .noMemory, .again: .tryAgain
        case .denied, .notPermitted: .noPermission
        case .readOnly, .notDirectory, .isDirectory, .loop, .nameTooLong, .exists: .cannotCreate
        default: .io
        }
    }
  }

  public let kind: Kind
  /// What could not be done, "cannot open"; or what is wrong, as a sentence. It begins in lower case.
  public let operation: String?
  /// What it concerns, if the operation does not say: a path relative to the spool, "mailbox stock".
  public let place: String?
  /// The line of that file.
  public let line: Int?
  public let cause: String?
  public let remedy: String?
  /// What has become of the letters all the same: "1 letter was accepted".
  public private(set) var outcome: String?
  /// The program that read our output wants no more, which is not worth a message.
  package private(set) var isSilent = false

  public var exitCode: Int32 { kind.rawValue }
  public var description: String { message }

  public init(
    _ kind: Kind, _ operation: String? = nil, _ place: String? = nil, line: Int? = nil, cause: String? = nil,
    remedy: String? = nil
  ) {
    (self.kind, self.operation, self.place, self.line) = (kind, operation, place, line)
    (self.cause, self.remedy) = (cause, remedy)
  }

  /// - Parameters:
  ///   - errno: the cause.
  ///   - kind: nil: the usual one for this cause.
  ///   - remedy: nil: the usual one for this cause.
  package init(
    _ errno: Errno, _ operation: String, _ place: String? = nil, kind: Kind? = nil, remedy: String? = nil
  ) {
    let cause = errno.description
    self.init(
      kind ?? Kind(of: errno), operation, place, cause: cause.prefix(1).lowercased() + cause.dropFirst(),
      remedy: remedy ?? PostError.remedy(errno))
  }

  private static func remedy(_ errno: Errno) -> String? {
    switch errno {
    case .noSpace: "free some space or inodes and try again"
    case .quota: "free some of the quota and try again"
    case .processFiles, .systemFiles: "close some files or raise the limit (ulimit -n)"
    default: nil
    }
  }

  /// The same error, with what has become of letters. That is always worth a message.
  package func adding(outcome: String) -> PostError {
    var error = self
    error.outcome = joined([self.outcome, outcome], "; ")
    error.isSilent = false
    return error
  }

  package func silenced() -> PostError {
    var error = self
    error.isSilent = true
    return error
  }

  /// One line: operation, place and cause, and after semicolons the remedy and the outcome.
  public var message: String {
    let place = joined([place, line.map { "line \($0)" }], ", ")
    return joined([joined([joined([operation, place], " "), cause], ": "), remedy, outcome], "; ") ?? ""
  }

  /// What is wrong, for a report that names place and remedy itself.
  var problem: String {
    joined([joined([operation, line.map { "line \($0)" }], ", "), cause], ": ") ?? ""
  }
}

/// Those parts that there are.
private func joined(_ parts: [String?], _ separator: String) -> String? {
  let parts = parts.compactMap(\.self)
  return parts.isEmpty ? nil : parts.joined(separator: separator)
}

/// Runs system calls; if one fails, the error says what they were for.
@inline(__always)
func attempt<Value: ~Copyable>(
  _ operation: @autoclosure () -> String, _ place: @autoclosure () -> String? = nil, remedy: String? = nil,
  _ body: () throws(Errno) -> Value
) throws(PostError) -> Value {
  do throws(Errno) { return try body() } catch {
    throw PostError(error, operation(), place(), remedy: remedy)
  }
}
