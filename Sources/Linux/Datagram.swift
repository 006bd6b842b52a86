// Datagrams to a socket of this machine, unix(7): how a service tells its manager how it is.

import CLinux
import Glibc

/// A socket from which datagrams go to one address.
package struct DatagramSocket: ~Copyable {
  private let file: File
  private let address: [UInt8]

  /// The longest address, bytes: `sun_path` of unix(7).
  private static let addressLimit = 108

  /// - Parameter address: the path of the socket; with `@` in front, an abstract name.
  /// - Throws: invalid, for an address of another kind.
  package init(to address: Path) throws(Errno) {
    let bytes = try DatagramSocket.name(address)
    let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = try check { socket(AF_UNIX, type, 0) }
    self.address = bytes
    file = File(owning: descriptor)
  }

  private static func name(_ address: Path) throws(Errno) -> [UInt8] {
    var bytes = Array(address.bytes)
    guard let first = bytes.first, bytes.count > 1, bytes.count < addressLimit else { throw .invalid }
    if first == UInt8(ascii: "@") { bytes[0] = 0 } else if first != UInt8(ascii: "/") { throw .invalid }
    return bytes
  }

  /// Sends one datagram, without ever waiting.
  package borrowing func send(_ text: String) throws(Errno) {
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
    let size = MemoryLayout<sa_family_t>.size + address.count
    let bytes = Array(text.utf8)
    let descriptor = file.descriptor
    _ = try withUnsafePointer(to: &target) { pointer -> Result<Int, Errno> in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
        do throws(Errno) {
          return .success(
            try check {
              sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, socklen_t(size))
            })
        } catch { return .failure(error) }
      }
    }.get()
  }
}
