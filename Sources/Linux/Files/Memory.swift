// What the kernel keeps in memory, proc_meminfo(5).

package enum Memory {
  /// How much was written to files and is not on their disks yet, bytes; nil if /proc does not tell.
  package static var unwritten: Int64? {
    File.text(of: "/proc/meminfo", limit: 8192).flatMap { unwritten(in: $0) }
  }

  /// The sum of the lines `Dirty:` and `Writeback:`, which count KiB.
  static func unwritten(in text: String) -> Int64? {
    var sum: Int64 = 0
    var count = 0
    for line in text.split(separator: "\n") where line.hasPrefix("Dirty:") || line.hasPrefix("Writeback:") {
      let words = line.split(separator: " ")
      guard words.count == 3, words[2] == "kB", let size = Int64(words[1]), size < 1 << 50 else { return nil }
      sum += size << 10
      count += 1
    }
    return count == 2 ? sum : nil
  }
}
