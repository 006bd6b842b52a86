// Numbers with units, for durations and sizes.

/// Suffixes and what they stand for, the smallest first.
typealias UnitTable = [(suffix: String, size: Int64)]

/// Reads a whole number and its unit; nil for anything else, or for more than the limit. (Of a String: a generic function is
/// not specialised for callers in other modules, and looking its types up takes longer than all of the rest.)
func number(_ text: String, in units: UnitTable, limit: Int64) -> Int64? {
  let digits = text.utf8.prefix { $0.isDigit }
  let suffix = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
  guard let number = Int64(String(decoding: digits, as: UTF8.self)),
    let unit = units.first(where: { $0.suffix == suffix })?.size, number <= limit / unit
  else { return nil }
  return number * unit
}
