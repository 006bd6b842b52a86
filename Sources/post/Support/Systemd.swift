// What a service reports to the service manager that started it: its state in datagrams, sd_notify(3), and a priority before
// each line of its log, sd-daemon(3). No failure here stops any work.

import Linux
import PostOffice
import Watching

/// The service manager that started us. Without one, messages are dropped.
final class ServiceManager {
  private let socket: DatagramSocket?
  /// The manager wants a sign of life at least so often; nil: it wants none. Nanoseconds.
  private let watchdog: Int64?
  private var isReady = false
  private var status = ""
  private var lastStatus: Int64 = .min
  private var lastSign: Int64 = .min

  /// The status line changes at most this often. Nanoseconds.
  private static let statusInterval: Int64 = 1_000_000_000

  init() {
    socket = Host.environment("NOTIFY_SOCKET").flatMap { try? DatagramSocket(to: $0) }
    let number = { (name: String) in Host.environment(name).flatMap { Int64($0.text) } }
    let isForUs = number("WATCHDOG_PID").map { $0 == Int64(Host.processID) } ?? true
    let microseconds = number("WATCHDOG_USEC").flatMap { $0 > 0 && $0 < .max / 1000 ? $0 : nil }
    watchdog = isForUs ? microseconds.map { $0 * 1000 / 2 } : nil
  }

  /// Reports that settings are read again; the next ``beat(_:)`` reports that we are ready.
  func reportReload() {
    send("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonic / 1000)")
    isReady = false
  }

  func reportStop() { send("STOPPING=1\nSTATUS=waiting for handlers to finish") }

  /// Reports the watcher's state if it has changed, and gives signs of life. Called in every round of the watcher.
  /// - Returns: when to call again at the latest, monotonic nanoseconds.
  func beat(_ watcher: Watcher) -> Int64? {
    guard socket != nil else { return nil }
    let now = Clock.monotonic
    if !isReady {
      isReady = true
      send("READY=1")
    }
    var next: Int64?
    if let watchdog {
      if now - watchdog >= lastSign {
        lastSign = now
        send("WATCHDOG=1")
      }
      next = lastSign + watchdog
    }
    let text = watcher.summary
    if text != status {
      let due = lastStatus == .min ? now : lastStatus + ServiceManager.statusInterval
      if due <= now {
        (status, lastStatus) = (text, now)
        send("STATUS=\(text)")
      } else {
        next = min(next ?? .max, due)
      }
    }
    return next
  }

  private func send(_ text: String) {
    do throws(Errno) { try socket?.send(text) } catch {}
  }
}

/// The log of a service, on standard error: one line per event.
enum Log {
  /// Priorities as syslog(3) numbers them.
  enum Priority: Int {
    case error = 3
    case warning
    case notice
    case info
  }

  /// Whether standard error leads to the journal: `JOURNAL_STREAM` names its device and inode, systemd.exec(5).
  static let isJournal: Bool = {
    guard let named = Host.environment("JOURNAL_STREAM"), let status = try? Streams.errorStatus() else {
      return false
    }
    return named.text == "\(status.device):\(status.inode)"
  }()

  /// The beginning of a line with this priority.
  static func prefix(_ priority: Priority) -> String { isJournal ? "<\(priority.rawValue)>" : "" }
}
