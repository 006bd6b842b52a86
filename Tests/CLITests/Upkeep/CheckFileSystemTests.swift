import Linux
import TestKit
import Testing

/// Owners, permissions and file systems.
@Suite struct CheckFileSystemTests {
  let box: Sandbox

  init() throws {
    box = try Sandbox()
    try box.openWithLetters()
  }

  // MARK: Owners

  @Test(
    .needsOtherUser,
    arguments: [
      "topics/orders", "mailboxes/stock", "mailboxes/stock/new", "mailboxes/stock/notes",
      "topics/orders/subscribers",
      "mailboxes",
    ])
  func whatMayNotBeLookedIntoIsToldAndTheRestIsLookedAt(place: String) throws {
    try box.script("chmod -R a+rX spool; mkdir spool/mailboxes/invoice/done/10.x; chmod 700 spool/\(place)")
    let looked = try box.shell("\(Machine.asNobody) post check")
    #expect(looked.code == 1)
    let closed = looked.lines.filter {
      $0.contains("cannot be read: permission denied; run post check as its owner")
    }
    // The way to a mailbox leads through its symlink, too.
    #expect(closed.contains { $0.hasPrefix(place) })
    #expect(closed.allSatisfy { $0.hasPrefix(place) || $0.hasPrefix("topics/orders/subscribers/") })
    #expect(looked.text.contains("mailboxes/invoice/done/10.x: is a directory") == (place != "mailboxes"))
    #expect(!looked.text.contains("is missing"))
  }

  @Test(.needsOtherUser) func whoMayNotChangeAnythingIsToldWhatHeCouldNotRepair() throws {
    let id = box.entries("new")[0]
    try box.script(
      """
      chmod -R a+rX spool; cd spool
      chmod 664 mailboxes/stock/new/\(id); mkdir mailboxes/stock/done/10.x
      echo x > topics/orders/tmp/\(id); echo x > topics/orders/new/10.x; rm -r mailboxes/stock/later
      """)
    let before = try box.script("find spool -printf '%p %m\\n' | sort")
    let refused = try box.shell("\(Machine.asNobody) post check --repair")
    #expect(refused.code == 1)
    #expect(!refused.text.contains("repaired"))
    #expect(refused.lines.filter { !$0.contains(": remark: ") }.count == 5, "\(refused.text)")
    #expect(try box.script("find spool -printf '%p %m\\n' | sort") == before)
    #expect(try box.check("--repair").filter { $0.contains("repaired: ") }.count == 5)
  }

  @Test(.needsOtherUser) func aSpoolThatMayNotBeEnteredIsNoPermission() throws {
    try box.script("chmod 700 spool")
    #expect(try box.shell("\(Machine.asNobody) post check").code == 77)
  }

