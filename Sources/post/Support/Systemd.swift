// What a service tells the manager that started it, sd_notify(3): a datagram now and then, and a priority in
// front of each line of the log, sd-daemon(3).

import Linux
import PostOffice
import Watching

/// The manager of services that started us; without one, every message goes nowhere.
final class ServiceManager {
  private let socket: DatagramSocket?
  /// A sign of life is wanted at least so often; nil: none is. Nanoseconds.
  private let watchdog: Int64?
  private var isReady = false
  private var status = ""
  private var lastStatus: Int64 = .min
  private var lastSign: Int64 = .min

  /// What is shown of the state changes at most this often. Nanoseconds.
  private static let statusInterval: Int64 = 1_000_000_000

  init() {
    socket = Host.environment("NOTIFY_SOCKET").flatMap { try? DatagramSocket(to: $0) }
    let number = { (name: String) in Host.environment(name).flatMap { Int64($0.text) } }
    let isForUs = number("WATCHDOG_PID").map { $0 == Int64(Host.processID) } ?? true
    let microseconds = number("WATCHDOG_USEC").flatMap { $0 > 0 && $0 < .max / 1000 ? $0 : nil }
    watchdog = isForUs ? microseconds.map { $0 * 1000 / 2 } : nil
  }

  /// The settings are read anew; when that is done, we are ready again.
  func isReloading() {
    tell("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonic / 1000)")
    isReady = false
  }

  func isStopping() { tell("STOPPING=1\nSTATUS=waiting for handlers to finish") }

  /// Called in every round of the watcher.
  /// - Returns: when to call again at the latest, monotonic nanoseconds.
  func beat(_ watcher: Watcher) -> Int64? {
    guard socket != nil else { return nil }
    let now = Clock.monotonic
    if !isReady {
      isReady = true
      tell("READY=1")
    }
    var next: Int64?
    if let watchdog {
      if now - watchdog >= lastSign {
        lastSign = now
        tell("WATCHDOG=1")
      }
      next = lastSign + watchdog
    }
    let text = watcher.summary
    if text != status {
      let due = lastStatus == .min ? now : lastStatus + ServiceManager.statusInterval
      if due <= now {
        (status, lastStatus) = (text, now)
        tell("STATUS=\(text)")
      } else {
        next = min(next ?? .max, due)
      }
    }
    return next
  }

  /// A manager that is gone, or does not listen, keeps nobody from work.
  private func tell(_ text: String) {
    do throws(Errno) { try socket?.send(text) } catch {}
  }
}

/// The log of a service: a line for each event.
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

  /// What begins a line of this priority.
  static func prefix(_ priority: Priority) -> String { isJournal ? "<\(priority.rawValue)>" : "" }
}
