// Bytes as ASCII: digits, letters, blanks, and numbers written in them.

extension UInt8 {
  package var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  package var isLetterOrDigit: Bool {
    isDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
  }

  package var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}

/// In lower case. (String's own way, for any integer and radix, looks up at run time what an integer is.)
package func hexadecimal(_ bits: UInt64, digits count: Int) -> String {
  let digits: StaticString = "0123456789abcdef"
  return String(unsafeUninitializedCapacity: count) { text in
    for place in 0..<count {
      text[place] = digits.utf8Start[Int(bits >> (4 * UInt64(count - 1 - place)) & 15)]
    }
    return count
  }
}

/// 16 digits in lower case.
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

/// At most 15 digits. (Not generic: called from another module, that would be slow.)
package func decimal(_ digits: ArraySlice<UInt8>) -> Int64? {
  guard !digits.isEmpty, digits.count <= 15 else { return nil }
  var value: Int64 = 0
  for digit in digits {
    guard digit.isDigit else { return nil }
    value = value * 10 + Int64(digit - UInt8(ascii: "0"))
  }
  return value
}
