// Bytes as ASCII: digits, letters, blanks, and the numbers in file names.

extension UInt8 {
  package var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  package var isLetterOrDigit: Bool {
    isDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
  }

  package var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}

/// The last digits of a number, in lower case. (`String(_:radix:)` looks up conformances at run time, which each start
/// of the program would pay for.)
package func hexadecimal(_ bits: UInt64, digits count: Int) -> String {
  let digits: StaticString = "0123456789abcdef"
  return String(unsafeUninitializedCapacity: count) { text in
    for place in 0..<count {
      text[place] = digits.utf8Start[Int(bits >> (4 * UInt64(count - 1 - place)) & 15)]
    }
    return count
  }
}

/// Reads exactly 16 digits in lower case; nil for anything else.
package func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
  var value: UInt64 = 0
  for digit in digits {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
    default: return nil
    }
  }
  return digits.count == 16 ? value : nil
}

/// Reads 1 to 15 digits; nil for anything else.
package func decimal(_ digits: ArraySlice<UInt8>) -> Int64? {
  guard !digits.isEmpty, digits.count <= 15, digits.allSatisfy(\.isDigit) else { return nil }
  return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
}
