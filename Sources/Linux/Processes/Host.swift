// Who and where we are: host, process, user, environment, random bits.

import CLinux
import Glibc
import Text

package enum Host {
  /// The node's name as uname(2) tells it, unchanged.
  package static var name: String {
    var names = utsname()
    guard uname(&names) == 0 else { return "localhost" }
    return withUnsafeBytes(of: &names.nodename) { visible(Array($0.prefix { $0 != 0 })) }
  }

  /// Whether the kernel is of this version or newer, as uname(2) tells it.
  package static func hasKernel(_ major: Int, _ minor: Int) -> Bool {
    var names = utsname()
    guard uname(&names) == 0 else { return false }
    let release = withUnsafeBytes(of: &names.release) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    return isVersion(release, atLeast: major, minor)
  }

  /// - Parameter release: such as `6.18.44-generic`.
  static func isVersion(_ release: String, atLeast major: Int, _ minor: Int) -> Bool {
    let numbers = release.split(maxSplits: 2) { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    return numbers.count == 2 && (numbers[0], numbers[1]) >= (major, minor)
  }

  /// Another one each time the machine starts, random(4); empty if /proc does not tell.
  package static var bootID: String {
    guard let file = try? File("/proc/sys/kernel/random/boot_id", .readFollowing),
      let bytes = try? file.readAll(limit: 64)
    else { return "" }
    return visible(Array(bytes.prefix { $0 != UInt8(ascii: "\n") }))
  }

  package static var processID: Int32 { getpid() }
  package static var userID: UInt32 { geteuid() }

  /// 32 random bits from the kernel.
  package static var random: UInt32 { UInt32(truncatingIfNeeded: random64) }

  /// 64 random bits from the kernel.
  package static var random64: UInt64 {
    var bits: UInt64 = 0
    while getrandom(&bits, MemoryLayout<UInt64>.size, 0) != MemoryLayout<UInt64>.size {}
    return bits
  }

  /// A random number from 0 to below a limit.
  package static func random(below limit: Int64) -> Int64 {
    Int64(UInt64(limit).multipliedFullWidth(by: UInt64(random) << 32).high)
  }

  /// A variable of the environment, as bytes; nil when unset or empty.
  package static func environment(_ name: String) -> Path? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return Path(cString: value)
  }

  /// Everything in the environment, as `NAME=value` bytes.
  package static var allEnvironment: [Path] {
    var entries = [Path]()
    var next = Glibc.environ
    while let entry = next.pointee {
      entries.append(Path(cString: entry))
      next += 1
    }
    return entries
  }

  /// The user's login name: /etc/passwd, else what `getent passwd` knows (LDAP and the like), else
  /// the number. getpwuid(3) is left alone: in a static program it needs the libraries of the day.
  package static var userName: String {
    let id = userID
    let users = try? File("/etc/passwd", .readFollowing).readAll(limit: 16 << 20)
    if let name = users.flatMap({ loginName(of: id, in: $0) }) { return name }
    let user = try? Child.output(of: ["getent", "passwd", Path(String(id))])
    return user.flatMap { loginName(of: id, in: Array($0.utf8)) } ?? String(id)
  }

  /// The current directory.
  package static func workingDirectory() throws(Errno) -> Path {
    guard let bytes = getcwd(nil, 0) else { throw Errno(errno) }
    defer { free(bytes) }
    return Path(cString: bytes)
  }
}

/// The first field of the passwd(5) line whose third is this user's number. By bytes: to take the file for text
/// would cost every letter's sender more time than all its system calls.
func loginName(of id: UInt32, in text: [UInt8]) -> String? {
  let (newline, colon) = (UInt8(ascii: "\n"), UInt8(ascii: ":"))
  let wanted = Array(String(id).utf8)
  var rest = text[...]
  while !rest.isEmpty {
    let line = rest.prefix { $0 != newline }
    rest = rest.dropFirst(line.count + 1)
    let name = line.prefix { $0 != colon }
    let password = line.dropFirst(name.count + 1).prefix { $0 != colon }
    let number = line.dropFirst(name.count + 1 + password.count + 1).prefix { $0 != colon }
    if !name.isEmpty, number.elementsEqual(wanted) { return String(decoding: name, as: UTF8.self) }
  }
  return nil
}
