// Looks at one state of a spool after a power cut and reports what the next command can no longer put right.
//
// What it accepts is what post commands repair: a letter in the topic's new/ will be delivered to every
// subscriber that does not have it, in any place; a marked subscriber will get the topic's letters; held
// letters will be delivered; claims of dead holders will be taken back. (CrashSiteTests let the real commands
// do so.) What it does not accept:
//
// - lost: a letter was accepted, and the topic has it neither in new/ nor in cur/.
// - half delivered: a letter is not in the topic's new/, so no finisher will sort it; it is in cur/ or with some
//   subscriber; and a subscriber without a mark has it nowhere, neither in its mailbox nor held.
// - torn: a name outside tmp/ refers to a letter, mark or settings file whose content is not sure. (A
//   foreign program's letter in the topic's new/ excepted: its content was never made sure. And a mark
//   whose symlink is not there, for it is removed unread.)
// - undone: a command exited with 0, and what it reported is not so: a settled letter is not, or not alone,
//   where it was put, so that it comes back and is handled twice; a subscriber or its mailbox is not there,
//   or is still there. Or a foreign letter has its former name alone although a mailbox has it under its ID: it will
//   get another ID, and be handled twice.
//
// Sorts the names once for each moment: those whose value is sure are looked at once, the others in each
// state. One topic, `orders`; 64 letters and 64 mailboxes at most.

import Linux
import TestKit

final class SpoolJudge {
  enum Fault: String, CaseIterable { case lost, torn, half, undone }

  typealias Place = SpoolNames.Place

  /// Where everything is; a bit for each letter, or each mailbox.
  struct Sighting {
    var new: UInt64 = 0
    /// Letters that are in new/ under a former name, and those that are there under their ID.
    var former: UInt64 = 0
    var identified: UInt64 = 0
    var cur: UInt64 = 0
    /// Letters that are seen torn.
    var torn: UInt64 = 0
    var subscribers: UInt64 = 0
    var marks: UInt64 = 0
    var tornMarks: UInt64 = 0
    var hasTornSettings = false
    /// Mailboxes that lack one of their folders.
    var incomplete: UInt64 = 0
    /// For each mailbox, each place.
    var has: [UInt64]

    func has(_ mailbox: Int, _ place: Place) -> UInt64 { has[SpoolNames.index(mailbox, place)] }

    /// The letters that a mailbox has anywhere.
    func has(_ mailbox: Int) -> UInt64 {
      var all: UInt64 = 0
      for index in (mailbox * Place.allCases.count)..<((mailbox + 1) * Place.allCases.count) {
        all |= has[index]
      }
      return all
    }
  }

  /// What must be so from some moment on.
  struct Obligations {
    var accepted: UInt64 = 0
    /// These and no others; nil if nothing was said about them.
    var subscribers: UInt64?
    /// As in ``Sighting/has``.
    var settled: [UInt64]
  }

  /// What a program has done to letters.
  struct Moves {
    var accepted: UInt64 = 0
    /// As in ``Sighting/has``: where it has put letters of mailboxes.
    var settled: [UInt64]
  }

  let names: SpoolNames
  /// The folders that are no roots, outer ones first, each with all the names it ever has.
  private let rooms: [(inode: Int, slots: [Int])]
  private let foreign: UInt64

  // The names of one moment.
  private var base: Sighting
  /// Folders whose names a cut may take away, outer ones first.
  private var openFolders: [(inode: Int, slots: [Int])] = []
  private var openSlots: [Int] = []
  private var isReached: [Bool] = []

  /// - Parameter foreign: letters that a foreign program delivered.
  init(_ trace: CallTrace, spool: Path, foreign: [String] = []) {
    let names = SpoolNames(trace, spool: spool)
    self.names = names
    self.foreign = foreign.reduce(0) { bits, letter in
      names.letters.firstIndex(of: letter).map { bits | 1 << $0 } ?? bits
    }
    rooms = SpoolJudge.sorted(trace)
    base = Sighting(has: [UInt64](repeating: 0, count: names.mailboxes.count * Place.allCases.count))
    isReached = [Bool](repeating: false, count: trace.kinds.count)
  }

  /// A folder that is sealed becomes one of another folder. No folder ever comes into a sealed one.
  private static func sorted(_ trace: CallTrace) -> [(inode: Int, slots: [Int])] {
    var names = trace.namesOfFolders()
    var known = Set(trace.roots.map(\.inode))
    var sorted = [(inode: Int, slots: [Int])]()
    while !names.isEmpty {
      let next = names.filter { $0.value.allSatisfy { known.contains(trace.slots[$0].folder) } }
      precondition(!next.isEmpty, "folders lie in each other")
      for (inode, slots) in next.sorted(by: { $0.key < $1.key }) {
        names[inode] = nil
        known.insert(inode)
        if !trace.roots.contains(where: { $0.inode == inode }) { sorted.append((inode, slots)) }
      }
    }
    return sorted
  }

  var noObligations: Obligations { Obligations(settled: base.has.map { _ in 0 }) }
  var noMoves: Moves { Moves(settled: base.has.map { _ in 0 }) }

  func matters(_ slot: Int) -> Bool { names.matters(slot) }

  /// Whether a cut can show a name that matters and refers to this file.
  func sees(_ inode: Int, in fs: WeakFileSystem) -> Bool {
    names.meanings.indices.contains { slot in
      matters(slot) && fs.values[slot].all[fs.values[slot].kept...].contains(inode)
    }
  }

