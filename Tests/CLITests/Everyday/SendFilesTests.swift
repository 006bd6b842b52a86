import Linux
import TestKit
import Testing

/// Real files, of the kinds that people have: texts, gzip, programs, and an empty one.
@Suite struct SendFilesTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func threeHundredFilesReachThreeMailboxesByteForByteAndInOrder() throws {
    try box.open("stock", "invoice", "dispatch")
    let printed = try box.script(
      #"""
      take() { find "$1" -type f -size -100k -readable 2>/dev/null | sort | sed -n "1,$2p"; }
      : > empty
      { echo "$PWD/empty"; take /usr/share/common-licenses 20; take /usr/share/doc 180
        take /usr/bin 200; } | sed -n 1,300p > list
      while IFS= read -r file; do post send orders "$file"; done < list
      """#)
    #expect(printed == "")
    let count = try box.script("wc -l < list").trimmed
    #expect(count == "300")
    let linked = try box.script("find spool/mailboxes/*/new -type f -links 4 | wc -l").trimmed
    #expect(linked == "900")

    // Each mailbox is read in a different way.
    try box.script(
      #"""
      xargs -d '\n' cat < list > all
      post read invoice --all | cmp - all

      xargs -d '\n' sha256sum < list | cut -d ' ' -f 1 > sums
      post read dispatch --all -- sha256sum | cut -d ' ' -f 1 | cmp - sums

      number=0
      while post read stock > order; do
        number=$((number + 1))
        cmp order "$(sed -n "${number}p" list)"
      done
      test $number = 300
      """#)
    for mailbox in ["stock", "invoice", "dispatch"] {
      #expect(box.entries("done", of: mailbox).count == 300)
      #expect(box.entries("new", of: mailbox).isEmpty)
    }
  }

  /// 64 MiB: enough to distinguish a body that is held in memory from one that is not, in a debug build too.
  @Test(.needsPython) func aLargeBodyPassesInBoundedMemory() throws {
    try box.open("stock")
    let output = try box.script(
      #"""
      cat > measured.py <<'END'
      import resource, subprocess, sys
      code = subprocess.run(sys.argv[1:]).returncode
      print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open("kilobytes", "w"))
      sys.exit(code)
      END
      body() { yes 'a line that divides no buffer' | head -c 64M || true; }
      body | sha256sum > sent
      body | python3 measured.py post send orders
      cat kilobytes
      python3 measured.py post read stock | sha256sum | cmp - sent
      cat kilobytes
      """#)
    let peaks = output.split(separator: "\n").compactMap { Int($0) }
    #expect(peaks.count == 2)
    for kilobytes in peaks { #expect(kilobytes < 40_000) }
  }
}

extension String {
  fileprivate var trimmed: String { String(filter { !$0.isWhitespace }) }
}
