// The error of the post office: what could not be done, where, why, and what to do about it. No function of the library
// throws another type, but for Errno below it. The verb or the watcher prints an error once.

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
  /// One line that begins in lower case: operation, place and cause, and after a semicolon the remedy.
  public let message: String

  public var exitCode: Int32 { kind.rawValue }
  public var description: String { message }

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// - Parameters:
  ///   - errno: the cause.
  ///   - what: the operation and its place: "cannot open topics/orders/new".
  ///   - hint: the remedy; nil: the usual one for this cause.
  package init(_ errno: Errno, _ what: String, hint: String? = nil) {
    var words = errno.description
    words = words.prefix(1).lowercased() + words.dropFirst()
    let remedy = hint ?? PostError.remedy(errno)
    self.init(Kind(of: errno), what + ": " + words + (remedy.map { "; " + $0 } ?? ""))
  }

  private static func remedy(_ errno: Errno) -> String? {
    switch errno {
    case .noSpace: "free some space or inodes and try again"
    case .quota: "free some of the quota and try again"
    case .processFiles, .systemFiles: "close some files or raise the limit (ulimit -n)"
    default: nil
    }
  }
}

/// Runs system calls; if one fails, the error says what they were for.
@inline(__always)
func attempt<Value: ~Copyable>(
  _ what: @autoclosure () -> String, hint: String? = nil, _ body: () throws(Errno) -> Value
) throws(PostError) -> Value {
  do throws(Errno) { return try body() } catch { throw PostError(error, what(), hint: hint) }
}
