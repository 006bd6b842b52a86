import Linux
import TestKit
import Testing

/// What a cut can leave on the weak file system, in small examples.
@Suite struct WeakFileSystemTests {
  /// A trace with the folders `a` and `b`, there for sure.
  private struct Small {
    var trace = CallTrace()
    let a: Int
    let b: Int

    init() {
      a = trace.addNode(.folder, device: 1)
      b = trace.addNode(.folder, device: 2)
      trace.roots = [(a, "/a"), (b, "/b")]
    }

    mutating func file(device: UInt64 = 1) -> Int { trace.addNode(.file, device: device) }
    mutating func name(_ name: Path, in folder: Int) -> Int {
      trace.addSlot(CallTrace.Place(folder: folder, name: name), naming: nil)
    }
  }

  private func everything(_ slot: Int) -> Bool { true }

  /// All states after some operations: for each name, whether it is there.
  private func states(
    _ small: Small, _ operations: [WeakFileSystem.Operation], renamesAreAtomic: Bool = true
  ) -> Set<[Bool]> {
    var fs = small.trace.fileSystem
    fs.renamesAreAtomic = renamesAreAtomic
    for operation in operations { _ = fs.apply(operation) }
    var dice = Seeded(0)
    var found = Set<[Bool]>()
    let isWhole = fs.forEachState(varying: everything, fixing: nil, dice: &dice) { shown in
      found.insert(fs.values.indices.map { fs.values[$0].all[shown[$0]] != nil })
    }
    #expect(isWhole)
    return found
  }

  @Test func aNameIsSureAfterASyncOfItsFolderAlone() {
    var small = Small()
    let file = small.file()
    let name = small.name("x", in: small.a)
    let both: Set<[Bool]> = [[false], [true]]
    #expect(states(small, [.enter(file, name)]) == both)
    #expect(states(small, [.enter(file, name), .sync(file)]) == both)
    #expect(states(small, [.enter(file, name), .sync(small.b)]) == both)
    #expect(states(small, [.enter(file, name), .sync(small.a)]) == [[true]])
    #expect(states(small, [.enter(file, name), .syncAll(device: 1)]) == [[true]])
    #expect(states(small, [.enter(file, name), .syncAll(device: 2)]) == both)
    #expect(states(small, [.enter(file, name), .sync(small.a), .leave(name)]) == both)
  }

  @Test func namesPersistInAnySubset() {
    var small = Small()
    let names = (0..<4).map { small.name(Path("\($0)"), in: small.a) }
    let file = small.file()
    #expect(states(small, names.map { .enter(file, $0) }).count == 16)
  }

  @Test func contentIsSureAfterASyncOfTheFileUntilItIsWrittenAgain() {
    var small = Small()
    let file = small.file()
    let name = small.name("x", in: small.a)
    var fs = small.trace.fileSystem
    func isSure(after operation: WeakFileSystem.Operation) -> Bool {
      _ = fs.apply(operation)
      return fs.contents[file].isSure
    }
    #expect(isSure(after: .enter(file, name)))  // empty, as it was made
    #expect(!isSure(after: .write(file, [1])))
    #expect(!isSure(after: .sync(small.a)))
    #expect(isSure(after: .sync(file)))
    #expect(!isSure(after: .write(file, [1, 2])))
    #expect(isSure(after: .syncAll(device: 1)))
  }

  @Test func aRenameLeavesOneNameOrBoth() {
    var small = Small()
    let file = small.file()
    let old = small.name("old", in: small.a)
    let new = small.name("new", in: small.b)
    let moved: [WeakFileSystem.Operation] = [
      .enter(file, old), .sync(small.a), .rename(from: old, to: new),
    ]
    #expect(states(small, moved) == [[true, false], [true, true], [false, true]])
    #expect(states(small, moved + [.sync(small.b)]) == [[true, true], [false, true]])
    // Gone here for sure, it is there for sure.
    #expect(states(small, moved + [.sync(small.a)]) == [[false, true]])
    #expect(states(small, moved, renamesAreAtomic: false).contains([false, false]))
  }

  @Test func anExchangeHappensOrNot() {
    var small = Small()
    let (old, fresh) = (small.file(), small.file())
    let (here, there) = (small.name("new", in: small.a), small.name("bag", in: small.b))
    func states(_ operations: [WeakFileSystem.Operation]) -> Set<[Int?]> {
      var fs = small.trace.fileSystem
      let made: [WeakFileSystem.Operation] = [
        .enter(old, here), .enter(fresh, there), .sync(small.a), .sync(small.b),
      ]
      for operation in made + operations { _ = fs.apply(operation) }
      var dice = Seeded(0)
      var found = Set<[Int?]>()
      _ = fs.forEachState(varying: everything, fixing: nil, dice: &dice) { shown in
        found.insert([here, there].map { fs.values[$0].all[shown[$0]] })
      }
      return found
    }
    let exchange = WeakFileSystem.Operation.exchange(here, there)
    #expect(states([exchange]) == [[old, fresh], [fresh, old]])
    #expect(states([exchange, .sync(small.a)]) == [[fresh, old]])
    #expect(states([exchange, .sync(small.b)]) == [[fresh, old]])
    #expect(states([exchange, .leave(there)]) == [[old, fresh], [fresh, old], [fresh, nil]])
  }

  @Test func aChainOfRenamesNeverLeavesNothing() {
    var small = Small()
    let file = small.file()
    let names = [
      small.name("new", in: small.a), small.name("cur", in: small.b), small.name("done", in: small.a),
    ]
    let found = states(
      small,
      [
        .enter(file, names[0]), .sync(small.a), .rename(from: names[0], to: names[1]),
        .rename(from: names[1], to: names[2]),
      ])
    #expect(!found.contains([false, false, false]))
    #expect(found.contains([true, false, true]))
    #expect(found.contains([false, true, false]))
    #expect(found.contains([false, false, true]))
  }

  @Test func tooManyStatesAreSampledAndObeyTheRules() {
    var small = Small()
    let files = (0..<20).map { _ in small.file() }
    let olds = files.map { small.name(Path("old \($0)"), in: small.a) }
    let news = files.map { small.name(Path("new \($0)"), in: small.b) }
    var fs = small.trace.fileSystem
    for (file, old) in zip(files, olds) { _ = fs.apply(.enter(file, old)) }
    _ = fs.apply(.sync(small.a))
    for (old, new) in zip(olds, news) { _ = fs.apply(.rename(from: old, to: new)) }
    var dice = Seeded(1)
    var kept = Set<Int>()
    var isAnyNowhere = false
    let isWhole = fs.forEachState(varying: everything, fixing: nil, dice: &dice) { shown in
      kept.insert(news.count { fs.values[$0].all[shown[$0]] != nil })
      for (old, new) in zip(olds, news)
      where fs.values[old].all[shown[old]] == nil && fs.values[new].all[shown[new]] == nil {
        isAnyNowhere = true
      }
    }
    #expect(!isWhole)
    #expect(!isAnyNowhere)
    #expect(kept.isSuperset(of: [0, 1, 2, 18, 19, 20]))
  }
}
