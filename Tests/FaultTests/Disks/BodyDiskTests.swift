import Linux
import TestKit
import Testing

/// A disk without room for a handler's private copy of a body does not stop handling, nor does a limit of file sizes.
@Suite struct BodyDiskTests {
  /// A handler that reports what it reads in two ways.
  private static let handler = """
    #!/bin/sh
    cat > $OUT/body; sha256sum < $OUT/body >> $OUT/sums; sha256sum < /dev/stdin >> $OUT/reopened; rm $OUT/body

    """

  private func open(_ disk: SmallDisk) throws {
    try disk.box.write("handle.sh", BodyDiskTests.handler.replacing("$OUT", with: "\(disk.box.root)"))
    try disk.script("post subscribe stock orders -- \(disk.box.root)/handle.sh; post subscribe read orders")
  }

  private func sums(_ disk: SmallDisk, _ file: String) -> [String] {
    ((try? disk.box.read(file)) ?? "").split(separator: "\n").map(String.init)
  }

  /// Sends letters of random bytes.
  /// - Returns: the sums of their bodies.
  private func send(_ disk: SmallDisk, _ sizes: [Int]) throws -> [String] {
    try sizes.map { size in
      let sum = try disk.script(
        "head -c \(size) /dev/urandom > body; post send orders body; sha256sum < body; rm body")
      return String(sum.dropLast())
    }
  }

  private func handleAll(_ disk: SmallDisk, _ sent: [String], isReopened: Bool = true) throws {
    let watched = try disk.shell("post watch --until-empty stock")
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(sums(disk, "sums") == sent)
    if isReopened { #expect(sums(disk, "reopened") == sent) }
    let copies = watched.errors.split(separator: "\n").filter { $0.contains("copy") }
    #expect(copies.count == (isReopened ? 0 : 1), "\(watched.errors)")
    #expect(disk.entries("done").count == sent.count)
    try disk.script("rm \(disk.box.root)/sums \(disk.box.root)/reopened")
    let read = try disk.shell("post read read --all -- \(disk.box.root)/handle.sh")
    #expect(read.code == 0, "\(read.errors)")
    #expect(sums(disk, "sums") == sent)
    if isReopened { #expect(sums(disk, "reopened") == sent) }
    #expect(try disk.debris() == [])
  }

  @Test(.needsTmpfs, arguments: SmallDisk.Fill.allCases)
  func aFullTmpfsStopsNoHandler(fill: SmallDisk.Fill) throws {
    try handleOn(try SmallDisk(.tmpfs, megabytes: 12), fill)
  }

  @Test(.needsExt4, arguments: SmallDisk.Fill.allCases)
  func aFullExt4StopsNoHandler(fill: SmallDisk.Fill) throws {
    try handleOn(try SmallDisk(.ext4, megabytes: 16), fill)
  }

  private func handleOn(_ disk: SmallDisk, _ fill: SmallDisk.Fill) throws {
    try open(disk)
    let sent = try send(disk, [0, 10, 100_000, 1 << 20, 1_500_000, 3_000_000])
    try disk.fill(fill)
    try handleAll(disk, sent)
  }

  /// There is room for half of it: post removes what it began.
  @Test(.needsTmpfs) func aDiskWithRoomForHalfOfItStopsNoHandler() throws {
    let disk = try SmallDisk(.tmpfs, megabytes: 10)
    try open(disk)
    let sent = try send(disk, [6_000_000, 10])
    try handleAll(disk, sent)
  }

  /// More than is kept in memory: the handler gets the letter's own file, after a warning.
  @Test(.needsTmpfs) func whatNoCopyHoldsIsReadFromTheLetterItself() throws {
    let disk = try SmallDisk(.tmpfs, megabytes: 170)
    try open(disk)
    let sent = try send(disk, [70 << 20, 68 << 20])
    try disk.fill(.bytes)
    try handleAll(disk, sent, isReopened: false)
  }

  @Test(.needsTmpfs, arguments: [64, 1200]) func aLimitOfFileSizesStopsNoHandler(kilobytes: Int) throws {
    let disk = try SmallDisk(.tmpfs, megabytes: 40)
    try open(disk)
    let sent = try send(disk, [10, 100_000, 2_000_000])
    // What the handler writes itself is not under test here.
    try disk.box.write("handle.sh", "#!/bin/sh\nsha256sum >> \(disk.box.root)/sums\n")
    let watched = try disk.shell("ulimit -Sf \(kilobytes); post watch --until-empty stock")
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(sums(disk, "sums") == sent)
    #expect(disk.entries("done").count == 3)
    let read = try disk.shell("ulimit -Sf \(kilobytes); post read read --all -- sha256sum")
    #expect(read.code == 0 && read.lines == sent, "\(read.errors)")
    #expect(try disk.debris() == [])
  }
}
