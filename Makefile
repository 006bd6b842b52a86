# post: the post office for one machine.
#
#   make          build the release binary, statically linked: .build/release/post
#   make test     run all tests
#   make faults   let every system call fail in every way, and cut the power more often: some minutes
#   make acceptance
#                 build version 0.1.0 from the git history, and run what needs it, and what takes long, of the tests of
#                 claims and bodies: its watchers beside the new ones, letters of 4 GB, all pairs of calls. Needs 9 GB
#                 for temporary files (TMPDIR)
#   make soak     run everything at once for MINUTES=2, with kills every second, and see that nothing is lost
#   make bench    compare the speed of post with a floor in C and with what else does the like, redis, mosquitto,
#                 sqlite3, beanstalkd, nq, python3-dirq, inotifywait and the shell: some minutes, one table.
#                 ROWS="word ..." chooses rows by name; ROUNDS=3 LETTERS=2000 MAILBOXES=1000 SENDS=50 RUNS=40
#                 LINES=100000 BACKLOG=100000 say how much is done, LARGE=1 adds a million letters that wait,
#                 TMPDIR says where; RECORD=1 also writes the table to PostOffice.docc/Performance.md
#   make demo     build, then tell the shop's story on the post office in spool/
#   make lint     check the form of the sources
#   make install  install below $(DESTDIR)$(PREFIX); make uninstall removes it
#   make clean    remove what was built

PREFIX ?= /usr/local
DESTDIR ?=

SWIFT ?= swift
# Static: it starts in a quarter of the time, and runs on any Linux of its architecture.
# lld, because the default linker warns of glibc calls in the toolchain's libraries that are never made.
# One segment for code and constants: fewer page faults before main. What was tried is in PostOffice.docc/Performance.
# Types are looked up by functions, not by their mangled names: to take a name apart, and to look through all
# conformances for a set or dictionary of our own, is half of what a whole post read does between main and exit.
RELEASE = -c release --product post -Xswiftc -static-executable -Xswiftc -use-ld=lld \
	-Xlinker --gc-sections -Xlinker --strip-all -Xlinker --no-rosegment \
	-Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors

BINARY = .build/release/post
SHARE = Sources/share

MINUTES ?= 2

.PHONY: all test faults acceptance soak bench demo lint install uninstall clean

all:
	$(SWIFT) build $(RELEASE)
	@# Written anew in one go, by a single large write, the file lies in large pieces in the page cache, which the
	@# linker's scattered writes and the small ones of cp leave in small ones; each piece costs a page fault at start.
	@# Same inode and time: nothing relinks. A binary that is at work cannot be written to: then the copy replaces it.
	@cp -p $(BINARY) $(BINARY).copy && { dd if=$(BINARY).copy of=$(BINARY) bs=32M 2> /dev/null && \
	  touch -r $(BINARY).copy $(BINARY) && rm $(BINARY).copy || mv $(BINARY).copy $(BINARY); }

# The tests of the command line run the binary that is installed, not the one built for debugging.
TEST = POST_BINARY="$(CURDIR)/$(BINARY)" $(SWIFT) test --skip-build

test: all
	$(SWIFT) build --build-tests
	$(TEST)

faults: all
	$(SWIFT) build --build-tests
	POST_FAULTS=all $(TEST) --filter FaultTests

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

# Nothing goes to /etc, which is the administrator's: what nobody finds by itself lies in share/doc/post to copy.
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
