// What programs changed in a sandbox, and made durable, in order: the operations of a weak file system with
// the folders and names they are about. A test can edit it, to show that the checker finds the damage.

import Linux

struct CallTrace: Sendable {
  typealias Inode = WeakFileSystem.Inode
  typealias Slot = WeakFileSystem.Slot

  struct Step: Sendable {
    let operation: WeakFileSystem.Operation
    /// The call with its paths, for people: "fsync spool/topics/orders/new".
    let text: String
    var isSync: Bool {
      switch operation {
      case .sync, .syncAll: true
      default: false
      }
    }
  }

  struct Place: Hashable, Sendable {
    let folder: Inode
    let name: Path
  }

  /// Folders that are there for sure, with their absolute paths.
  var roots: [(inode: Inode, path: Path)] = []
  var kinds: [WeakFileSystem.Kind] = []
  var devices: [UInt64] = []
  /// Content at the beginning.
  var texts: [[UInt8]] = []
  var slots: [Place] = []
  /// What each name refers to at the beginning.
  var names: [Inode?] = []
  var steps: [Step] = []
  /// The states before this step are of no interest: what came before is the past.
  var begin = 0

  var fileSystem: WeakFileSystem {
    WeakFileSystem(
      kinds: kinds, devices: devices, folders: slots.map(\.folder), names: names, texts: texts)
  }

  /// The name that a folder or file got first; nil for a root.
  func home(of inode: Inode) -> Slot? { homes[inode] }

  private var homes: [Inode: Slot] = [:]

  /// The absolute path that an inode got first.
  func path(of inode: Inode) -> Path {
    if let slot = homes[inode] { return path(slot: slot) }
    return roots.first { $0.inode == inode }?.path ?? "?"
  }

  func path(slot: Slot) -> Path { path(of: slots[slot].folder) / slots[slot].name.description }

  /// All names that each folder ever has.
  func namesOfFolders() -> [Inode: [Slot]] {
    var found = [Inode: [Slot]]()
    var fs = fileSystem
    func note(_ slot: Slot) {
      guard let inode = fs.values[slot].all.last ?? nil, kinds[inode] == .folder else { return }
      if found[inode]?.contains(slot) != true { found[inode, default: []].append(slot) }
    }
    names.indices.forEach(note)
    for step in steps {
      _ = fs.apply(step.operation)
      switch step.operation {
      case .enter(_, let slot), .rename(_, let slot): note(slot)
      case .exchange(let one, let other):
        note(one)
        note(other)
      default: break
      }
    }
    return found
  }

  // MARK: Building

  mutating func addNode(_ kind: WeakFileSystem.Kind, device: UInt64, text: [UInt8] = []) -> Inode {
    kinds.append(kind)
    devices.append(device)
    texts.append(text)
    return kinds.count - 1
  }

  mutating func addSlot(_ place: Place, naming inode: Inode?) -> Slot {
    slots.append(place)
    names.append(inode)
    if let inode { settle(inode, slots.count - 1) }
    return slots.count - 1
  }

  mutating func add(_ operation: WeakFileSystem.Operation, _ text: String) {
    if case .enter(let inode, let slot) = operation { settle(inode, slot) }
    steps.append(Step(operation: operation, text: text))
  }

  private mutating func settle(_ inode: Inode, _ slot: Slot) {
    if homes[inode] == nil { homes[inode] = slot }
  }

  // MARK: Editing

  /// Without one of its steps.
  func without(_ index: Int) -> CallTrace {
    var trace = self
    trace.steps.remove(at: index)
    return trace
  }

  /// With one of its steps done before another one.
  func moving(_ index: Int, before target: Int) -> CallTrace {
    var trace = self
    let step = trace.steps.remove(at: index)
    trace.steps.insert(step, at: target > index ? target - 1 : target)
    return trace
  }

  /// The steps of the last recorded program that a text fits: "fsync", "new".
  func indices(of call: String, _ ending: String = "") -> [Int] {
    steps.indices.filter {
      $0 >= begin && steps[$0].text.hasPrefix(call) && steps[$0].text.hasSuffix(ending)
    }
  }
}
