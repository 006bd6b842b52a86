// The names of bags and shelves. `new.0000000042` is the 42nd directory `new` that was sealed. A shelf holds a hundred
// bags, and its name ends with `xx` where theirs have two digits: `new.00000001xx` holds new.0000000100 to
// new.0000000199.
//
// Names are input: another user may plant any. What does not read as the one name of its number is no bag, and numbers
// that no sealer reaches are handled without overflow.

import Linux
import Text

/// A sealed directory.
struct Bag: Hashable, Comparable {
  /// Which directory was sealed.
  enum Kind: CaseIterable {
    case new
    /// It was none: letters that came back to `new` while others waited in bags.
    case again
    case cur, later, done, failed, tmp

    /// Its name.
    var word: StaticString {
      switch self {
      case .new: "new"
      case .again: "again"
      case .cur: "cur"
      case .later: "later"
      case .done: "done"
      case .failed: "failed"
      case .tmp: "tmp"
      }
    }

    /// Whether its bags are put on shelves. Those of the others are few; they tell times, or are chosen by number.
    var goesOnShelves: Bool { self != .later && self != .again }

    private static let all = allCases

    /// - Parameter isFit: gets the name.
    fileprivate init?(where isFit: (UnsafeRawBufferPointer) -> Bool) {
      let kind = Kind.all.first {
        isFit(UnsafeRawBufferPointer(start: $0.word.utf8Start, count: $0.word.utf8CodeUnitCount))
      }
      guard let kind else { return nil }
      self = kind
    }

    /// The kind of a directory; nil: it is never sealed.
    init?(_ folder: Path) {
      let name = folder.name
      self.init { name.isSame(as: $0) }
    }
  }

  let kind: Kind
  /// The lowest is read first. Of a bag of `later`: no letter in it is due before this time, seconds since 1970.
  let number: Int64
  /// Distinguishes several bags with one number.
  var part = 0
  /// It lies on a shelf.
  var isShelved = false
  /// It is a shelf, and this is the lowest number of its bags.
  var isShelf = false

  /// The most digits of a number or part. Post's own have fewer; those of a planted name may be any.
  private static let digits = 15
  private static let highest: Int64 = 999_999_999_999_999

  /// No sealer counts so far, and no letter is due so late: another program made the name.
  var isPlanted: Bool { max(number, Int64(part)) >= 100_000_000_000 }

  /// The next number; nil: there is none.
  var next: Bag? { number < Bag.highest ? Bag(kind, number + 1) : nil }
  /// The next bag of this number; nil: there is none.
  var nextPart: Bag? { part < Bag.highest ? Bag(kind, number, part: part + 1) : nil }

  /// Bags from this number on are put on shelves.
  static let firstShelved: Int64 = 100

  init(_ kind: Kind, _ number: Int64, part: Int = 0) {
    (self.kind, self.number, self.part) = (kind, number, part)
  }

  /// Reads the name of a bag or shelf; nil: it is none.
  init?(_ name: UnsafeRawBufferPointer) {
    guard let kind = Kind(where: { name.begins(with: $0) }) else { return nil }
    var index = kind.word.utf8CodeUnitCount
    /// A number of so many digits, or more if it needs them, so each number has one name.
    func next(_ width: Int) -> Int64? {
      guard index < name.count, name[index] == UInt8(ascii: ".") else { return nil }
      index += 1
      let (start, end) = (index, min(name.count, index + Bag.digits))
      var value: Int64 = 0
      while index < end, name[index].isDigit {
        value = value &* 10 &+ Int64(name[index] &- UInt8(ascii: "0"))
        index += 1
      }
      let count = index - start
      return count == width || count > width && name[start] != UInt8(ascii: "0") ? value : nil
    }
    let x = UInt8(ascii: "x")
    isShelf = kind.goesOnShelves && name.last == x && name[name.count - 2] == x
    guard let number = next(isShelf ? 8 : 10) else { return nil }
    (self.kind, self.number) = (kind, isShelf ? number * 100 : number)
    if index == (isShelf ? name.count - 2 : name.count) { return }
    guard !isShelf, let part = next(1), part > 0, index == name.count else { return nil }
    self.part = Int(part)
  }

  /// Reads the name of a directory; a path of several parts is none.
  init?(_ name: Path) {
    guard let bag = name.bytes.withUnsafeBytes({ Bag($0) }) else { return nil }
    self = bag
  }

  /// Its file name.
  var name: Path {
    let digits = String(isShelf ? number / 100 : number)
    let padding = String(repeating: "0", count: max(0, (isShelf ? 8 : 10) - digits.count))
    return Path("\(kind.word).\(padding)\(digits)" + (isShelf ? "xx" : part > 0 ? ".\(part)" : ""))
  }

  /// The shelf on which it lies, or would lie.
  var shelf: Bag {
    var shelf = Bag(kind, number / 100 * 100)
    shelf.isShelf = true
    return shelf
  }

  /// - Parameter bags: the path of the `bags/`.
  func path(in bags: Path) -> Path { isShelved ? bags / shelf.name / name : bags / name }

  static func < (left: Bag, right: Bag) -> Bool {
    left.number == right.number ? left.part < right.part : left.number < right.number
  }

  /// A directory is full when it is larger than this, in bytes as stat(2) tells them: on ext4 some 900 letters.
  static let limit: Int64 = 64 << 10
}
