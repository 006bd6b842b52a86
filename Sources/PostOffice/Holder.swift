// A holder: what shows that a handler with several letters in its hands lives.
//
// A handler of one letter inherits the open letter, and with it the beacon. With several letters it would
// need a descriptor for each, and one that is started once cannot inherit what comes later. So its letters
// name a file in holders/ instead (`,H=<name>`), which it inherits as its standard input: an empty file
// (batches), or a FIFO through which it is told of its letters (streams). Two locks on that file say that
// the letters are held: one of the watcher's, one that the handler inherits. Neither the file nor its name
// need survive a power cut: no holder does.

import Linux

/// The name of a holder's file: 16 hexadecimal digits.
package struct HolderName: Hashable, Sendable, CustomStringConvertible {
  package let description: String

  init?(_ digits: ArraySlice<UInt8>) {
    let isHex = { (byte: UInt8) in byte.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte) }
    guard digits.count == 16, digits.allSatisfy(isHex) else { return nil }
    description = String(decoding: digits, as: UTF8.self)
  }

  /// One that nobody else chooses.
  static func random() -> HolderName {
    let digits = String(UInt64(Host.random) << 32 | UInt64(Host.random), radix: 16)
    let padded = String(repeating: "0", count: 16 - digits.count) + digits
    guard let name = HolderName(Array(padded.utf8)[...]) else { preconditionFailure("16 digits are a name") }
    return name
  }
}

/// The byte of a holder's file that its maker locks, exclusively, as with any file that is not finished;
/// the handler's, shared, is the next one.
private let makerByte = sorterByte
private let handlerByte = sorterByte + 1

/// Shows that some letters are held, for as long as we or a handler live. It goes when nothing refers to it.
final class Holder {
  enum Kind {
    /// An empty file, which reads as its end.
    case empty
    /// A FIFO.
    case fifo
  }

  let name: HolderName
  private var ends: Ends
  private let office: Office
  private let path: Path

  /// How often a cleaner may take the new file for debris before it is locked.
  private static let attempts = 100

  init(_ kind: Kind, in mailbox: Mailbox) throws(Errno) {
    office = mailbox.office
    let folder = mailbox.layout[.holders]
    var attempts = 0
    while true {
      let name = HolderName.random()
      attempts += 1
      do throws(Errno) {
        ends = try Ends.make(kind, folder / name.description, mailbox)
        self.name = name
        path = folder / name.description
        return
      } catch let error where attempts < Holder.attempts {
        switch error {
        case .noEntry: do throws(Errno) { try office.root.makeDirectory(folder) } catch .exists {}
        case .again, .exists: break
        default: throw error
        }
      }
    }
  }

  deinit { try? office.root.remove(path) }

  /// What the handler gets as its standard input.
  var input: Int32 { ends.theirs.descriptor }

  /// For a stream: where the handler is told of letters. Never blocks.
  func write(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int { try ends.ours.writeSome(bytes) }

  /// Where that is done; -1 once it is closed.
  var descriptor: Int32 { ends.ours.descriptor }

  /// The handler is told of no more letters: it reads the end. Those it has are still held, as the handler's
  /// end of the file, which we keep, shows.
  func close() { ends.ours = File(owning: -1) }

  /// The two open files of a holder, locked.
  private struct Ends: ~Copyable {
    var ours: File
    let theirs: File

    /// - Throws: again, if a cleaner was quicker.
    static func make(_ kind: Kind, _ path: Path, _ mailbox: Mailbox) throws(Errno) -> Ends {
      let office = mailbox.office
      try Ballast(office).sparing(in: mailbox.layout.root) { () throws(Errno) in
        switch kind {
        case .empty: _ = try office.root.open(path, .create(permissions: 0o600))
        case .fifo: try office.root.makeFIFO(path)
        }
      }
      do throws(Errno) {
        let theirs = try office.root.open(path, .read)
        let ours = try office.root.open(path, .write)
        guard try ours.tryLock(.exclusive, byte: makerByte), try ours.status().links > 0,
          try theirs.tryLock(.shared, byte: handlerByte)
        else { throw .again }
        try theirs.setBlocking(true)
        return Ends(ours: ours, theirs: theirs)
      } catch {
        try? office.root.remove(path)
        throw error == .noEntry ? .again : error
      }
    }
  }
}

extension Mailbox {
  func makeHolder(_ kind: Holder.Kind) throws(PostError) -> Holder {
    do throws(Errno) { return try Holder(kind, in: self) } catch {
      throw office.trouble(error, "cannot make a file in \(layout[.holders])", in: layout.root)
    }
  }

  /// Whether a holder, or its handler, lives. If we cannot see, it does.
  func lives(_ holder: HolderName) -> Bool {
    do throws(Errno) {
      return try office.root.open(layout[.holders] / holder.description, .read)
        .isLocked(byte: makerByte, count: 2)
    } catch { return error != .noEntry }
  }

  /// Removes the files of holders that are dead.
  func clearHolders() {
    guard let names = try? office.firstNames(in: layout[.holders], limit: Topic.passLimit) else { return }
    for name in names {
      do throws(Errno) {
        let file = try office.root.open(layout[.holders] / name, .read)
        // Our lock stays until the name is gone: its maker, if just born, fails to lock and starts again.
        guard try file.tryLock(.shared, byte: makerByte), try !file.isLocked(byte: handlerByte) else {
          continue
        }
        try office.root.remove(layout[.holders] / name)
      } catch {}  // gone, or not ours to remove
    }
  }
}
