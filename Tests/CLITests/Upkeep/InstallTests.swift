// make install, and what it installs for operators who run post watch as a service.

import Linux
import TestKit
import Testing

@Suite struct InstallTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  /// Runs a target of the Makefile. The program is the one under test; nothing is built.
  private func make(_ target: String, _ variables: String) throws {
    try box.script("make -s -C '\(ManPage.house)' -o all \(target) BINARY='\(Sandbox.binary)' \(variables)")
  }

  /// Installs into the sandbox, where the installed parts find each other.
  private func install() throws { try make("install", "PREFIX='\(box.root)/usr'") }

  /// Runs a script that must succeed, and print nothing at all.
  private func quietly(_ script: String, at location: SourceLocation = #_sourceLocation) throws {
    let said = try box.script("exec 2>&1\n" + script, at: location)
    #expect(said == "", sourceLocation: location)
  }

  @Test(.needsMake) func everythingIsWhereItBelongs() throws {
    try make("install", "DESTDIR='\(box.root)/stage' PREFIX=/usr")
    let found = try box.script("cd stage; find . -type f -printf '%m %P\\n' | LC_ALL=C sort -k 2")
    #expect(
      found == """
        755 usr/bin/post
        644 usr/lib/systemd/system/post-sweep.service
        644 usr/lib/systemd/system/post-sweep.timer
        644 usr/lib/systemd/system/post-watch.service
        644 usr/lib/systemd/user/post-watch.service
        644 usr/lib/sysusers.d/post.conf
        644 usr/lib/tmpfiles.d/post.conf
        644 usr/share/doc/post/post.cron
        755 usr/share/doc/post/runit/log/run
        755 usr/share/doc/post/runit/run
        644 usr/share/man/man7/post-handler.7

        """)
    let named = try box.script("cd stage/usr; grep -rho '[^ ]*/bin/post [sw].*' lib share | sort")
    let call = "/usr/bin/post watch -v"
    #expect(
      named == """
        \(call) 2>&1
        ExecStart=/usr/bin/post sweep
        ExecStart=\(call)
        ExecStart=\(call)

        """)
    try quietly("! grep -r '@[A-Z]*@' stage/usr/lib stage/usr/share; ! grep -r '\(box.root)' stage/usr/[ls]*")

    try make("uninstall", "DESTDIR='\(box.root)/stage' PREFIX=/usr")
    try quietly("find stage ! -type d")
  }

  @Test(.needsMake) func theInstalledProgramRuns() throws {
    try install()
    #expect(try box.script("usr/bin/post --version") == box.must("--version"))
  }

  @Test(.needsMake, .needsSystemd) func systemdFindsNothingAmissInTheUnits() throws {
    try install()
    try quietly(
      """
      export XDG_RUNTIME_DIR="$PWD"
      systemd-analyze verify --man=no usr/lib/systemd/system/*
      systemd-analyze verify --man=no --user usr/lib/systemd/user/*
      """)
  }

  /// What systemd-tmpfiles makes: a spool for a group, whatever the umasks of its members.
  @Test(.needsMake, .needsSystemd, .needsRoot) func theSpoolIsSharedByItsGroupAlone() throws {
    try install()
    try quietly(
      """
      mkdir -p root/etc root/var/spool
      systemd-sysusers --root="$PWD/root" "$PWD/usr/lib/sysusers.d/post.conf" > out 2>&1 || cat out
      systemd-tmpfiles --root="$PWD/root" --create "$PWD/usr/lib/tmpfiles.d/post.conf"
      export POST_SPOOL="$PWD/root/var/spool/post"
      (umask 077 && post subscribe stock orders && post send orders -m 4711)
      find root/var/spool/post -type d ! -perm 2770
      find root/var/spool/post -type f -name '1*' ! -perm 440
      """)
    let user = try box.script("grep '^post:' root/etc/passwd").split(separator: ":")
    try quietly("find root/var/spool/post ! -gid \(user[3])")
    #expect(try box.script("stat -c '%a %u' root/var/spool/post") == "2770 \(user[2])\n")
  }

  @Test(.needsMake) func theRunScriptsParse() throws {
    try install()
    try quietly("for file in usr/share/doc/post/runit/{,log/}run; do sh -n $file; done")
  }

  @Test(.needsMake, .needsShellcheck) func shellcheckFindsNothingAmissInTheRunScripts() throws {
    try install()
    try quietly("shellcheck usr/share/doc/post/runit/{,log/}run")
  }

  @Test(.needsMake) func theRunScriptRunsTheWatcher() throws {
    try install()
    try box.must("subscribe", "stock", "orders", "--", "sh", "-c", "cat; echo said >&2")
    try box.must("send", "orders", "-m", "4711")
    try box.script("sed -i \"s|POST_SPOOL=.*|POST_SPOOL='$POST_SPOOL'|\" usr/share/doc/post/runit/run")
    let service = try box.start([box.root / "usr/share/doc/post/runit/run"])
    #expect(eventually { box.entries("done").count == 1 })
    service.kill(.terminate)
    let ended = try service.wait()
    // All of it on standard output, which runsv connects with log/run.
    #expect(ended.code == 0 && ended.errors == "")
    #expect(ended.text.contains("4711") && ended.text.contains("stock: said\n"))
  }

  /// Each line of the sample is run as cron would: those that are meant to be taken in as well.
  @Test(.needsMake, .needsFlock) func theLinesForCronDoTheirWork() throws {
    try install()
    try box.must("subscribe", "stock", "orders", "--", "true")
    try box.must("send", "orders", "-m", "4711")
    let lines = try box.read("usr/share/doc/post/post.cron").split(separator: "\n")
    let settings = lines.filter { $0.contains(/^[A-Z_]+=/) }
    #expect(settings.map { $0.prefix { $0 != "=" } } == ["SHELL", "PATH", "MAILTO", "POST_SPOOL"])
    let path = try #require(settings.first { $0.hasPrefix("PATH=") })
    let jobs = lines.compactMap { $0.wholeMatch(of: /#?(?:[0-9*]+ ){4}[0-9*]+ +post  (.+)/)?.1 }
    #expect(jobs.count == 2)
    for job in jobs { try quietly("env -i '\(path)' POST_SPOOL=\"$POST_SPOOL\" /bin/sh -c '\(job)'") }
    #expect(box.entries("done").count == 1)
    // What is no job, no setting and no comment would be an error to cron.
    #expect(lines.allSatisfy { $0.hasPrefix("#") || settings.contains($0) || $0.hasSuffix(jobs[0]) })
  }

  @Test(.needsMake, .needsMandoc) func theManualIsWellFormed() throws {
    try install()
    try quietly("mandoc -T lint -W warning usr/share/man/man7/*")
  }

  @Test(.needsMake) func theManualIsInstalledAsItIs() throws {
    try install()
    try quietly("cmp '\(ManPage.handler)' usr/share/man/man7/post-handler.7")
  }

  /// The examples are what an operator sees, and copies.
  @Test(.needsMandoc, arguments: ["sh", "python"]) func theExamplesAreAsTheyAreShown(name: String) throws {
    let shown = try box.script("mandoc -T ascii -O width=100,indent=0 '\(ManPage.handler)'")
    let page = shown.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.drop { $0 == " " } }.joined(separator: "\n")
    let example = try ManPage.example(name).split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.drop { $0 == " " } }.joined(separator: "\n")
    #expect(page.contains(example), "\(example)")
  }

  @Test func theExampleForTheShellParses() throws {
    try box.write("handler", ManPage.example("sh"))
    try quietly("head -n 1 handler | grep -qx '#!/bin/sh'; sh -n handler")
  }

  @Test(.needsShellcheck) func shellcheckFindsNothingAmissInTheExample() throws {
    try box.write("handler", ManPage.example("sh"))
    try quietly("shellcheck handler")
  }

  @Test(.needsPython) func theExampleForPythonParses() throws {
    try box.write("handler.py", ManPage.example("python"))
    try quietly("head -n 1 handler.py | grep -qx '#!/usr/bin/env python3'; python3 -m py_compile handler.py")
  }
}