  // MARK: One moment

  /// Sorts the names of this moment.
  func prepare(_ fs: WeakFileSystem) {
    base = Sighting(has: base.has.map { _ in 0 })
    openFolders = []
    openSlots = []
    var isOpen = [Bool](repeating: false, count: fs.kinds.count)
    for inode in fs.kinds.indices where fs.kinds[inode] == .folder { isReached[inode] = true }  // a root
    for (inode, slots) in rooms {
      isOpen[inode] = slots.contains { isOpen[fs.folders[$0]] || !fs.values[$0].isSure }
      isReached[inode] =
        !isOpen[inode] && slots.contains { isReached[fs.folders[$0]] && fs.values[$0].all.last == inode }
      if isOpen[inode] { openFolders.append((inode, slots)) }
    }
    for slot in names.meanings.indices where matters(slot) {
      let folder = fs.folders[slot]
      let values = fs.values[slot]
      if isOpen[folder] || (isReached[folder] && !values.isSure) {
        openSlots.append(slot)
      } else if isReached[folder], let inode = values.all[values.last] {
        note(slot, inode, fs, &base)
      }
    }
  }

  /// What a cut shows that leaves these values. Of the moment that was prepared.
  /// - Parameter rooms: whether to see if mailboxes are complete.
  func look(_ fs: WeakFileSystem, _ shown: [Int], rooms isAsked: Bool = false) -> Sighting {
    for (inode, slots) in openFolders {
      isReached[inode] = slots.contains { isReached[fs.folders[$0]] && fs.values[$0].all[shown[$0]] == inode }
    }
    var sighting = base
    for slot in openSlots where isReached[fs.folders[slot]] {
      if let inode = fs.values[slot].all[shown[slot]] { note(slot, inode, fs, &sighting) }
    }
    if isAsked {
      for (mailbox, slot) in names.rooms
      where !isReached[fs.folders[slot]] || fs.values[slot].all[shown[slot]] == nil {
        sighting.incomplete |= 1 << mailbox
      }
    }
    return sighting
  }

  private func note(_ slot: Int, _ inode: Int, _ fs: WeakFileSystem, _ sighting: inout Sighting) {
    // At worst it is torn; that it may be whole as well makes nothing worse.
    let isTorn = !fs.contents[inode].isSure
    switch names.meanings[slot] {
    case .none, .folder: break
    case .new(let letter, let isFormer):
      sighting.new |= 1 << letter
      if isFormer { sighting.former |= 1 << letter } else { sighting.identified |= 1 << letter }
      if isTorn { sighting.torn |= (1 << letter) & ~foreign }
    case .cur(let letter):
      sighting.cur |= 1 << letter
      if isTorn { sighting.torn |= 1 << letter }
    case .place(let index, let letter):
      sighting.has[index] |= 1 << letter
      if isTorn { sighting.torn |= 1 << letter }
    case .subscriber(let mailbox): sighting.subscribers |= 1 << mailbox
    case .mark(let mailbox):
      sighting.marks |= 1 << mailbox
      if isTorn { sighting.tornMarks |= 1 << mailbox }
    case .settings: if isTorn { sighting.hasTornSettings = true }
    }
  }

  /// The state without a cut.
  func look(now fs: WeakFileSystem) -> Sighting {
    prepare(fs)
    return look(fs, fs.values.map(\.last))
  }

  /// The letters whose IDs a program has printed.
  func letters(in bytes: [UInt8]) -> UInt64 {
    var found: UInt64 = 0
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      if let number = names.letters.firstIndex(of: String(line)) { found |= 1 << number }
    }
    return found
  }

  /// Records what an operation does to a letter.
  func note(_ operation: WeakFileSystem.Operation, _ moves: inout Moves) {
    guard case .rename(_, let to) = operation else { return }
    switch names.meanings[to] {
    case .new(let letter, _): moves.accepted |= 1 << letter
    case .place(let index, let letter) where index % Place.allCases.count != Place.cur.rawValue:
      moves.settled[index] |= 1 << letter
    default: break
    }
  }

  // MARK: The verdict

  func faults(_ seen: Sighting, _ due: Obligations) -> [Fault] {
    var faults = [Fault]()
    if due.accepted & ~(seen.new | seen.cur) != 0 { faults.append(.lost) }
    if seen.torn != 0 || seen.hasTornSettings || seen.tornMarks & seen.subscribers != 0 {
      faults.append(.torn)
    }
    var anywhere = seen.cur
    var complete = ~UInt64(0)
    for mailbox in names.mailboxes.indices {
      let has = seen.has(mailbox)
      anywhere |= has
      if (seen.subscribers & ~seen.marks) >> mailbox & 1 == 1 { complete &= has }
    }
    if anywhere & ~seen.new & ~complete != 0 { faults.append(.half) }
    var isUndone = anywhere & seen.former & ~seen.identified != 0
    if let subscribers = due.subscribers {
      isUndone = subscribers != seen.subscribers || subscribers & seen.incomplete != 0
    }
    for index in due.settled.indices where due.settled[index] != 0 {
      if due.settled[index] & ~seen.has[index] != 0 { isUndone = true }
      let mailbox = index / Place.allCases.count
      for place in Place.allCases where SpoolNames.index(mailbox, place) != index {
        if seen.has(mailbox, place) & due.settled[index] != 0 { isUndone = true }
      }
    }
    if isUndone { faults.append(.undone) }
    return faults
  }
}
