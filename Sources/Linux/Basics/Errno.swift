// The one error of this target. What a system call reports is thrown as `Errno`, except for three: a call that a signal
// interrupted (EINTR) is made again, and EBADF and EFAULT, which only a bug of ours can cause, trap.

import Glibc

/// An error of the kernel, errno(3).
package struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
  package let code: Int32

  package init(_ code: Int32) { self.code = code }

  /// In words, strerror(3): "No space left on device".
  package var description: String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
  }

  package static let notPermitted = Errno(EPERM)
  package static let noEntry = Errno(ENOENT)
  package static let exists = Errno(EEXIST)
  package static let notDirectory = Errno(ENOTDIR)
  package static let isDirectory = Errno(EISDIR)
  package static let notEmpty = Errno(ENOTEMPTY)
  package static let denied = Errno(EACCES)
  package static let crossDevice = Errno(EXDEV)
  package static let tooManyLinks = Errno(EMLINK)
  package static let loop = Errno(ELOOP)
  package static let noSpace = Errno(ENOSPC)
  package static let quota = Errno(EDQUOT)
  package static let readOnly = Errno(EROFS)
  package static let io = Errno(EIO)
  package static let again = Errno(EAGAIN)
  package static let invalid = Errno(EINVAL)
  package static let brokenPipe = Errno(EPIPE)
  package static let noDeviceAddress = Errno(ENXIO)
  package static let noMemory = Errno(ENOMEM)
  package static let processFiles = Errno(EMFILE)
  package static let systemFiles = Errno(ENFILE)
  package static let noProgram = Errno(ENOEXEC)
  /// Arguments and environment together are larger than execve(2) takes.
  package static let listTooLong = Errno(E2BIG)
  package static let nameTooLong = Errno(ENAMETOOLONG)

  /// The disk or the quota is full: the same call may succeed when there is space.
  package var isFull: Bool { self == .noSpace || self == .quota }
}

/// Makes a system call, again if a signal interrupted it, and throws what it reports.
///
/// `errno` is read here, before anything else can change it.
@inline(__always)
func check<Result: FixedWidthInteger & SignedInteger>(_ call: () -> Result) throws(Errno) -> Result {
  while true {
    let result = call()
    if result >= 0 { return result }
    let code = errno
    if code == EINTR { continue }
    precondition(code != EBADF && code != EFAULT, "a system call was given a bad descriptor or address")
    throw Errno(code)
  }
}
