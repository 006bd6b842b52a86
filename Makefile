# post: durable publish/subscribe between programs on one machine.
#
#   make          build the release binary, statically linked: .build/release/post
#   make test     run all tests, in less than five minutes on two cores. Of each long matrix (kills, failing calls, power
#                 cuts, random histories, ways to read a body) it takes another part in each run; each test prints its
#                 seed, and POST_SEED=n takes the same parts again. Real disks are cut off on one file system only
#   make faults   take these matrices whole: kill every command at every system call, make each call fail in every way,
#                 cut the power at every moment, cut real disks off on ext4, xfs and btrfs. About an hour.
#                 POST_SCENARIO=word takes the scenarios of that name alone
#   make acceptance
#                 build version 0.1.0 from the git history, and run the tests that need it or take long: its watchers
#                 beside the new ones, letters of 4 GB, all pairs of calls. Needs 9 GB for temporary files (TMPDIR)
#   make soak     run everything at once for MINUTES=2, with kills every second, and check that no letter is lost
#   make bench    compare the speed of post with a floor in C and with redis, mosquitto, sqlite3, beanstalkd, nq,
#                 python3-dirq, inotifywait and the shell: some minutes, one table.
#                 ROWS="word ..." chooses rows by name; ROUNDS=3 LETTERS=2000 MAILBOXES=1000 SENDS=50 RUNS=40
#                 LINES=100000 BACKLOG=100000 set how much is measured; LARGE=1 adds a million waiting letters;
#                 TMPDIR sets where; RECORD=1 also writes the table to PostOffice.docc/Performance.md
#   make demo     build, then run the shop in spool/
#   make lint     check the style of the sources
#   make install  install below $(DESTDIR)$(PREFIX); make uninstall removes it
#   make clean    remove what was built

PREFIX ?= /usr/local
DESTDIR ?=

SWIFT ?= swift
# Static: it starts in a quarter of the time, and runs on any Linux of its architecture.
# lld: the default linker warns of glibc calls in the toolchain's libraries that are never made.
# --no-rosegment, one segment for code and constants: fewer page faults before main. PostOffice.docc/Performance.md
# lists what was tried.
# -disable-concrete-...: the runtime looks types up by functions, not by their mangled names. Taking a name apart, and
# searching all conformances for a set or dictionary of our own, is half of what a whole post read does between main
# and exit.
RELEASE = -c release --product post -Xswiftc -static-executable -Xswiftc -use-ld=lld \
	-Xlinker --gc-sections -Xlinker --strip-all -Xlinker --no-rosegment \
	-Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors

BINARY = .build/release/post
SHARE = Sources/share

MINUTES ?= 2

.PHONY: all test faults acceptance soak bench demo lint install uninstall clean

all:
	$(SWIFT) build $(RELEASE)
	@# Write the binary again with a single large write, so that it lies in large pieces in the page cache. The linker's
	@# scattered writes, and the small ones of cp, leave small pieces, and each piece costs a page fault at start.
	@# The inode and time stay the same, so nothing relinks. A binary that is running cannot be written to: then the
	@# copy replaces it.
	@cp -p $(BINARY) $(BINARY).copy && { dd if=$(BINARY).copy of=$(BINARY) bs=32M 2> /dev/null && \
	  touch -r $(BINARY).copy $(BINARY) && rm $(BINARY).copy || mv $(BINARY).copy $(BINARY); }

# The tests of the command line run the binary that is installed, not the one built for debugging.
TEST = POST_BINARY="$(CURDIR)/$(BINARY)" $(SWIFT) test --skip-build

test: all
	$(SWIFT) build --build-tests
	$(TEST)

# The suites outside of FaultTests of which `make test` takes a part.
PARTS = BagTests|[.]BodyTests|InotifyHealthTests|StderrCaptureTests|WatchKillTests

faults: all
	$(SWIFT) build --build-tests
	POST_FAULTS=all $(TEST) --filter 'FaultTests|$(PARTS)'

# The last commit of version 0.1.0.
OLD_COMMIT = e3b9f51
OLD = .build/0.1.0/.build/release/post

$(OLD):
	mkdir -p .build/0.1.0
	git archive $(OLD_COMMIT) | tar -x -C .build/0.1.0
	$(MAKE) -C .build/0.1.0

acceptance: all $(OLD)
	$(SWIFT) build --build-tests
	POST_FAULTS=all POST_PAIRS=all POST_OLD_BINARY="$(CURDIR)/$(OLD)" $(TEST) --filter 'UpgradeTests|BodyTests|ClaimPairsTests'

soak: all
	$(SWIFT) build --build-tests
	POST_SOAK=$$(($(MINUTES) * 60)) $(TEST) --filter SoakTests

bench: all
	$(SWIFT) build --product bench
	@POST_BINARY="$(CURDIR)/$(BINARY)" .build/debug/bench

demo: all
	spool/tour

lint:
	$(SWIFT) format lint --strict -r Package.swift Sources Tests
	shellcheck .ci/run spool/tour spool/bin/* spool/mailboxes/*/handle \
	  $(SHARE)/runit/run $(SHARE)/runit/log/run

# Nothing goes to /etc, which is the administrator's: samples to copy from lie in share/doc/post.
TREE = $(DESTDIR)$(PREFIX)

install: all
	install -D -m 755 $(BINARY) $(TREE)/bin/post
	install -D -m 644 -t $(TREE)/share/man/man7 $(SHARE)/man/*.7
	install -D -m 644 -t $(TREE)/lib/systemd/system $(SHARE)/systemd/post-*
	install -D -m 644 -t $(TREE)/lib/systemd/user $(SHARE)/systemd/user/post-*
	install -D -m 644 $(SHARE)/systemd/sysusers.conf $(TREE)/lib/sysusers.d/post.conf
	install -D -m 644 $(SHARE)/systemd/tmpfiles.conf $(TREE)/lib/tmpfiles.d/post.conf
	install -D -m 644 -t $(TREE)/share/doc/post $(SHARE)/cron/post.cron
	install -D -m 755 -t $(TREE)/share/doc/post/runit $(SHARE)/runit/run
	install -D -m 755 -t $(TREE)/share/doc/post/runit/log $(SHARE)/runit/log/run
	sed -i 's|@BINDIR@|$(PREFIX)/bin|' $(TREE)/lib/systemd/*/post-*.service \
	  $(TREE)/share/doc/post/post.cron $(TREE)/share/doc/post/runit/run

uninstall:
	rm -f $(TREE)/bin/post $(TREE)/share/man/man7/post-*.7 $(TREE)/lib/systemd/*/post-watch.service \
	  $(TREE)/lib/systemd/system/post-sweep.* $(TREE)/lib/sysusers.d/post.conf $(TREE)/lib/tmpfiles.d/post.conf
	rm -rf $(TREE)/share/doc/post

clean:
	$(SWIFT) package clean
	rm -rf .build
