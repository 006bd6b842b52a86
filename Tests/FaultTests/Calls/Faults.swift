// Which errors which system calls can return, after their manual pages. What a call cannot return is not
// injected: mmap(2) and brk(2) are left out, for without memory a program ends as if it were killed.

import Glibc
import Linux
import TestKit

/// The outcome of a system call.
enum Fault: Sendable, CustomStringConvertible {
  /// Fails once.
  case once(Errno)
  /// Fails, and so does every later call of its kind.
  case always(Errno)

  var errno: Errno {
    switch self {
    case .once(let errno), .always(let errno): errno
    }
  }

  var description: String {
    switch self {
    case .once(let errno): "once: \(errno)"
    case .always(let errno): "from then on: \(errno)"
    }
  }

  private static let names: [Int32] = [ENOSPC, EDQUOT, EACCES, EPERM, EIO, ENOMEM, ELOOP]
  private static let descriptors: [Int32] = [EMFILE, ENFILE, ENOMEM]

  private static let errors: [String: [Int32]] = [
    "openat": descriptors + [EACCES, EIO, ELOOP, EINTR],
    "mkdirat": names + [EMLINK],
    "mknodat": names,
    "linkat": names + [EMLINK, EXDEV],
    "symlinkat": names,
    "renameat2": names + [EMLINK, EXDEV],
    "renameat": names + [EMLINK, EXDEV],
    "unlinkat": [EACCES, EPERM, EIO, ENOMEM, ELOOP],
    "readlinkat": [EACCES, EIO, ENOMEM, ELOOP],
    "write": [ENOSPC, EDQUOT, EIO, EPERM, EINTR],
    "pwrite64": [ENOSPC, EDQUOT, EIO, EPERM, EINTR],
    "read": [EIO, EINTR],
    "pread64": [EIO, EINTR],
    "lseek": [EINVAL],
    "fsync": [EIO, ENOSPC, EDQUOT, EINTR],
    "syncfs": [EIO, ENOSPC, EDQUOT],
    "sync_file_range": [EIO, ENOSPC, ENOMEM],
    "getdents64": [EIO],
    "newfstatat": [EACCES, EIO, ENOMEM, ELOOP],
    "fstat": [EIO, ENOMEM],
    "statfs": [EIO, ENOSYS],
    "fstatfs": [EIO, ENOSYS],
    "fcntl": [ENOLCK, EINTR],
    "flock": [ENOLCK, EINTR],
    "fallocate": [ENOSPC, EDQUOT, EIO, EOPNOTSUPP, EINTR],
    "ftruncate": [EIO, EINTR],
    "copy_file_range": [ENOSPC, EDQUOT, EIO, EXDEV, EINVAL, EOPNOTSUPP, ENOMEM, EINTR],
    "fchmod": [EPERM, EIO],
    "fchown": [EPERM, EIO],
    "fsetxattr": [EPERM, ENOSPC],
    "memfd_create": descriptors,
    "inotify_init1": descriptors,
    "inotify_add_watch": [ENOSPC, ENOMEM, EACCES],
    "signalfd4": descriptors,
    "pidfd_open": descriptors,
    "pipe2": [EMFILE, ENFILE],
    "clone3": [EAGAIN, ENOMEM],
    "clone": [EAGAIN, ENOMEM],
    "waitid": [EINTR],
    "wait4": [EINTR],
    "ppoll": [EINTR, ENOMEM],
    "getrandom": [EINTR],
  ]

  /// All outcomes of this call. One that made a file can also find no room for it.
  static func possible(for call: Call) -> [Fault] {
    var codes = errors[call.name] ?? []
    if call.name == "openat", call.int(2) & O_CREAT != 0 { codes += [ENOSPC, EDQUOT] }
    // RENAME_EXCHANGE, on a file system that cannot.
    if call.name == "renameat2", call.int(4) == 2 { codes.append(EINVAL) }
    return codes.flatMap { code -> [Fault] in
      // A call that is interrupted for ever makes a program hang, and rightly so.
      code == EINTR ? [.once(Errno(code))] : [.once(Errno(code)), .always(Errno(code))]
    }
  }

  /// Calls that may do less than they were asked to.
  static let partial: Set<String> = ["read", "write", "pread64", "pwrite64"]
}

extension Call {
  private static let changes: Set = [
    "mkdirat", "mknodat", "linkat", "symlinkat", "renameat2", "renameat", "unlinkat", "write", "pwrite64",
    "ftruncate",
    "fallocate", "fchmod", "fchown", "clone", "clone3", "vfork", "waitid", "wait4", "exit_group",
  ]

  /// Whether the call changes what other processes see after the command's death.
  var changesSomething: Bool { Call.changes.contains(name) || name == "openat" && int(2) & O_CREAT != 0 }
}
