// Datagrams to a socket of this machine, unix(7), by which a service reports to its manager. Sending never waits.

import Glibc

/// A socket from which datagrams go to one address.
package struct DatagramSocket: ~Copyable {
  private let file: File
  private let address: [UInt8]

  /// The longest address, bytes: `sun_path` of unix(7).
  private static let addressLimit = 108

  /// - Parameter address: the absolute path of the socket; with `@` in front, an abstract name.
  /// - Throws: EINVAL, for an address of another kind.
  package init(to address: Path) throws(Errno) {
    var bytes = Array(address.bytes)
    guard (2..<DatagramSocket.addressLimit).contains(bytes.count) else { throw .invalid }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 } else if !address.isAbsolute { throw .invalid }
    let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    file = File(owning: try check { socket(AF_UNIX, type, 0) })
    self.address = bytes
  }

  /// Sends one datagram.
  package borrowing func send(_ text: String) throws(Errno) {
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
    let size = MemoryLayout<sa_family_t>.size + address.count
    let bytes = Array(text.utf8)
    let descriptor = file.descriptor
    _ = try withUnsafePointer(to: &target) { pointer throws(Errno) in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target throws(Errno) in
        try check { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, socklen_t(size)) }
      }
    }
  }
}