  @Test(.needsOtherUser) func aMailboxOfAnotherUserIsARemark() throws {
    try box.script("chmod -R a+rX spool; chown -R 65534 spool/mailboxes/stock")
    try box.expectClean()
    #expect(
      try box.remarks().contains("mailboxes/stock: remark: belongs to user 65534, the spool to user 0"))
  }

  @Test(.needsOtherUser) func aDirectoryInWhichItsOwnerCannotWorkIsAFinding() throws {
    try box.script(
      "chmod -R a+rX spool; chown -R 65534 spool; chown 0 spool/mailboxes/stock/done; chmod 500 spool/mailboxes/stock/later"
    )
    let found = try box.check()
    #expect(
      found == [
        "mailboxes/stock/later: has mode 500: its owner, user 65534, cannot use it; chmod u+rwx",
        "mailboxes/stock/done: belongs to user 0: user 65534, the owner of mailboxes/stock, cannot use it; chown it",
      ])
    try box.script("chmod 700 spool/mailboxes/stock/later; chmod g+rwx spool/mailboxes/stock/done")
    try box.expectClean()
  }

  @Test(.needsOtherUser) func aLetterThatItsMailboxesOwnerCannotReadIsAFinding() throws {
    try box.script("chown -R 65534 spool; umask 077; post send orders -m d")
    let id = try #require(box.entries("new").last)
    let found = try box.check()
    #expect(
      found.map { $0.prefix { $0 != ":" } }
        == ["topics/orders/cur", "mailboxes/invoice/new", "mailboxes/stock/new"].map { "\($0)/\(id)" })
    #expect(
      found.allSatisfy { $0.contains("has mode 400 and owner 0: user 65534") && $0.hasSuffix("; chmod a+r") })
    try box.script("chmod a+r spool/topics/orders/cur/\(id)")
    try box.expectClean()
  }

  /// Root checks and repairs another user's office: what root makes there belongs to that user.
  @Test(.needsOtherUser) func whatRootMakesBelongsToTheOwnerOfTheRoom() throws {
    try box.script(
      "chown -R 65534:65534 spool; chmod -R a+rX spool; rm -r spool/mailboxes/stock/later spool/topics/orders/tmp; mkdir spool/mailboxes/stock/done/10.x"
    )
    #expect(try box.check("--repair").filter { $0.contains("repaired: ") }.count == 3)
    #expect(
      try box.script(
        "cd spool; stat -c '%u %g' mailboxes/stock/later mailboxes/stock/corrupt topics/orders/tmp")
        == "65534 65534\n65534 65534\n65534 65534\n")
  }

  @Test func aDropBoxWithTheStickyBitAndAGroupThatDeliversAreInOrder() throws {
    try box.script(
      "cd spool; chmod 1733 topics/orders/{tmp,new,cur} mailboxes/stock/new; chmod 2775 mailboxes/invoice/*")
    try box.expectClean()
  }

  // MARK: File systems

  @Test(.needsOtherFileSystem) func aSpoolInMemoryIsRemarkedUpon() throws {
    let far = "/dev/shm/\(box.root.name)"
    defer { _ = try? box.shell("rm -rf \(far)") }
    try box.must("--spool", far, "subscribe", "stock", "orders")
    let looked = try box.post("--spool", far, "check")
    #expect(looked.code == 0)
    #expect(looked.lines.count == 1)
    #expect(looked.lines.first?.hasPrefix("\(far): remark: is ") == true)
  }

  @Test(.needsOtherFileSystem) func aMailboxOnAnotherFileSystemIsRemarkedUpon() throws {
    let far = "/dev/shm/\(box.root.name)"
    defer { _ = try? box.shell("rm -rf \(far)") }
    try box.script("mv spool/mailboxes/stock \(far); ln -s \(far) spool/mailboxes/stock")
    try box.must("send", "orders", "-m", "d")
    try box.expectClean()
    #expect(
      try box.remarks().contains(
        "mailboxes/stock: remark: is on another file system: letters are copied, not linked"))
  }

  private static let mounts = [
    ("mount -t overlay -o lowerdir=low,upperdir=up,workdir=work none disk", "is on an overlay"),
    ("mount -o loop,nobarrier image disk", "is mounted with nobarrier"),
    ("mount -o loop,data=writeback image disk", "is mounted with data=writeback"),
    ("mount -o loop image disk", ""),
    ("mkfs.ext4 -q -F -O fast_commit image && mount -o loop image disk", "is an ext4 with fast_commit"),
    ("mount --bind low disk", ""),
    ("mount -t tmpfs none disk", "is in memory (tmpfs)"),
  ]

  /// In a mount namespace of its own: it leaves nothing mounted.
  @Test(.enabled(if: canMount, "cannot mount a loop device here"), arguments: mounts)
  func aFileSystemThatMayNotKeepThePromisesIsRemarkedUpon(mount: String, what: String) throws {
    let looked = try box.shell(
      """
      mkdir disk low up work && truncate -s 16M image && mkfs.ext4 -q image &&
      unshare -m sh -c '\(mount) && post --spool disk/office subscribe stock orders && post --spool disk/office check'
      """)
    #expect(looked.code == 0, "\(looked.errors)")
    let remarks = looked.lines.filter { $0.contains(": remark: ") }
    if what.isEmpty {
      #expect(!looked.text.contains("is mounted"))
      #expect(mount.contains("bind") || remarks.isEmpty)
    } else {
      #expect(remarks.count == 1)
      #expect(remarks.first?.contains("/disk/office: remark: \(what)") == true)
    }
  }

  private static let canMount: Bool = {
    let script = """
      mkdir disk && truncate -s 16M image && mkfs.ext4 -q image && unshare -m mount -o loop image disk &&
      mkdir low up work && unshare -m mount -t overlay -o lowerdir=low,upperdir=up,workdir=work none disk
      """
    return (try? Sandbox().shell(script).code) == 0
  }()

  // MARK: The shop

  @Test func theShopIsClean() throws {
    try box.script(
      // As it is in git, without what a demo has left there.
      """
      mkdir house
      (cd '\(CheckFileSystemTests.house)'; git ls-files -z spool | xargs -0 cp -t "$OLDPWD/house" --parents)
      mv house/spool shop
      """)
    let fresh = try box.post("--spool", "shop", "check")
    #expect(fresh.code == 0, "\(fresh.text)")
    try box.script(
      """
      export POST_SPOOL=$PWD/shop; cd shop
      for box in stock invoice dispatch; do post subscribe $box orders; done
      cp mailboxes/stock/articles.start mailboxes/stock/articles
      printf '{"order":1,"article":"lamp","quantity":1,"customer":"Ana"}' | post send orders
      printf '{"order":2,"article":"unicorn","quantity":1,"customer":"Ana"}' | post send orders
      post watch -q --until-empty 2> /dev/null
      """)
    let used = try box.post("--spool", "shop", "check", "-v")
    #expect(used.code == 0, "\(used.text)")
    #expect(used.errors.contains("checked mailboxes/stock: 2 letters"))
  }

  /// The top of the repository: this file lies two folders below it.
  private static let house = ManPage.house
}
