// Real power cuts: real file systems, cut off while the real binary works on them, and mounted again; then the test
// looks for every letter that had been accepted.
//
// The moments come from a seed that is printed; POST_SEED repeats them (as far as the kernel does). `make test` makes a
// few cuts of one file system, which the seed chooses, `make faults` many of each.

import Linux
import TestKit
import Testing

@Suite(.serialized, .needsFileSystems) struct RealCutTests {
  private static let seed = Seeded.anySeed
  /// Those that are cut off in this run.
  private static let systems = {
    let possible = FileSystem.allCases.filter(\.isHere)
    let missing = FileSystem.allCases.filter { !possible.contains($0) }
    if !missing.isEmpty { print("real cuts: this machine cannot make \(missing.map(\.rawValue))") }
    var dice = Seeded(seed)
    return dice.part(of: possible, atMost: 1)
  }()

  @Test(arguments: systems) func nothingIsLostWhenTheDiskIsCutOff(system: FileSystem) throws {
    let seed = RealCutTests.seed
    print("real cuts, \(system.rawValue), seed \(seed)")
    var dice = Seeded(seed)
    var report = CutReport()
    for _ in 1...(Seeded.takesAll ? 12 : 1) {
      let box = try Sandbox()
      for step in CutOffice.steps(on: system, &dice) {
        try LoopDisk(box, system).run(step.script, step.settings)
        #expect(eventually { !hasLoops(box) }, "a loop device was left behind")
      }
      for name in box.names(in: "cuts") {
        report.add(try CutFindings(box, name), tolerating: system.knownTroubles)
      }
    }
    print("real cuts, \(system.rawValue): \(report.summary)")
    #expect(report.troubles.isEmpty, "seed \(seed)")
    #expect(report.isEnough, "too little was tried")
  }

  /// What `Mount.commitsLinksWithFile` says: fsync(2) of a file, after it got its links, keeps them all. Without that
  /// fsync some are missing, or this would prove nothing.
  @Test(arguments: systems) func aFilesSyncCoversItsLinks(system: FileSystem) throws {
    let box = try Sandbox()
    try LoopDisk(box, system).run(
      #"""
      mkdir /mnt/disk/{1..1000}
      sync -f /mnt/disk
      for n in 1 2 3; do
        echo letter > /mnt/disk/letter-$n
        sync /mnt/disk/letter-$n /mnt/disk
        cd /mnt/disk
        perl -e 'link $ARGV[0], "$_/$ARGV[0]" or die $! for 1..1000' letter-$n
        cd "$OLDPWD"
        cut before-$n
        sync /mnt/disk/letter-$n
        cut after-$n
      done
      leave
      for copy in /mnt/before-* /mnt/after-*; do
        mount -o loop $copy /mnt/disk
        links=(/mnt/disk/*/letter-${copy##*-})
        echo ${#links[*]} > cuts/${copy##*/}/links
        leave
      done
      """#)
    for n in 1...3 {
      #expect(try box.read("cuts/after-\(n)/links") == "1000\n")
      #expect(try box.read("cuts/before-\(n)/links") != "1000\n")
    }
  }

  private func hasLoops(_ box: Sandbox) -> Bool {
    let loops = try? box.shell("losetup --list --noheadings --output BACK-FILE").text
    return loops?.contains(box.root.name.description) == true
  }
}
