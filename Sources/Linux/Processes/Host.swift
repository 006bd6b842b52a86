// The machine and the process: names, numbers, environment, random bits.

import CLinux
import Glibc
import Text

package enum Host {
  /// The name of the machine, uname(2).
  package static var name: String {
    var names = utsname()
    guard uname(&names) == 0 else { return "localhost" }
    return withUnsafeBytes(of: &names.nodename) { visible(Array($0.prefix { $0 != 0 })) }
  }

  /// Whether the kernel has this version or a newer one, uname(2).
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

  /// A new one each time the machine starts, random(4); empty if /proc does not tell.
  package static var bootID: String {
    let text = File.text(of: "/proc/sys/kernel/random/boot_id", limit: 64) ?? ""
    return visible(String(text.prefix { $0 != "\n" }))
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

  /// A random number, at least 0 and less than a limit.
  package static func random(below limit: Int64) -> Int64 {
    Int64(UInt64(limit).multipliedFullWidth(by: UInt64(random) << 32).high)
  }

  /// A variable of the environment; nil if it is unset or empty.
  package static func environment(_ name: String) -> Path? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return Path(cString: value)
  }

  /// The whole environment, as `NAME=value`.
  package static var allEnvironment: [Path] {
    var entries = [Path]()
    var next = Glibc.environ
    while let entry = next.pointee {
      entries.append(Path(cString: entry))
      next += 1
    }
    return entries
  }

  /// The current directory.
  package static func workingDirectory() throws(Errno) -> Path {
    guard let bytes = getcwd(nil, 0) else { throw Errno(errno) }
    defer { free(bytes) }
    return Path(cString: bytes)
  }
}
