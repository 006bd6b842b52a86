// Values as lines of JSON, for programs.

import FoundationEssentials

/// A value as one line of JSON, its keys in order.
package func json(_ value: some Encodable) -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  guard let data = try? encoder.encode(value) else { preconditionFailure("texts and numbers are JSON") }
  return String(decoding: data, as: UTF8.self) + "\n"
}
