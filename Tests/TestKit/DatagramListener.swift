// A socket that receives datagrams, as a service manager has it: sd_notify(3).

import Glibc
import Linux

/// Receives what is sent to a path.
package final class DatagramListener {
  private let descriptor: Int32
  /// What was received so far.
  private var all: [String] = []

  package init(at path: Path) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.bytes)) }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + path.bytes.count + 1)
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
    }
    guard code == 0 else { throw Failure("cannot listen at \(path)") }
  }

  deinit { close(descriptor) }

  /// The datagrams up to now.
  package func heard() -> [String] {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count >= 0 else { return all }
      all.append(String(decoding: buffer[..<count], as: UTF8.self))
    }
  }
}
